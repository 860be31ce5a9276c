/* SPDX-License-Identifier: MIT */
/*
 * cases.c - an ordinary program that prints what socket calls say
 *
 *	cases server ADDRESS PORT		serves all cases, until it is killed
 *	cases client ADDRESS PORT CASE
 *
 * Its output must be the same whatever path its connections take; so it says
 * nothing of ports that the kernel chose, nor of time.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define WAIT_MS	5000

static struct sockaddr_storage to;
static socklen_t to_len;

static void fill(const char *text, int port)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&to;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&to;

	memset(&to, 0, sizeof(to));
	if (inet_pton(AF_INET, text, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = htons((uint16_t)port);
		to_len = sizeof(*in);
	} else if (inet_pton(AF_INET6, text, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons((uint16_t)port);
		to_len = sizeof(*in6);
	} else {
		exit(2);
	}
}

static void say(const char *what, int result)
{
	if (result < 0)
		printf("%s: %s\n", what, strerrorname_np(errno));
	else
		printf("%s: %d\n", what, result);
}

static int tcp(void)
{
	return socket(to.ss_family, SOCK_STREAM, 0);
}

static const char *text_of(const struct sockaddr_storage *ss)
{
	static char text[INET6_ADDRSTRLEN];
	const struct sockaddr_in *in = (const void *)ss;
	const struct sockaddr_in6 *in6 = (const void *)ss;

	if (ss->ss_family == AF_INET)
		return inet_ntop(AF_INET, &in->sin_addr, text, sizeof(text));
	return inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof(text));
}

static void say_names(const char *who, int fd)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	int domain = 0;

	say("getsockname", getsockname(fd, (struct sockaddr *)&ss, &len));
	printf("%s: local %s, %d bytes\n", who, text_of(&ss), (int)len);
	len = sizeof(ss);
	say("getpeername", getpeername(fd, (struct sockaddr *)&ss, &len));
	printf("%s: peer %s, the one asked for: %d\n", who, text_of(&ss),
	       len == to_len && !memcmp(&ss, &to, len));
	len = to_len;
	say("SO_PEERNAME", getsockopt(fd, SOL_SOCKET, 28, &ss, &len));
	len = 4;
	memset(&ss, 0, sizeof(ss));
	say("a short buffer", getpeername(fd, (struct sockaddr *)&ss, &len));
	printf("its length: %d\n", (int)len);
	len = sizeof(domain);
	getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len);
	printf("domain as asked for: %d\n", domain == to.ss_family);
}

static void echo(int fd)
{
	char byte = 'x';

	say("write", (int)write(fd, &byte, 1));
	say("read", (int)read(fd, &byte, 1));
	printf("echoed: %c\n", byte);
}

static void blocking(void)
{
	int fd = tcp();

	say("connect", connect(fd, (struct sockaddr *)&to, to_len));
	say_names("blocking", fd);
	say("again", connect(fd, (struct sockaddr *)&to, to_len));
	echo(fd);
	close(fd);
}

static void finish(int fd)
{
	int error = -1;
	socklen_t len = sizeof(error);

	getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
	printf("SO_ERROR: %d\n", error);
	say("second connect", connect(fd, (struct sockaddr *)&to, to_len));
	say("third connect", connect(fd, (struct sockaddr *)&to, to_len));
	fcntl(fd, F_SETFL, 0);
	echo(fd);
	close(fd);
}

static void nonblocking(void)
{
	int fd = socket(to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct pollfd pollfd = { .fd = fd, .events = POLLOUT };

	say("connect", connect(fd, (struct sockaddr *)&to, to_len));
	say("poll", poll(&pollfd, 1, WAIT_MS));
	printf("events %x, flags %x, cloexec %d\n", pollfd.revents & (POLLOUT | POLLERR | POLLHUP),
	       fcntl(fd, F_GETFL) & O_NONBLOCK, fcntl(fd, F_GETFD));
	finish(fd);
}

/* Registered before connect; a duplicate keeps the old socket open meanwhile. */
static void epoll_case(uint32_t events, bool with_dup)
{
	int fd = socket(to.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
	int set = epoll_create1(0), other = with_dup ? dup(fd) : -1;
	struct epoll_event event = { .events = EPOLLOUT | events, .data.u64 = 0x1234567890 };

	say("EPOLL_CTL_ADD", epoll_ctl(set, EPOLL_CTL_ADD, fd, &event));
	while (epoll_wait(set, &event, 1, 0) > 0 && (events & EPOLLET))
		;
	event.events = EPOLLOUT | events;
	event.data.u64 = 0x1234567891;
	say("EPOLL_CTL_MOD", epoll_ctl(set, EPOLL_CTL_MOD, fd, &event));
	say("connect", connect(fd, (struct sockaddr *)&to, to_len));
	do
		say("epoll_wait", epoll_wait(set, &event, 1, WAIT_MS));
	while (event.events & EPOLLHUP);
	printf("events %x, data %llx\n", event.events, (unsigned long long)event.data.u64);
	say("EPOLL_CTL_DEL", epoll_ctl(set, EPOLL_CTL_DEL, fd, NULL));
	if (other >= 0)
		close(other);
	finish(fd);
	close(set);
}

static void epoll_level(void)
{
	epoll_case(0, false);
}

static void epoll_edge(void)
{
	epoll_case(EPOLLET, false);
}

static void refused(void)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&to;	/* the port is at the same place */
	in_port_t port = in->sin_port;
	int fd = tcp();

	in->sin_port = htons(1);
	say("connect to nobody", connect(fd, (struct sockaddr *)&to, to_len));
	in->sin_port = port;
	say("connect on the same socket", connect(fd, (struct sockaddr *)&to, to_len));
	echo(fd);
	close(fd);
}

static void options(void)
{
	static const struct {
		int level, name, value;
	} table[] = {
		{ SOL_SOCKET, SO_KEEPALIVE, 1 }, { IPPROTO_TCP, TCP_NODELAY, 1 },
		{ IPPROTO_TCP, TCP_KEEPIDLE, 77 }, { IPPROTO_TCP, TCP_KEEPINTVL, 7 },
		{ IPPROTO_TCP, TCP_KEEPCNT, 3 }, { IPPROTO_TCP, TCP_USER_TIMEOUT, 12345 },
		{ SOL_SOCKET, SO_RCVBUF, 50000 }, { SOL_SOCKET, SO_SNDBUF, 60000 },
		{ IPPROTO_TCP, TCP_SYNCNT, 4 }, { SOL_SOCKET, SO_OOBINLINE, 1 },
		{ SOL_SOCKET, SO_PRIORITY, 3 }, { IPPROTO_TCP, TCP_NOTSENT_LOWAT, 4096 },
	};
	struct timeval time = { .tv_sec = 7 };
	socklen_t len;
	int fd = tcp(), value;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time));
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		setsockopt(fd, table[i].level, table[i].name, &table[i].value, sizeof(int));
	say("connect", connect(fd, (struct sockaddr *)&to, to_len));
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		len = sizeof(value);
		getsockopt(fd, table[i].level, table[i].name, &value, &len);
		printf("option %d.%d: %d\n", table[i].level, table[i].name, value);
	}
	len = sizeof(time);
	getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &time, &len);
	printf("SO_RCVTIMEO: %d\n", (int)time.tv_sec);
	echo(fd);
	close(fd);
}

static void duplicates(void)
{
	int fd = tcp(), pair[2], status;

	say("connect", connect(fd, (struct sockaddr *)&to, to_len));
	say_names("dup", dup(fd));
	fflush(stdout);
	if (!fork()) {
		say_names("child", fd);
		fflush(stdout);
		_exit(0);
	}
	wait(&status);
	socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	close(pair[0]);
	close(pair[1]);
	echo(fd);
	close(fd);
}

static void half_close(void)
{
	char bytes[8];
	int fd = tcp();

	say("connect", connect(fd, (struct sockaddr *)&to, to_len));
	say("write", (int)write(fd, "abc", 3));
	say("shutdown", shutdown(fd, SHUT_WR));
	say("read all", (int)recv(fd, bytes, 3, MSG_WAITALL));
	say("end", (int)read(fd, bytes, sizeof(bytes)));
	close(fd);
}

static void interrupt(int signal)
{
	(void)signal;
}

/* SO_RCVTIMEO and signals are native on the new socket too. */
static void interrupted(void)
{
	struct sigaction action = { .sa_handler = interrupt };
	char byte;
	int fd = tcp();

	sigaction(SIGALRM, &action, NULL);
	say("connect", connect(fd, (struct sockaddr *)&to, to_len));
	alarm(1);
	say("read", (int)read(fd, &byte, 1));
	echo(fd);
	close(fd);
}

static void bad_arguments(void)
{
	int fd = tcp(), pipes[2];

	say("connect, bad pointer", connect(fd, (struct sockaddr *)8, to_len));
	say("connect, bad length", connect(fd, (struct sockaddr *)&to, 3));
	say("connect, bad fd", connect(999, (struct sockaddr *)&to, to_len));
	if (pipe(pipes) == 0)
		say("connect, a pipe", connect(pipes[0], (struct sockaddr *)&to, to_len));
	say("connect", connect(fd, (struct sockaddr *)&to, to_len));
	say("getpeername, bad pointer", getpeername(fd, (struct sockaddr *)8, &to_len));
	say("getpeername, bad length", getpeername(fd, (struct sockaddr *)&to, (socklen_t *)8));
	echo(fd);
	close(fd);
}

static void closes_all(void)
{
	int fd = tcp();

	say("connect", connect(fd, (struct sockaddr *)&to, to_len));
	close(fd);
	for (int other = 3; other < 1024; other++)
		close(other);
	fd = tcp();
	say("connect after all was closed", connect(fd, (struct sockaddr *)&to, to_len));
	echo(fd);
	close(fd);
}

static void dissolved(void)
{
	struct sockaddr none = { .sa_family = AF_UNSPEC };
	int fd = tcp();

	say("connect", connect(fd, (struct sockaddr *)&to, to_len));
	say("dissolve", connect(fd, &none, sizeof(none)));
	say("connect again", connect(fd, (struct sockaddr *)&to, to_len));
	echo(fd);
	close(fd);
}

static void vforked(void)
{
	int status = 0;
	pid_t pid = vfork();

	if (!pid) {
		int fd = tcp();

		_exit(connect(fd, (struct sockaddr *)&to, to_len) ? 1 : 0);
	}
	waitpid(pid, &status, 0);
	printf("vforked child: %d\n", WEXITSTATUS(status));
	blocking();
}

static const struct {
	const char *name;
	void (*run)(void);
} cases[] = {
	{ "blocking", blocking }, { "nonblocking", nonblocking },
	{ "epoll_level", epoll_level }, { "epoll_edge", epoll_edge },
	{ "refused", refused }, { "options", options }, { "duplicates", duplicates },
	{ "half_close", half_close }, { "interrupted", interrupted },
	{ "bad_arguments", bad_arguments }, { "closes_all", closes_all },
	{ "dissolved", dissolved }, { "vforked", vforked },
};

static void serve_one(int fd)
{
	char bytes[256];
	ssize_t got;

	while ((got = read(fd, bytes, sizeof(bytes))) > 0)
		if (write(fd, bytes, (size_t)got) != got)
			break;
	_exit(0);
}

static int serve(void)
{
	int one = 1, listener = tcp();

	signal(SIGCHLD, SIG_IGN);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(listener, (struct sockaddr *)&to, to_len) || listen(listener, 64))
		return 1;
	for (;;) {
		struct sockaddr_storage peer;
		socklen_t len = sizeof(peer);
		int fd = accept(listener, (struct sockaddr *)&peer, &len);

		if (fd < 0)
			continue;
		if (!fork())
			serve_one(fd);
		close(fd);
	}
}

int main(int argc, char **argv)
{
	if (argc < 4)
		return 2;
	fill(argv[2], atoi(argv[3]));
	if (!strcmp(argv[1], "server"))
		return serve();
	for (size_t i = 0; argc > 4 && i < sizeof(cases) / sizeof(cases[0]); i++)
		if (!strcmp(cases[i].name, argv[4])) {
			cases[i].run();
			return 0;
		}
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		puts(cases[i].name);
	return 2;
}
