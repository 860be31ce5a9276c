/* SPDX-License-Identifier: MIT */
/*
 * accept.c - servers, and what accept() gives them
 */
#include <netinet/tcp.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "program.h"

#define WORKERS	3
#define ECHOES	30

/* Connects, has one byte sent back, and waits for the end. */
static void one_echo(void)
{
	int fd = connected();

	echo(fd);
	say("shutdown", shutdown(fd, SHUT_WR));
	say_end(fd);
	close(fd);
}

static void serve_echo(int fd)
{
	echo_all(fd);
	say("close", close(fd));
}

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

/* --- several that accept --- */

/*
 * Children that share a listener; @own: or have one each, on the same port. All end when
 * the last of the connections has.
 */
static void workers(bool own)
{
	int from = own ? -1 : listener(64), pipes[2];
	pid_t all[WORKERS];

	if (pipe(pipes))
		return;
	for (int i = 0; i < WORKERS; i++) {
		all[i] = fork();
		if (all[i])
			continue;
		if (own) {
			from = bound(SO_REUSEPORT);
			listen(from, 64);
		}
		for (;;) {
			int fd = accept(from, NULL, NULL);

			echo_all(fd);
			close(fd);
			if (write(pipes[1], "x", 1) != 1)
				_exit(1);
		}
	}
	for (int i = 0; i < ECHOES; i++) {
		char byte;

		if (read(pipes[0], &byte, 1) != 1)
			break;
	}
	for (int i = 0; i < WORKERS; i++) {
		kill(all[i], SIGKILL);
		waitpid(all[i], NULL, 0);
	}
	puts("all have ended");
}

static void preforked(void)
{
	workers(false);
}

static void reuseport(void)
{
	workers(true);
}

static void many_echoes(void)
{
	int right = 0;

	for (int i = 0; i < ECHOES; i++) {
		char byte = (char)i, got = -1;
		int fd = tcp(0);

		right += connect(fd, TO, to_len) == 0 && write(fd, &byte, 1) == 1 &&
			 read(fd, &got, 1) == 1 && got == byte;
		close(fd);
	}
	printf("echoed: %d\n", right);
}

static void *accept_some(void *from)
{
	for (int i = 0; i < ECHOES / WORKERS; i++) {
		int fd = accept(*(int *)from, NULL, NULL);

		echo_all(fd);
		close(fd);
	}
	return NULL;
}

static void threads(void)
{
	int from = listener(64);
	pthread_t all[WORKERS];

	for (int i = 0; i < WORKERS; i++)
		pthread_create(&all[i], NULL, accept_some, &from);
	for (int i = 0; i < WORKERS; i++)
		pthread_join(all[i], NULL);
	say("all have ended", close(from));
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

/* --- listeners that end, and begin again --- */

static void ended(bool by_shutdown)
{
	int from = listener(8), fd = accepted(from);

	echo_all(fd);
	if (by_shutdown) {
		say("shutdown", shutdown(from, SHUT_RD));
		say("accept", accept(from, NULL, NULL));
	} else {
		say("close", close(from));
	}
	close(fd);
	poll(NULL, 0, 100);
	if (!by_shutdown)
		return;
	say("listen", listen(from, 8));
	serve_echo(accepted(from));
}

static void closed(void)
{
	ended(false);
}

static void shut_down(void)
{
	ended(true);
}

/* Refused in the end; how soon others hear of it is not said. */
static void until_refused(int tries)
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

static void refused_at_last(void)
{
	one_echo();
	until_refused(300);
}

/* The listener listens again, soon: all comes right. */
static void echoes_at_last(void)
{
	int got = 0, tries = 300;

	one_echo();
	while (!got && tries--) {
		int fd = tcp(0);
		char byte = 'y';

		if (connect(fd, TO, to_len) == 0 && write(fd, &byte, 1) == 1 &&
		    read(fd, &byte, 1) == 1)
			got = byte == 'y';
		shutdown(fd, SHUT_WR);
		if (got)
			say_end(fd);
		close(fd);
		poll(NULL, 0, 10);
	}
	printf("echoed: %d\n", got);
}

/* The port is free at once, although connections of it are open or in TIME_WAIT. */
static void rebound(void)
{
	int from = listener(8), one, other;

	one = accepted(from);
	serve_echo(accepted(from));
	say("close", close(from));
	from = listener(8);
	say("a second listener", bind(tcp(0), TO, to_len));
	echo_all(one);
	say("close", close(one));
	other = accepted(from);
	say_names("accepted", other);
	serve_echo(other);
}

static void rebound_client(void)
{
	int first = connected();

	one_echo();
	echo(first);
	shutdown(first, SHUT_WR);
	say_end(first);
	one_echo();
}

/* --- how connections begin and end --- */

static void deferred(void)
{
	int from = listener(8), fd;
	char byte;

	set_int(from, IPPROTO_TCP, TCP_DEFER_ACCEPT, 5);
	fcntl(from, F_SETFL, O_NONBLOCK);
	say("poll", poll(&(struct pollfd){ .fd = from, .events = POLLIN }, 1, WAIT_MS));
	fd = accepted(from);
	say("there at once", recv(fd, &byte, 1, MSG_DONTWAIT));
	say("write", write(fd, &byte, 1));
	serve_echo(fd);
}

/* Nothing is said for a while, or at all. */
static void late_byte(void)
{
	int fd = connected();

	poll(NULL, 0, 150);
	echo(fd);
	shutdown(fd, SHUT_WR);
	say_end(fd);
	close(fd);
}

/* @linger: a close() that resets; else there is data that nobody has read */
static void reset(bool linger)
{
	struct linger now = { .l_onoff = 1 };
	int from = listener(8), fd = accepted(from);
	char byte;

	say("recv", recv(fd, &byte, 1, linger ? 0 : MSG_PEEK));
	if (linger)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	say("close", close(fd));
}

static void lingers(void)
{
	reset(true);
}

static void unread(void)
{
	reset(false);
}

static void is_reset(void)
{
	int fd = connected();
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };

	say("write", write(fd, "x", 1));
	say("poll", poll(&pollfd, 1, WAIT_MS));
	printf("events %x\n", pollfd.revents);
	say_end(fd);
	say_end(fd);
	say("write", write(fd, "x", 1));
	close(fd);
}

/* The server speaks first. */
static void greeted(void)
{
	int fd = accepted(listener(8));

	say("write", write(fd, "hello", 5));
	say("shutdown", shutdown(fd, SHUT_WR));
	say_end(fd);
	close(fd);
}

static void greeting(void)
{
	char bytes[8];
	int fd = connected();

	say("read", recv(fd, bytes, 5, MSG_WAITALL));
	say_end(fd);
	say("write", write(fd, "x", 1));
	close(fd);
}

/* The queue of connections that nobody accepts yet. */
static void one_after_another(void)
{
	int from = listener(8);
	char byte;

	/* Until four wait. */
	poll(NULL, 0, 300);
	for (int i = 0; i < 4; i++) {
		int fd = accepted(from);

		say("read", read(fd, &byte, 1));
		printf("%c\n", byte);
		say("write", write(fd, &byte, 1));
		close(fd);
	}
}

static void four_at_once(void)
{
	int fds[4];
	char byte;

	for (int i = 0; i < 4; i++) {
		fds[i] = connected();
		byte = (char)('a' + i);
		say("write", write(fds[i], &byte, 1));
	}
	for (int i = 0; i < 4; i++) {
		say("read", read(fds[i], &byte, 1));
		printf("%c\n", byte);
		say_end(fds[i]);
	}
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
	{ "preforked", many_echoes, preforked, NULL },
	{ "reuseport", many_echoes, reuseport, NULL },
	{ "threads", many_echoes, threads, NULL },
	{ "execs_listener", one_echo, execs_listener, NULL },
	{ "execs_accepted", one_echo, execs_accepted, NULL },
	{ "passes_listener", one_echo, passes_listener, NULL },
	{ "passes_accepted", one_echo, passes_accepted, NULL },
	{ "no_room", one_echo, no_room, NULL },
	{ "room_for_one", one_echo, room_for_one, NULL },
	{ "closed", refused_at_last, closed, NULL },
	{ "shut_down", echoes_at_last, shut_down, NULL },
	{ "rebound", rebound_client, rebound, NULL },
	{ "deferred", late_byte, deferred, NULL },
	{ "lingers", is_reset, lingers, NULL },
	{ "unread", is_reset, unread, NULL },
	{ "greeted", greeting, greeted, NULL },
	{ "queued", four_at_once, one_after_another, NULL },
	{ "executed_listener", NULL, executed_listener, "part" },
	{ "executed_accepted", NULL, executed_accepted, "part" },
};

RUN_TESTS(tests)
