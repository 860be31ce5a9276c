/* SPDX-License-Identifier: MIT */
/*
 * accept.c - what accept() gives to servers, and to whom they pass it on
 */
#include <sys/epoll.h>
#include <sys/resource.h>

#include "program.h"

/* --- names --- */

static void names_given(void)
{
	int from = listener(8), fd;
	struct sockaddr_storage peer = { 0 }, name = { 0 };
	socklen_t len = sizeof(peer), name_len = sizeof(name);

	fd = say_fd("accept", accept(from, (struct sockaddr *)&peer, &len));
	printf("from %s, %d bytes\n", text_of(&peer), (int)len);
	getpeername(fd, (struct sockaddr *)&name, &name_len);
	printf("getpeername says so too: %d\n", len == name_len && !memcmp(&name, &peer, len));
	say_names("accepted", fd);
	serve_echo(fd);
}

/* Listens on all addresses, of IPv4 too. */
static void any_address(void)
{
	struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_port = *port_of(&to) };
	int from = socket(AF_INET6, SOCK_STREAM, 0), fd;

	set_int(from, IPPROTO_IPV6, IPV6_V6ONLY, 0);
	say("bind", bind(from, (struct sockaddr *)&any, sizeof(any)));
	listen(from, 8);
	fd = accepted(from);
	say_names("accepted", fd);
	serve_echo(fd);
}

/* @room: of the caller's buffer */
static void accept_short(int from, socklen_t room)
{
	unsigned char bytes[64];
	socklen_t len = room;
	int fd, kept = 0;

	memset(bytes, 0xee, sizeof(bytes));
	fd = say_fd("accept", accept(from, (struct sockaddr *)bytes, &len));
	/* Behind the buffer, or the address. */
	for (socklen_t i = room < to_len ? room : to_len; i < sizeof(bytes); i++)
		kept += bytes[i] == 0xee;
	printf("length %d, bytes left alone %d\n", (int)len, kept);
	printf("address %d.%d.%d.%d\n", bytes[4], bytes[5], bytes[6], bytes[7]);
	serve_echo(fd);
}

static void short_buffers(void)
{
	int from = listener(8);

	accept_short(from, 8);
	accept_short(from, 3);
	accept_short(from, 0);
	accept_short(from, 64);
}

static void four_echoes(void)
{
	for (int i = 0; i < 4; i++)
		one_echo();
}

/* accept() takes the connection before it finds that it cannot say whose. */
static void bad_pointers(void)
{
	int from = listener(8);
	struct sockaddr_storage peer;
	socklen_t len = (socklen_t)-1;

	say("no such address", accept(from, (struct sockaddr *)8, &(socklen_t){ 16 }));
	say("no such length", accept(from, (struct sockaddr *)&peer, (socklen_t *)8));
	say("length -1", accept(from, (struct sockaddr *)&peer, &len));
	serve_echo(accepted(from));
}

/* What becomes of a connection that was dropped so depends on the kernel: not said. */
static void three_dropped(void)
{
	for (int i = 0; i < 3; i++) {
		char byte;
		int fd = connected();

		printf("dropped: %d\n", read(fd, &byte, 1) <= 0);
		close(fd);
	}
	one_echo();
}

/* --- flags and readiness --- */

static void say_flags(int fd)
{
	printf("O_NONBLOCK %d, FD_CLOEXEC %d\n", !!(fcntl(fd, F_GETFL) & O_NONBLOCK),
	       fcntl(fd, F_GETFD));
	fcntl(fd, F_SETFL, 0);
	serve_echo(fd);
}

static void flags(void)
{
	int from = listener(8);

	say_flags(say_fd("accept", accept(from, NULL, NULL)));
	say_flags(say_fd("accept4", accept4(from, NULL, NULL, SOCK_NONBLOCK)));
	say_flags(say_fd("accept4", accept4(from, NULL, NULL, SOCK_CLOEXEC)));
	fcntl(from, F_SETFL, O_NONBLOCK);
	poll(&(struct pollfd){ .fd = from, .events = POLLIN }, 1, WAIT_MS);
	say_flags(say_fd("accept", accept(from, NULL, NULL)));
	say("nobody else", accept(from, NULL, NULL));
	say("impossible flags", accept4(from, NULL, NULL, 1));
}

/* @events: of the listener's registration */
static void with_epoll(uint32_t events)
{
	int from = listener(8), set = epoll_create1(0), left = 4;
	struct epoll_event event = { .events = EPOLLIN | events, .data.fd = from };

	fcntl(from, F_SETFL, O_NONBLOCK);
	epoll_ctl(set, EPOLL_CTL_ADD, from, &event);
	while (left && epoll_wait(set, &event, 1, WAIT_MS) == 1) {
		char byte;
		int fd;

		if (event.data.fd != from) {
			if (read(event.data.fd, &byte, 1) == 1 &&
			    write(event.data.fd, &byte, 1) == 1)
				continue;
			/* The router's own descriptor of it may live a moment longer. */
			say("EPOLL_CTL_DEL", epoll_ctl(set, EPOLL_CTL_DEL, event.data.fd, NULL));
			say("close", close(event.data.fd));
			left--;
			continue;
		}
		while ((fd = accept4(from, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
			event.data.fd = say_fd("accept4", fd);
			event.events = EPOLLIN;
			say("EPOLL_CTL_ADD", epoll_ctl(set, EPOLL_CTL_ADD, fd, &event));
		}
		say("accept4", fd);
		event = (struct epoll_event){ .events = EPOLLIN | events, .data.fd = from };
		if (events & EPOLLONESHOT)
			epoll_ctl(set, EPOLL_CTL_MOD, from, &event);
	}
	say("nothing is left", epoll_wait(set, &event, 1, 0));
}

static void epoll_level(void)
{
	with_epoll(0);
}

static void epoll_edge(void)
{
	with_epoll(EPOLLET);
}

static void epoll_oneshot(void)
{
	with_epoll(EPOLLONESHOT);
}

/* --- listeners and accepted connections that go elsewhere --- */

static void executed_listener(void)
{
	int fd = accepted(inherited());

	say_names("executed", fd);
	serve_echo(fd);
}

static void execs_listener(void)
{
	exec_self("executed_listener", listener(8));
}

static void executed_accepted(void)
{
	say_names("executed", inherited());
	serve_echo(inherited());
}

/* As inetd does. */
static void execs_accepted(void)
{
	int from = listener(8), fd = accepted(from);
	pid_t pid = child();

	if (!pid)
		exec_self("executed_accepted", fd);
	close(fd);
	printf("child: %d\n", status_of(pid));
}

/* @accept_first: the connection is passed, not the listener */
static void pass(bool accept_first)
{
	int pair[2], from = listener(8), fd;
	pid_t pid;

	socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	pid = child();
	if (!pid) {
		close(from);
		fd = fd_receive(pair[1]);
		if (!accept_first)
			fd = accepted(fd);
		say_names("receiver", fd);
		serve_echo(fd);
		child_ends();
	}
	fd = accept_first ? accepted(from) : from;
	fd_send(pair[0], fd);
	close(fd);
	printf("child: %d\n", status_of(pid));
}

static void passes_listener(void)
{
	pass(false);
}

static void passes_accepted(void)
{
	pass(true);
}

/* --- no numbers left --- */

/* @room: how many numbers are free in the end */
static void full(int room)
{
	struct rlimit few = { 64, 64 };
	struct sockaddr_storage peer = { 0 };
	socklen_t len = sizeof(peer);
	int from = listener(8), last = -1, fd;

	setrlimit(RLIMIT_NOFILE, &few);
	while ((fd = dup(0)) >= 0)
		last = fd;
	poll(&(struct pollfd){ .fd = from, .events = POLLIN }, 1, WAIT_MS);
	say("accept without room", accept(from, NULL, NULL));
	say("accept without room", accept(from, NULL, NULL));
	for (int i = 0; i < room; i++)
		close(last - i);
	fd = say_fd("accept", accept(from, (struct sockaddr *)&peer, &len));
	printf("from %s\n", text_of(&peer));
	say_names("accepted", fd);
	serve_echo(fd);
}

static void no_room(void)
{
	full(3);
}

static void room_for_one(void)
{
	full(1);
}

/* Nobody has sent anything yet: the route is the connection's from the start. */
static void has_a_route(void)
{
	int from = listener(4), fd = accepted(from);
	bool v6 = to.ss_family == AF_INET6;

	printf("IP_MTU: %d\n", get_int(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_MTU : IP_MTU) > 0);
	serve_echo(fd);
	close(from);
}

static const struct test tests[] = {
	{ "names", one_echo, names_given, NULL },
	{ "any_address", one_echo, any_address, NULL },
	{ "short_buffers", four_echoes, short_buffers, NULL },
	{ "bad_pointers", three_dropped, bad_pointers, NULL },
	{ "flags", four_echoes, flags, NULL },
	{ "epoll_level", four_echoes, epoll_level, NULL },
	{ "epoll_edge", four_echoes, epoll_edge, NULL },
	{ "epoll_oneshot", four_echoes, epoll_oneshot, NULL },
	{ "execs_listener", one_echo, execs_listener, NULL },
	{ "execs_accepted", one_echo, execs_accepted, NULL },
	{ "passes_listener", one_echo, passes_listener, NULL },
	{ "passes_accepted", one_echo, passes_accepted, NULL },
	{ "has_a_route", one_echo, has_a_route, NULL },
	{ "no_room", one_echo, no_room, NULL },
	{ "room_for_one", one_echo, room_for_one, NULL },
	{ "executed_listener", NULL, executed_listener, "part" },
	{ "executed_accepted", NULL, executed_accepted, "part" },
};

RUN_TESTS(tests)
