/* SPDX-License-Identifier: MIT */
/*
 * descriptors.c - a connection under other numbers and in other processes
 */
#include <spawn.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include "program.h"

#define DUPS		4
#define NUMBERS		1024
#define FIRST_KEPT	24

/* Each of these is the connection; closing some of them ends nothing. */
static void duplicates(void)
{
	int fd = connected(), all[DUPS];

	all[0] = dup(fd);
	all[1] = dup2(fd, 300);
	all[2] = dup3(fd, 301, O_CLOEXEC);
	all[3] = fcntl(fd, F_DUPFD_CLOEXEC, 400);
	close(fd);
	for (int i = 0; i < DUPS; i++) {
		printf("FD_CLOEXEC %d\n", fcntl(all[i], F_GETFD));
		say_names("duplicate", all[i]);
		echo(all[i]);
		say("close", close(all[i]));
	}
	say("closed", close(all[0]));
}

static in_port_t local_port(int fd)
{
	struct sockaddr_storage name = { 0 };
	socklen_t len = sizeof(name);

	getsockname(fd, (struct sockaddr *)&name, &len);
	return *port_of(&name);
}

/* One connection put over another, as a shell does. */
static void over_another(void)
{
	int one = connected(), other = connected();
	in_port_t port = local_port(other);

	printf("ports differ: %d\n", local_port(one) != port);
	say("dup2", dup2(other, one) == one);
	printf("the other's port: %d\n", local_port(one) == port);
	close(other);
	say_names("put over", one);
	echo(one);
}

/* A number that was a connection's is a fresh socket's, a pipe's, UDP's. */
static void numbers_again(void)
{
	struct sockaddr_storage name;
	socklen_t len = sizeof(name);
	int fd = connected(), number = fd, pair[2];

	syscall(SYS_close, fd);
	fd = tcp(0);
	printf("the same number: %d\n", fd == number);
	say("getpeername", getpeername(fd, (struct sockaddr *)&name, &len));
	say("SO_TYPE", get_int(fd, SOL_SOCKET, SO_TYPE));
	say("connect", connect(fd, TO, to_len));
	syscall(SYS_close, fd);
	fd = socket(to.ss_family, SOCK_DGRAM, 0);
	printf("the same number: %d\n", fd == number);
	say("getpeername", getpeername(fd, (struct sockaddr *)&name, &len));
	syscall(SYS_close, fd);
	say("socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	printf("the same number: %d\n", pair[0] == number);
	len = sizeof(name);
	say("getpeername", getpeername(pair[0], (struct sockaddr *)&name, &len));
	printf("SO_DOMAIN is AF_UNIX: %d\n", get_int(pair[0], SOL_SOCKET, SO_DOMAIN) == AF_UNIX);
	say("connect", connect(pair[0], TO, to_len));
	say("write", write(pair[0], "x", 1));
}

static void close_everything(void)
{
	for (int i = 0; i < 3; i++) {
		int fd = connected();

		say("close_range", (int)syscall(SYS_close_range, 3, ~0u, 0));
		say("closed", close(fd));
	}
	echo(connected());
	for (int fd = 3; fd < 1024; fd++)
		close(fd);
	echo(connected());
}

static int pipes_among(int first, int last)
{
	struct stat status;
	int num = 0;

	for (int fd = first; fd <= last; fd++)
		num += !fstat(fd, &status) && S_ISFIFO(status.st_mode);
	return num;
}

/* All numbers are a pipe's from here on, those of a shim's own among them, but for some that come free again. */
static void numbers_taken(void)
{
	struct rlimit limit = { NUMBERS, NUMBERS };
	int pair[2];

	say("RLIMIT_NOFILE", setrlimit(RLIMIT_NOFILE, &limit));
	one_echo();
	if (pipe(pair))
		return;
	for (int fd = 3; fd < NUMBERS; fd++)
		if (fd != pair[0] && dup2(pair[0], fd) < 0)
			say("dup2", -1);
	for (int fd = 3; fd < FIRST_KEPT; fd++)
		syscall(SYS_close, fd);
	for (int i = 0; i < 3; i++) {
		one_echo();
		printf("pipes: %d\n", pipes_among(FIRST_KEPT, NUMBERS - 1));
	}
}

static void in_child(void)
{
	int fd = connected();

	if (!child()) {
		say_names("child", fd);
		echo(fd);
		close(fd);
		fd = connected();
		echo(fd);
		child_ends();
	}
	wait(NULL);
	say_names("parent", fd);
	echo(fd);
}

/* The connection and a fresh one of the program that was executed. */
static void executed(void)
{
	int fd = inherited();

	say_names("executed", fd);
	echo(fd);
	say("close", close(fd));
	echo(connected());
}

static void execs(void)
{
	int fd = connected();

	exec_self("executed", fd);
}

static void execs_vforked(void)
{
	int fd = connected();
	pid_t pid;

	fflush(stdout);
	pid = vfork();
	if (!pid)
		exec_self("executed", fd);
	printf("child: %d\n", status_of(pid));
	say_names("parent", fd);
	echo(fd);
}

static void is_gone(void)
{
	char byte = 0;

	say("write", write(inherited(), &byte, 1));
}

static void execs_cloexec(void)
{
	int fd = tcp(SOCK_CLOEXEC);

	say("connect", connect(fd, TO, to_len));
	exec_self("is_gone", fd);
}

static void connects_vforked(void)
{
	pid_t pid = vfork();

	if (!pid) {
		int fd = tcp(0);

		_exit(connect(fd, TO, to_len) ? 1 : 0);
	}
	printf("vforked child: %d\n", status_of(pid));
	echo(connected());
}

static __attribute__((noinline)) int descriptors(void)
{
	int num = 0;

	for (int fd = 0; fd < 1024; fd++)
		num += fcntl(fd, F_GETFD) >= 0;
	return num;
}

static int connect_once(void)
{
	int fd = tcp(0), ret = connect(fd, TO, to_len);

	close(fd);
	return ret;
}

/* A child that has its parent's memory, but closes what it has of its descriptors */
static void closes_vforked(void)
{
	int left;

	one_echo();
	left = descriptors();
	for (int i = 0; i < 3; i++) {
		pid_t pid = vfork();

		if (!pid) {
			syscall(SYS_close_range, 3, ~0u, 0);
			_exit(connect_once() ? 1 : 0);
		}
		printf("vforked child: %d\n", status_of(pid));
		one_echo();
		printf("left over: %d\n", descriptors() - left);
	}
}

/* Children of children: none has more than the first one. */
static void generations(void)
{
	int first;

	one_echo();
	first = descriptors();
	for (int i = 0; i < 3; i++) {
		pid_t pid = child();

		if (pid) {
			printf("child: %d\n", status_of(pid));
			return;
		}
		one_echo();
		printf("left over: %d\n", descriptors() - first);
		fflush(stdout);
	}
	_exit(0);
}

static void spawned(void)
{
	char *arguments[] = { own_arguments[0], own_arguments[1], own_arguments[2],
			      own_arguments[3], "executed", "9", NULL };
	posix_spawn_file_actions_t actions;
	pid_t pid = -1;
	int fd = connected();

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, fd, 9);
	posix_spawn_file_actions_addclose(&actions, fd);
	fflush(stdout);
	if (posix_spawn(&pid, "/proc/self/exe", &actions, NULL, arguments, environ))
		puts("posix_spawn failed");
	printf("child: %d\n", status_of(pid));
	echo(fd);
}

/* To a process that was there before the connection. */
static void passed(void)
{
	int pair[2], fd;
	pid_t pid;

	socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	pid = child();
	if (!pid) {
		fd = fd_receive(pair[1]);
		say_names("receiver", fd);
		echo(fd);
		child_ends();
	}
	fd = connected();
	fd_send(pair[0], fd);
	close(fd);
	printf("child: %d\n", status_of(pid));
}

/* Not connected yet: the receiver connects, the sender has the plain socket still. */
static void passed_unconnected(void)
{
	int pair[2], fd = tcp(0);

	socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	fd_send(pair[0], fd);
	close(fd);
	if (!child()) {
		fd = fd_receive(pair[1]);
		say("connect", connect(fd, TO, to_len));
		say_names("receiver", fd);
		echo(fd);
		child_ends();
	}
	wait(NULL);
}

static int fill_up(void)
{
	struct rlimit few = { 64, 64 };
	int num = 0;

	setrlimit(RLIMIT_NOFILE, &few);
	while (dup(0) >= 0)
		num++;
	return error_name(errno) && num > 0;
}

/*
 * A process that has no number left connects a socket that it has; the server has one
 * connection of it.
 */
static void no_room(void)
{
	int first = connected(), fd;

	echo(first);
	fd = tcp(0);
	printf("full: %d\n", fill_up());
	say("one more", dup(0));
	say("connect", connect(fd, TO, to_len));
	echo(fd);
	say("shutdown", shutdown(fd, SHUT_WR));
	say_end(fd);
	say("shutdown", shutdown(first, SHUT_WR));
	say_end(first);
}

/* How many come, and how many bytes on each; until the last has ended. */
static void count_connections(void)
{
	int from = listener(8), fds[4], num = 0, open = 0;
	struct pollfd polled[5] = { { .fd = from, .events = POLLIN } };

	do {
		int ready = poll(polled, (nfds_t)num + 1, WAIT_MS);

		if (ready <= 0)
			break;
		for (int i = 0; i < num; i++) {
			char byte;

			if (!polled[i + 1].revents)
				continue;
			if (read(fds[i], &byte, 1) == 1) {
				printf("byte on connection %d\n", i);
				if (write(fds[i], &byte, 1) == 1)
					continue;
			}
			printf("end of connection %d\n", i);
			close(fds[i]);
			polled[i + 1].fd = -1;
			open--;
		}
		if (polled[0].revents && num < 4) {
			fds[num] = accepted(from);
			polled[++num] = (struct pollfd){ .fd = fds[num - 1], .events = POLLIN };
			open++;
		}
	} while (open || !num);
	printf("connections: %d\n", num);
}

/* --- a connection that is over, under another number --- */

/* A listener on the loopback device; leaves its address in @near. */
static int near_listener(struct sockaddr_storage *near)
{
	struct in6_addr loopback = IN6ADDR_LOOPBACK_INIT;
	socklen_t len = to_len;
	int fd = tcp(0);

	memset(near, 0, sizeof(*near));
	near->ss_family = to.ss_family;
	if (to.ss_family == AF_INET)
		((struct sockaddr_in *)near)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	else
		((struct sockaddr_in6 *)near)->sin6_addr = loopback;
	say("bind", bind(fd, (struct sockaddr *)near, len));
	say("listen", listen(fd, 1));
	say("getsockname", getsockname(fd, (struct sockaddr *)near, &len));
	return fd;
}

enum { FRESH, STREAMS, DATAGRAMS };

static const char *const numbers[] = { "fresh", "streams", "datagrams", NULL };

/* A number that nobody had before, or one that a socket made here had */
static int duplicate_by(size_t number, int fd)
{
	int before;

	if (number == FRESH)
		return fcntl(fd, F_DUPFD, 600);
	before = socket(to.ss_family, number == STREAMS ? SOCK_STREAM : SOCK_DGRAM, 0);
	close(before);
	printf("the same number: %d\n", dup2(fd, before) == before);
	return before;
}

/* What it goes on to is the container's own neighbour. */
static void elsewhere(void)
{
	struct sockaddr none = { .sa_family = AF_UNSPEC };
	struct sockaddr_storage near;
	int from = near_listener(&near), fd = connected(), other = duplicate_by(chosen[0], fd);

	echo(other);
	say("dissolve", connect(fd, &none, sizeof(none)));
	say("connect the other", connect(other, (struct sockaddr *)&near, to_len));
	close(fd);
	fd = accept(from, NULL, NULL);
	say("write", write(fd, "x", 1));
	echo(other);
}

static const struct test tests[] = {
	{ "duplicates", duplicates, NULL, NULL },
	{ "over_another", over_another, NULL, NULL },
	{ "numbers_again", numbers_again, NULL, NULL },
	{ "close_everything", close_everything, NULL, NULL },
	{ "numbers_taken", numbers_taken, NULL, NULL },
	{ "in_child", in_child, NULL, NULL },
	{ "execs", execs, NULL, NULL },
	{ "execs_vforked", execs_vforked, NULL, NULL },
	{ "execs_cloexec", execs_cloexec, NULL, NULL },
	{ "connects_vforked", connects_vforked, NULL, NULL },
	{ "closes_vforked", closes_vforked, NULL, NULL },
	{ "generations", generations, NULL, NULL },
	{ "spawned", spawned, NULL, NULL },
	{ "passed", passed, NULL, NULL },
	{ "passed_unconnected", passed_unconnected, NULL, NULL },
	{ "no_room", no_room, count_connections, NULL },
	{ "elsewhere", elsewhere, NULL, NULL, .dimensions = { numbers } },
	{ "executed", executed, NULL, "part" },
	{ "is_gone", is_gone, NULL, "part" },
};

RUN_TESTS(tests)
