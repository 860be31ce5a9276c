/* SPDX-License-Identifier: MIT */
/*
 * program.h - what the shim's test programs share
 *
 *	PROGRAM list [ADDRESS PORT]		names its cases
 *	PROGRAM server ADDRESS PORT [CASE]	serves one case; without, echoes to all comers
 *	PROGRAM client ADDRESS PORT CASE
 *
 * A program prints what its calls say, in words that are the same whatever path its connections
 * take: nothing of ports that the kernel chose, nor of time.
 *
 * How a case is written: functions of its client and, where the common echo server will not do, of its
 * server, and a row in the program's table; RUN_TESTS(table) is its main(). Try it with
 * `tests/shim/run PROGRAM:CASE` (patterns as the shell's will do: options:before/SO_*).
 *
 * The client starts as soon as the server's port listens, and is announced: what a server wants to be
 * done by then it does before it listens. A server ends by itself, soon after its client.
 *
 * A case is played many times over: on plain sockets, and with the shim on both ends, on the client's and on the
 * server's alone. Its path is asserted: slim, where both ends have the shim, and it is of two containers.
 *
 * Many cases from few lines: a row that has dimensions stands for all combinations of their words, as
 * cases NAME/WORD/WORD. chosen[] says which words of the first, second... dimension this one has:
 *
 *	static const char *const ways[] = { "blocking", "polled", NULL };
 *	static const char *const ends[] = { "closed", "shut", "reset", NULL };
 *
 *	static void ended(void)
 *	{
 *		int fd = chosen[0] == 1 ? polled() : connected();
 *		...
 *	}
 *	...
 *	{ "ended", ended, NULL, .dimensions = { ways, ends } },
 *	{ "of_six", of_six, NULL, .dimensions = { ways }, .applies = only_ipv6 },
 *
 * Where .applies is there it says whether there is such a case, by chosen[] and to.ss_family (which is
 * AF_UNSPEC where one lists all).
 *
 * Differences on purpose: a line that Slim makes another one begins with differs("KEY"), and KEY is
 * described in differences.txt, which has what the line says plainly, what with Slim, and where:
 *
 *	differs("bound-port");
 *	say("bind the same port", bind(other, ...));
 *
 * The runner then wants exactly that other line where the difference is to be, and the plain one
 * everywhere else; a difference that is not seen any more is a failure, too. All other lines must
 * be the same.
 */
#ifndef TESTS_SHIM_PROGRAM_H
#define TESTS_SHIM_PROGRAM_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define WAIT_MS		5000
#define SO_PEERNAME_	28

#define DIMENSIONS_MAX	4
#define CASE_NAME_MAX	256

/*
 * @server:	NULL: the common echo server does
 * @kind:	words for the runner, where it is not NULL: "packet", the slim path is not to be
 *		taken, though all would allow it; "none", no TCP connection is tried at all;
 *		"unannounced", the server is none that peers are told of; "silent", the wire between
 *		the hosts loses what opens a connection (a case of two hosts alone); "silent long", one
 *		that waits for more than some 300 ms then; "silent long mended", until the client asks for an
 *		end of that (mend()); "slow", another one that takes seconds; "both", only with the
 *		shim on both ends; "part", no case, but what one executes (and has then a client alone)
 * @dimensions:	lists of words, each with NULL behind the last
 * @applies:	which combinations of them there are; NULL: all
 */
struct test {
	const char *name;
	void (*client)(void);
	void (*server)(void);
	const char *kind;
	const char *const *dimensions[DIMENSIONS_MAX];
	bool (*applies)(void);
};

/* Rows need not say what they do not have. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

/* The words of this case, as numbers in their lists */
static size_t chosen[DIMENSIONS_MAX];

static char **own_arguments;
static struct sockaddr_storage to;
static socklen_t to_len;

#define TO	((struct sockaddr *)&to)

static inline void fill(const char *text, int port)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&to;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&to;

	if (inet_pton(AF_INET, text, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		to_len = sizeof(*in);
	} else if (inet_pton(AF_INET6, text, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		to_len = sizeof(*in6);
	} else {
		exit(2);
	}
	in->sin_port = htons((uint16_t)port);	/* at the same place in both */
}

static inline in_port_t *port_of(struct sockaddr_storage *ss)
{
	return &((struct sockaddr_in *)ss)->sin_port;
}

static inline const char *error_name(int error)
{
	static const struct {
		int error;
		const char *name;
	} names[] = {
#define NAME(error) { error, #error }
		NAME(EINTR), NAME(EBADF), NAME(EAGAIN), NAME(EFAULT), NAME(EINVAL),
		NAME(EMFILE), NAME(EPIPE), NAME(ENOTSOCK), NAME(EDESTADDRREQ),
		NAME(EPROTOTYPE), NAME(ENOPROTOOPT), NAME(EOPNOTSUPP), NAME(EAFNOSUPPORT),
		NAME(EADDRINUSE), NAME(EADDRNOTAVAIL), NAME(ENETUNREACH), NAME(ECONNABORTED),
		NAME(ECONNRESET), NAME(EISCONN), NAME(ENOTCONN), NAME(ETIMEDOUT),
		NAME(ECONNREFUSED), NAME(EHOSTUNREACH), NAME(EALREADY), NAME(EINPROGRESS),
		NAME(EACCES), NAME(EPERM), NAME(ENOENT), NAME(EPROTO), NAME(EIO),
#undef NAME
	};
	static char number[24];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].error == error)
			return names[i].name;
	snprintf(number, sizeof(number), "errno %d", error);
	return number;
}

static inline int say(const char *what, long result)
{
	if (result < 0)
		printf("%s: %s\n", what, error_name(errno));
	else
		printf("%s: %ld\n", what, result);
	return (int)result;
}

/* What is said next, to the line's end, is another thing with Slim: the difference of that name. */
static inline void differs(const char *key)
{
	printf("~%s ", key);
}

/* As say(), for an fd, whose number is nobody's business. */
static inline int say_fd(const char *what, int fd)
{
	say(what, fd < 0 ? fd : 0);
	return fd;
}

static inline int tcp(int flags)
{
	return socket(to.ss_family, SOCK_STREAM | flags, 0);
}

static inline int connected(void)
{
	int fd = tcp(0);

	say("connect", connect(fd, TO, to_len));
	return fd;
}

static inline int get_int(int fd, int level, int name)
{
	socklen_t len = sizeof(int);
	int value = -1;

	return getsockopt(fd, level, name, &value, &len) ? -1 : value;
}

static inline void set_int(int fd, int level, int name, int value)
{
	if (setsockopt(fd, level, name, &value, sizeof(value)))
		printf("setting %d.%d: %s\n", level, name, error_name(errno));
}

static inline const char *text_of(const struct sockaddr_storage *ss)
{
	static char text[INET6_ADDRSTRLEN];
	const struct sockaddr_in *in = (const void *)ss;
	const struct sockaddr_in6 *in6 = (const void *)ss;

	if (ss->ss_family == AF_INET)
		return inet_ntop(AF_INET, &in->sin_addr, text, sizeof(text));
	if (ss->ss_family == AF_INET6)
		return inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof(text));
	return "?";
}

/* Local and peer addresses of @fd, as far as they do not depend on the path. */
static inline void say_names(const char *who, int fd)
{
	struct sockaddr_storage local = { 0 }, peer = { 0 }, name = { 0 };
	socklen_t local_len = sizeof(local), peer_len = sizeof(peer), len;

	printf("%s:\n", who);
	say("getsockname", getsockname(fd, (struct sockaddr *)&local, &local_len));
	printf("local %s, %d bytes\n", text_of(&local), (int)local_len);
	say("getpeername", getpeername(fd, (struct sockaddr *)&peer, &peer_len));
	printf("peer %s, %d bytes\n", text_of(&peer), (int)peer_len);
	len = peer_len;
	say("SO_PEERNAME", getsockopt(fd, SOL_SOCKET, SO_PEERNAME_, &name, &len));
	printf("the same: %d\n", len == peer_len && !memcmp(&name, &peer, len));
	len = peer_len + 1;
	say("SO_PEERNAME, more", getsockopt(fd, SOL_SOCKET, SO_PEERNAME_, &name, &len));
	printf("a port is the server's: %d\n", *port_of(&local) == *port_of(&to) ||
	       *port_of(&peer) == *port_of(&to));
	printf("SO_DOMAIN is the family: %d\n",
	       get_int(fd, SOL_SOCKET, SO_DOMAIN) == local.ss_family);
}

/* One byte there and back. */
static inline void echo(int fd)
{
	char byte = 'x';

	say("write", write(fd, &byte, 1));
	byte = '?';
	say("read", read(fd, &byte, 1));
	printf("echoed: %c\n", byte);
}

/* What a non-blocking connect leaves behind, once it is writable. */
static inline void finish(int fd)
{
	printf("SO_ERROR: %d\n", get_int(fd, SOL_SOCKET, SO_ERROR));
	say("second connect", connect(fd, TO, to_len));
	say("third connect", connect(fd, TO, to_len));
	fcntl(fd, F_SETFL, 0);
	echo(fd);
	close(fd);
}

/* Sends back what comes, until the end. */
static inline void echo_all(int fd)
{
	char bytes[4096];
	ssize_t got;

	while ((got = read(fd, bytes, sizeof(bytes))) > 0)
		if (write(fd, bytes, (size_t)got) != got)
			break;
}

static inline void say_end(int fd)
{
	char bytes[64];

	say("end", read(fd, bytes, sizeof(bytes)));
}

static inline int bound(int option)
{
	int fd = tcp(0);

	if (option)
		set_int(fd, SOL_SOCKET, option, 1);
	if (bind(fd, TO, to_len))
		say("bind", -1);
	return fd;
}

static inline int listener(int backlog)
{
	int fd = bound(SO_REUSEADDR);

	if (listen(fd, backlog))
		say("listen", -1);
	return fd;
}

static inline void serve_all(void)
{
	int all = listener(64);

	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		struct sockaddr_storage peer;
		socklen_t len = sizeof(peer);
		int fd = accept(all, (struct sockaddr *)&peer, &len);

		if (fd < 0)
			continue;
		if (!fork()) {
			close(all);
			echo_all(fd);
			_exit(0);
		}
		close(fd);
	}
}

/* Refused in the end; how soon others hear of it is not said. */
static inline void until_refused(int tries)
{
	int error = 0;

	while (error != ECONNREFUSED && tries--) {
		int fd = tcp(0);

		error = connect(fd, TO, to_len) ? errno : 0;
		close(fd);
		poll(NULL, 0, 10);
	}
	printf("at last: %s\n", error_name(error));
}

/* From now on the wire does its work; what was lost is sent again a second after it was. Async-signal-safe */
static inline void mend(void)
{
	static const char line[] = "the wire is to be mended\n";

	if (write(STDOUT_FILENO, line, sizeof(line) - 1) < 0)
		_exit(3);
}

/* Until that thread of this process waits in the kernel, in system call @number, or @other */
static inline void wait_until_in(pid_t thread, long number, long other)
{
	char path[64];
	long in = -1;

	snprintf(path, sizeof(path), "/proc/self/task/%d/syscall", thread);
	while (in != number && in != other) {
		FILE *file = fopen(path, "re");

		if (!file || fscanf(file, "%ld", &in) != 1)
			in = -1;
		if (file)
			fclose(file);
		if (in != number && in != other)
			poll(NULL, 0, 1);
	}
}

/* accept(), of which the address does not matter. */
static inline int accepted(int from)
{
	return say_fd("accept", accept(from, NULL, NULL));
}

/* Connects, has one byte sent back, and waits for the end. */
static inline void one_echo(void)
{
	int fd = connected();

	echo(fd);
	say("shutdown", shutdown(fd, SHUT_WR));
	say_end(fd);
	close(fd);
}

static inline void serve_echo(int fd)
{
	echo_all(fd);
	say("close", close(fd));
}

/* Of a child, which has written all that it had to say. */
static inline int status_of(pid_t pid)
{
	int status = -1;

	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* A child whose lines come behind what the parent has said so far. */
static inline pid_t child(void)
{
	fflush(stdout);
	return fork();
}

static inline void child_ends(void)
{
	fflush(stdout);
	_exit(0);
}

/* An fd through a UNIX socket, and out of it. */
static inline void fd_send(int through, int fd)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { .header = {
		.cmsg_len = CMSG_LEN(sizeof(int)),
		.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS,
	} };
	struct iovec iov = { "f", 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};

	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	/* The other side says the rest. */
	if (sendmsg(through, &msg, 0) < 0)
		say("SCM_RIGHTS", -1);
}

static inline int fd_receive(int through)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	char byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	int fd = -1;

	if (recvmsg(through, &msg, 0) == 1 && msg.msg_controllen)
		memcpy(&fd, CMSG_DATA(&control.header), sizeof(fd));
	return say_fd("SCM_RIGHTS", fd);
}

/* This program once more, as another case: PROGRAM client|server ADDRESS PORT CASE FD */
static inline void exec_self(const char *what, int fd)
{
	char number[16];
	char *arguments[] = { own_arguments[0], own_arguments[1], own_arguments[2],
			      own_arguments[3], (char *)what, number, NULL };

	snprintf(number, sizeof(number), "%d", fd);
	fflush(stdout);
	execv("/proc/self/exe", arguments);
	_exit(127);
}

static inline int inherited(void)
{
	return own_arguments[4] && own_arguments[5] ? atoi(own_arguments[5]) : -1;
}

/* The next combination of a row's words; false: that was the last. */
static inline bool choose_next(const struct test *test)
{
	for (int i = DIMENSIONS_MAX - 1; i >= 0; i--) {
		if (!test->dimensions[i])
			continue;
		if (test->dimensions[i][++chosen[i]])
			return true;
		chosen[i] = 0;
	}
	return false;
}

static inline void name_case(const struct test *test, char *name)
{
	int len = snprintf(name, CASE_NAME_MAX, "%s", test->name);

	for (int i = 0; i < DIMENSIONS_MAX && test->dimensions[i]; i++)
		len += snprintf(name + len, (size_t)(CASE_NAME_MAX - len), "/%s",
				test->dimensions[i][chosen[i]]);
}

static inline void list_row(const struct test *test)
{
	char name[CASE_NAME_MAX];

	if (test->kind && strstr(test->kind, "part"))
		return;
	do {
		name_case(test, name);
		if (!test->applies || test->applies())
			printf("%s %s %s\n", name, test->server ? "pair" : "client",
			       test->kind ? test->kind : "");
	} while (choose_next(test));
}

/* Is it one of this row's? chosen[] then says which. */
static inline bool choose(const struct test *test, const char *wanted)
{
	char name[CASE_NAME_MAX];

	if (strncmp(test->name, wanted, strlen(test->name)))
		return false;
	do {
		name_case(test, name);
		if (!strcmp(name, wanted))
			return true;
	} while (choose_next(test));
	return false;
}

static inline int run_tests(int argc, char **argv, const struct test *tests, size_t num)
{
	bool is_server = argc > 1 && !strcmp(argv[1], "server");
	bool is_list = argc > 1 && !strcmp(argv[1], "list");

	own_arguments = argv;
	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGPIPE, SIG_IGN);
	if (argc >= 4)
		fill(argv[2], atoi(argv[3]));
	for (size_t i = 0; is_list && i < num; i++)
		list_row(&tests[i]);
	if (is_list || argc < 4)
		return is_list ? 0 : 2;
	if (is_server && argc == 4)
		serve_all();
	for (size_t i = 0; i < num; i++)
		if (choose(&tests[i], argv[4])) {
			(is_server && tests[i].server ? tests[i].server : tests[i].client)();
			return 0;
		}
	return 2;
}

#define RUN_TESTS(tests)						\
	int main(int argc, char **argv)					\
	{								\
		return run_tests(argc, argv, tests, sizeof(tests) / sizeof(tests[0])); \
	}

#endif
