/* SPDX-License-Identifier: MIT */
/*
 * processes.c - sockets that other programs begin with, as inetd, systemd and shells hand them over
 */
#include <sched.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include "program.h"

#define NOBODY		65534
#define LISTEN_FD	3	/* SD_LISTEN_FDS_START */
#define STACK_SIZE	65536

static void wait_for(pid_t pid)
{
	printf("child: %d\n", status_of(pid));
}

/* This program as another case, once @fd has become number @number */
static void exec_with(const char *what, int fd, int number)
{
	if (fd != number)
		dup2(fd, number);
	else
		fcntl(fd, F_SETFD, 0);
	exec_self(what, number);
}

/* --- inetd: the connection is what is read from and written to --- */

static void inetd_service(void)
{
	struct sockaddr_storage name;
	socklen_t len = sizeof(name);
	char byte;
	bool well = !getpeername(0, (struct sockaddr *)&name, &len) && name.ss_family == to.ss_family &&
		    !getsockname(1, (struct sockaddr *)&name, &len) && *port_of(&name) == *port_of(&to);

	while (read(0, &byte, 1) == 1)
		if (write(1, &byte, 1) != 1)
			break;
	_exit(well ? 0 : 1);
}

static void inetd(void)
{
	int from = listener(8);

	for (int i = 0; i < 2; i++) {
		int fd = accepted(from);
		pid_t pid = child();

		if (!pid) {
			close(from);
			dup2(fd, 0);
			dup2(fd, 1);
			exec_with("inetd_service", fd, 2);
		}
		close(fd);
		wait_for(pid);
	}
}

/* "wait": the service has the listener itself. */
static void inetd_wait_service(void)
{
	int fd = accept(0, NULL, NULL);

	echo_all(fd);
	_exit(fd < 0);
}

static void inetd_wait(void)
{
	int from = listener(8);

	for (int i = 0; i < 2; i++) {
		pid_t pid = child();

		if (!pid) {
			dup2(from, 0);
			exec_with("inetd_wait_service", from, from);
		}
		wait_for(pid);
	}
}

/* --- systemd: LISTEN_FDS, from 3 on --- */

static bool is_activated(void)
{
	const char *num = getenv("LISTEN_FDS"), *pid = getenv("LISTEN_PID");

	return num && pid && atoi(num) == 1 && atoi(pid) == getpid();
}

static void activate(const char *what, int fd)
{
	char number[16];

	snprintf(number, sizeof(number), "%d", getpid());
	setenv("LISTEN_PID", number, 1);
	setenv("LISTEN_FDS", "1", 1);
	exec_with(what, fd, LISTEN_FD);
}

static void activated_listener(void)
{
	printf("activated: %d\n", is_activated());
	printf("SO_ACCEPTCONN: %d\n", get_int(LISTEN_FD, SOL_SOCKET, SO_ACCEPTCONN));
	fcntl(LISTEN_FD, F_SETFD, FD_CLOEXEC);
	for (int i = 0; i < 2; i++) {
		int fd = accepted(LISTEN_FD);

		say_names("accepted", fd);
		echo_all(fd);
		close(fd);
	}
	close(LISTEN_FD);
}

/* It is activated by the first connection, which it accepts. */
static void systemd(void)
{
	int from = listener(8);
	pid_t pid;

	poll(&(struct pollfd){ .fd = from, .events = POLLIN }, 1, WAIT_MS);
	pid = child();
	if (!pid)
		activate("activated_listener", from);
	wait_for(pid);
	close(from);
}

static void activated_connection(void)
{
	printf("activated: %d\n", is_activated());
	say_names("connection", LISTEN_FD);
	echo_all(LISTEN_FD);
}

/* Accept=yes */
static void systemd_accept(void)
{
	int from = listener(8);

	for (int i = 0; i < 2; i++) {
		int fd = accepted(from);
		pid_t pid = child();

		if (!pid)
			activate("activated_connection", fd);
		close(fd);
		wait_for(pid);
	}
}

static void two_echoes(void)
{
	one_echo();
	one_echo();
}

/* --- a socket of each state, left to another program --- */

static const char *const states[] = { "fresh", "connecting", "connected", NULL };

static void heir(void)
{
	bool is_fresh = !strcmp(own_arguments[4], "heir_connects");
	int fd = inherited();

	if (is_fresh)
		say("connect", connect(fd, TO, to_len));
	poll(&(struct pollfd){ .fd = fd, .events = POLLOUT }, 1, WAIT_MS);
	fcntl(fd, F_SETFL, 0);
	say_names("heir", fd);
	say("SO_ERROR", get_int(fd, SOL_SOCKET, SO_ERROR));
	say("connect again", connect(fd, TO, to_len));
	echo(fd);
	close(fd);
	/* (Else it is that one's path that counts.) */
	if (!is_fresh)
		one_echo();
}

static void leaves(void)
{
	int fd = tcp(chosen[0] == 1 ? SOCK_NONBLOCK : 0);

	if (chosen[0])
		say("connect", connect(fd, TO, to_len));
	exec_self(chosen[0] ? "heir" : "heir_connects", fd);
}

/* --- SCM_RIGHTS: to a program that was executed before --- */

static void receiver(void)
{
	int through = inherited(), fd = fd_receive(through);

	say_names("received", fd);
	echo(fd);
	close(fd);
	fd = fd_receive(through);
	say("connect", connect(fd, TO, to_len));
	echo(fd);
	close(fd);
}

static void sends(void)
{
	int pair[2], fd;
	pid_t pid;

	socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	pid = child();
	if (!pid)
		exec_self("receiver", pair[1]);
	fd = connected();
	fd_send(pair[0], fd);
	close(fd);
	fd = tcp(0);
	fd_send(pair[0], fd);
	close(fd);
	wait_for(pid);
}

static void accepting_receiver(void)
{
	int through = inherited(), fd = fd_receive(through);

	say_names("received", fd);
	echo_all(fd);
	close(fd);
	fd = accepted(fd_receive(through));
	say_names("accepted", fd);
	echo_all(fd);
}

/* What was accepted here, then the listener */
static void sends_listener(void)
{
	int pair[2], from = listener(8), fd = accepted(from);
	pid_t pid;

	fcntl(from, F_SETFD, FD_CLOEXEC);
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	pid = child();
	if (!pid)
		exec_self("accepting_receiver", pair[1]);
	fd_send(pair[0], fd);
	close(fd);
	fd_send(pair[0], from);
	close(from);
	wait_for(pid);
}

/* --- clone, without the C library's knowledge --- */

struct shared {
	int fd, status;
};

static int connects_on_stack(void *data)
{
	struct shared *shared = data;

	shared->status = connect(shared->fd, TO, to_len) ? errno : 0;
	return 0;
}

static const char *const shares[] = { "nothing", "files", "memory", "both", NULL };

static void clones(void)
{
	static const int flags[] = { 0, CLONE_FILES, CLONE_VM | CLONE_VFORK,
				     CLONE_VM | CLONE_FILES | CLONE_VFORK };
	struct shared shared = { tcp(0), -1 };
	char *stack = malloc(STACK_SIZE);
	pid_t pid;

	fflush(stdout);
	pid = clone(connects_on_stack, stack + STACK_SIZE, flags[chosen[0]] | SIGCHLD, &shared);
	wait_for(pid);
	printf("status: %d\n", shared.status);
	if (chosen[0] == 1 || chosen[0] == 3) {
		/* The same table: the connection is here, too. */
		say_names("parent", shared.fd);
		echo(shared.fd);
	}
	one_echo();
}

/* --- what is given up --- */

static void one_echo_as_other(void)
{
	one_echo();
}

/*
 * The loader leaves the shim out where an executable gives privileges to who starts it: a copy of this
 * program that belongs to root.
 */
static void setuid_program(void)
{
	char directory[] = "/tmp/slim-setuid-XXXXXX", name[64], buffer[65536];
	char *arguments[] = { own_arguments[0], own_arguments[1], own_arguments[2],
			      own_arguments[3], "one_echo_as_other", NULL };
	ssize_t got;
	int in, out;
	pid_t pid;

	if (!mkdtemp(directory))
		return;
	chmod(directory, 0755);
	snprintf(name, sizeof(name), "%s/program", directory);
	in = open("/proc/self/exe", O_RDONLY);
	out = open(name, O_WRONLY | O_CREAT, 0755);
	while ((got = read(in, buffer, sizeof(buffer))) > 0)
		if (write(out, buffer, (size_t)got) != got)
			puts("no copy");
	fchmod(out, 04755);
	close(out);
	pid = child();
	if (!pid) {
		if (setgid(NOBODY) || setuid(NOBODY))
			_exit(98);
		execv(name, arguments);
		_exit(99);
	}
	wait_for(pid);
	unlink(name);
	rmdir(directory);
}

static const struct test tests[] = {
	{ "inetd", two_echoes, inetd },
	{ "inetd_wait", two_echoes, inetd_wait },
	{ "systemd", two_echoes, systemd },
	{ "systemd_accept", two_echoes, systemd_accept },
	{ "leaves", leaves, NULL, .dimensions = { states } },
	{ "sends", sends, NULL },
	{ "sends_listener", two_echoes, sends_listener },
	{ "clones", clones, NULL, .dimensions = { shares } },
	{ "setuid_program", setuid_program, NULL, "packet" },
	{ "inetd_service", inetd_service, NULL, "part" },
	{ "inetd_wait_service", inetd_wait_service, NULL, "part" },
	{ "activated_listener", activated_listener, NULL, "part" },
	{ "activated_connection", activated_connection, NULL, "part" },
	{ "heir", heir, NULL, "part" },
	{ "heir_connects", heir, NULL, "part" },
	{ "receiver", receiver, NULL, "part" },
	{ "accepting_receiver", accepting_receiver, NULL, "part" },
	{ "one_echo_as_other", one_echo_as_other, NULL, "part" },
};

RUN_TESTS(tests)
