/* SPDX-License-Identifier: MIT */
/*
 * test_diag.c - what sock_diag says of real sockets, in a namespace of our own
 * links: router/diag.c router/diag_info.c router/endpoint.c router/namespace.c router/log.c
 * libs: nl-3
 */
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../router/diag.h"
#include "../../router/endpoint.h"
#include "../../router/namespace.h"
#include "suite.h"

#define PORT	4790

static struct diag *diag;
static int listener, client, accepted;

static void loopback_up(void)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	ck_assert_int_eq(ioctl(fd, SIOCSIFFLAGS, &ifr), 0);
	close(fd);
}

static void setup(void)
{
	struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_port = htons(PORT) };
	struct sockaddr_in sin = {
		.sin_family = AF_INET, .sin_port = htons(PORT),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};

	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	ck_assert_int_eq(namespace_init(), 0);
	loopback_up();
	diag = diag_open(-1);
	ck_assert_ptr_nonnull(diag);
	listener = socket(AF_INET6, SOCK_STREAM, 0);
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&any, sizeof(any)), 0);
	ck_assert_int_eq(listen(listener, 5), 0);
	client = socket(AF_INET, SOCK_STREAM, 0);
	ck_assert_int_eq(connect(client, (struct sockaddr *)&sin, sizeof(sin)), 0);
	accepted = -1;
}

static void teardown(void)
{
	diag_close(diag);
	close(listener);
	close(client);
	close(accepted);
}

static uint64_t cookie_of(int fd)
{
	uint64_t cookie;
	socklen_t len = sizeof(cookie);

	ck_assert_int_eq(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len), 0);
	return cookie;
}

struct found {
	uint64_t cookie;
	struct diag_socket socket;
	unsigned int num;
	bool seen;
};

static void find(const struct diag_socket *socket, void *data)
{
	struct found *found = data;

	found->num++;
	if (socket->cookie != found->cookie)
		return;
	found->seen = true;
	found->socket = *socket;
}

START_TEST(listeners)
{
	struct found found = { .cookie = cookie_of(listener) };

	ck_assert_int_eq(diag_dump(diag, DIAG_LISTEN, 0, 0, false, find, &found), 0);
	ck_assert(found.seen);
	ck_assert_uint_eq(found.num, 1);
	ck_assert_int_eq(found.socket.family, AF_INET6);
	ck_assert_int_eq(found.socket.local.port, PORT);
	ck_assert(!found.socket.v6only);
	ck_assert_uint_eq(found.socket.rqueue, 1);
	ck_assert_uint_eq(found.socket.wqueue, 5);
}
END_TEST

static const struct {
	uint16_t first, last;
	unsigned int num;
} ranges[] = {
	{ 0, 0, 2 },
	{ PORT, PORT, 2 },
	{ PORT - 5, PORT + 5, 2 },
	{ PORT + 1, PORT + 5, 0 },
	{ PORT - 5, PORT - 1, 0 },
};

START_TEST(port_ranges)
{
	struct found found = { .cookie = cookie_of(client) };

	ck_assert_int_eq(diag_dump(diag, DIAG_LIVE, ranges[_i].first, ranges[_i].last, true,
				   find, &found), 0);
	ck_assert_uint_eq(found.num, ranges[_i].num);
	ck_assert_int_eq(found.seen, ranges[_i].num > 0);
}
END_TEST

START_TEST(byte_counts)
{
	struct found found = { .cookie = cookie_of(client) };

	ck_assert_int_eq(send(client, "hello", 5, 0), 5);
	ck_assert_int_eq(diag_dump(diag, DIAG_LIVE, 0, 0, true, find, &found), 0);
	ck_assert_uint_eq(found.socket.bytes_sent, 5);
	ck_assert_uint_gt(found.socket.rtt_us, 0);
}
END_TEST

/* The inode tells whether a connection was accepted. */
START_TEST(accepted_or_not)
{
	struct sockaddr_in sin;
	socklen_t len = sizeof(sin);
	struct slim_endpoint server, peer;
	struct diag_socket socket;

	getsockname(client, (struct sockaddr *)&sin, &len);
	peer = endpoint_from_sockaddr((struct sockaddr *)&sin);
	server = peer;
	server.port = PORT;
	ck_assert_int_eq(diag_find(diag, AF_INET, &server, &peer, &socket), 0);
	ck_assert_uint_eq(socket.inode, 0);
	accepted = accept(listener, NULL, NULL);
	ck_assert_int_ge(accepted, 0);
	ck_assert_int_eq(diag_find(diag, AF_INET, &server, &peer, &socket), 0);
	ck_assert_uint_ne(socket.inode, 0);
	ck_assert_uint_eq(socket.cookie, cookie_of(accepted));
	ck_assert_int_eq(diag_find_live(diag, cookie_of(accepted), &server, &peer, &socket), 0);
	ck_assert_int_eq(diag_find_live(diag, cookie_of(client), &server, &peer, &socket), -ENOENT);
	peer.port++;
	ck_assert_int_eq(diag_find(diag, AF_INET, &server, &peer, &socket), -ENOENT);
}
END_TEST

static struct diag_socket dumped(int fd)
{
	struct found found = { .cookie = cookie_of(fd) };

	ck_assert_int_eq(diag_dump(diag, DIAG_LIVE, 0, 0, false, find, &found), 0);
	ck_assert(found.seen);
	return found.socket;
}

static enum diag_opener opener_of(int fd)
{
	struct diag_socket socket = dumped(fd);

	ck_assert_int_eq(diag_examine(diag, &socket), 0);
	ck_assert_uint_eq(socket.cookie, cookie_of(fd));
	return socket.opener;
}

static void both_know(void)
{
	ck_assert_int_eq(opener_of(client), DIAG_OPENER_LOCAL);
	ck_assert_int_eq(opener_of(accepted), DIAG_OPENER_PEER);
}

static void fill(int fd)
{
	static char data[65536];

	while (send(fd, data, sizeof(data), MSG_DONTWAIT) > 0)
		;
	ck_assert_int_eq(errno, EAGAIN);
}

/* What came until the other end was full; the kernel acknowledges while it is read. */
static void drain(int fd)
{
	static char data[65536];
	struct pollfd readable = { .fd = fd, .events = POLLIN };

	while (poll(&readable, 1, 100) > 0)
		ck_assert_int_gt(recv(fd, data, sizeof(data), 0), 0);
}

START_TEST(opener)
{
	accepted = accept(listener, NULL, NULL);
	both_know();
	fill(client);
	both_know();
	fill(accepted);
	both_know();
	drain(accepted);
	both_know();
	drain(client);
	both_know();
	ck_assert_int_eq(shutdown(accepted, SHUT_WR), 0);
	both_know();
}
END_TEST

static volatile bool pumped;

static void *pump(void *unused)
{
	static char data[16384];

	(void)unused;
	while (send(accepted, data, sizeof(data), 0) > 0 &&
	       recv(client, data, sizeof(data), 0) > 0 && !pumped)
		;
	return NULL;
}

/* It may not be known then, but is never taken for the other one. */
START_TEST(opener_of_a_busy_one)
{
	struct diag_socket first, second;
	pthread_t thread;
	int known = 0;

	accepted = accept(listener, NULL, NULL);
	first = dumped(client);
	second = dumped(accepted);
	ck_assert_int_eq(pthread_create(&thread, NULL, pump, NULL), 0);
	for (int i = 0; i < 500; i++) {
		ck_assert_int_eq(diag_examine(diag, &first), 0);
		ck_assert_int_eq(diag_examine(diag, &second), 0);
		ck_assert_int_ne(first.opener, DIAG_OPENER_PEER);
		ck_assert_int_ne(second.opener, DIAG_OPENER_LOCAL);
		known += first.opener == DIAG_OPENER_LOCAL &&
			 second.opener == DIAG_OPENER_PEER;
	}
	pumped = true;
	pthread_join(thread, NULL);
	ck_assert_int_ge(known, 50);
}
END_TEST

START_TEST(examine_knows_it_by_its_cookie)
{
	struct diag_socket socket = dumped(client);

	socket.cookie++;
	ck_assert_int_lt(diag_examine(diag, &socket), 0);
}
END_TEST

START_TEST(destroy)
{
	struct found found = { .cookie = cookie_of(client) };
	char byte;

	ck_assert_int_eq(diag_dump(diag, DIAG_LIVE, 0, 0, false, find, &found), 0);
	found.socket.cookie++;
	ck_assert_int_lt(diag_destroy(diag, &found.socket), 0);
	found.socket.cookie--;
	ck_assert_int_eq(diag_destroy(diag, &found.socket), 0);
	ck_assert_int_lt(recv(client, &byte, 1, MSG_DONTWAIT), 0);
	ck_assert_int_eq(errno, ECONNABORTED);
}
END_TEST

START_TEST(other_namespace)
{
	int home = open("/proc/self/ns/net", O_RDONLY);
	struct found found = { .cookie = cookie_of(client) };
	struct diag *other;

	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	ck_assert_int_eq(namespace_init(), 0);
	other = diag_open(-1);
	ck_assert_int_eq(diag_dump(other, DIAG_LIVE, 0, 0, false, find, &found), 0);
	ck_assert_uint_eq(found.num, 0);
	diag_close(other);
	other = diag_open(home);
	ck_assert_int_eq(diag_dump(other, DIAG_LIVE, 0, 0, false, find, &found), 0);
	ck_assert_uint_eq(found.num, 2);
	diag_close(other);
	close(home);
}
END_TEST

/* The descriptor of diag's netlink socket */
static int netlink_fd(void)
{
	for (int fd = 3; fd < 256; fd++) {
		int domain = 0;
		socklen_t len = sizeof(domain);

		if (!getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) && domain == AF_NETLINK)
			return fd;
	}
	ck_abort_msg("there is none");
	return -1;
}

/* What would have come on a socket that failed must not answer the next question. */
START_TEST(a_failed_exchange_is_forgotten)
{
	int other = socket(AF_INET, SOCK_DGRAM, 0);
	struct found found = { .cookie = cookie_of(client) };

	ck_assert_int_ge(dup2(other, netlink_fd()), 0);
	close(other);
	ck_assert_int_eq(diag_dump(diag, DIAG_LIVE, PORT, PORT, false, find, &found), -EIO);
	ck_assert_int_eq(diag_dump(diag, DIAG_LIVE, PORT, PORT, false, find, &found), 0);
	ck_assert(found.seen);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("diag");
	TCase *tc = tcase_create("kernel");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, listeners);
	tcase_add_loop_test(tc, port_ranges, 0, sizeof(ranges) / sizeof(ranges[0]));
	tcase_add_test(tc, byte_counts);
	tcase_add_test(tc, accepted_or_not);
	tcase_add_test(tc, opener);
	tcase_add_test(tc, opener_of_a_busy_one);
	tcase_add_test(tc, examine_knows_it_by_its_cookie);
	tcase_add_test(tc, destroy);
	tcase_add_test(tc, other_namespace);
	tcase_add_test(tc, a_failed_exchange_is_forgotten);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
