/* SPDX-License-Identifier: MIT */
/*
 * test_ticket.c - tickets reach the listener, are used again, and leave no TIME_WAIT
 * links: router/ticket.c router/endpoint.c router/namespace.c router/log.c router/counters.c
 * links: router/diag.c router/diag_info.c
 * libs: nl-3 urcu urcu-cds urcu-common
 */
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "../../include/slim/channel.h"
#include "../../router/container.h"
#include "../../router/diag.h"
#include "../../router/endpoint.h"
#include "../../router/namespace.h"
#include "../../router/ticket.h"
#include "suite.h"

#define PORT		8000
#define TIME_WAIT	(1u << 6)
#define AT_ONCE		40
#define REST		5	/* ms: of router/ticket.c */
#define ROUNDS		500

static struct container container;
static int refs, listener;
static bool going;		/* the container is */
static struct slim_endpoint name;

bool container_get(struct container *unused)
{
	(void)unused;
	refs += !going;
	return !going;
}

void container_put(struct container *unused)
{
	(void)unused;
	refs--;
}

static void listen_on(int backlog)
{
	struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_port = htons(PORT) };

	listener = namespace_socket(container.netns_fd, AF_INET6, SOCK_STREAM, 0);
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&any, sizeof(any)), 0);
	ck_assert_int_eq(listen(listener, backlog), 0);
}

/* The host stays where we are; the container is a namespace that we enter. */
static void setup(void)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	struct in6_addr addr;
	int fd;

	rcu_register_thread();
	hash_seed_init();
	ck_assert_int_eq(tickets_init(), 0);
	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	ck_assert_int_eq(namespace_init(), 0);
	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	ck_assert_int_eq(ioctl(fd, SIOCSIFFLAGS, &ifr), 0);
	close(fd);
	container.netns_fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	addr_parse("127.0.0.1", &addr);
	name = endpoint_make(&addr, PORT);
}

static void teardown(void)
{
	tickets_close(&container);
	ck_assert_int_eq(refs, 0);
	rcu_barrier();
	rcu_unregister_thread();
}

static void count(const struct diag_socket *socket, void *data)
{
	(void)socket;
	++*(unsigned int *)data;
}

static unsigned int sockets_in(unsigned int states)
{
	struct diag *diag = diag_open(container.netns_fd);
	unsigned int num = 0;

	ck_assert_int_eq(diag_dump(diag, states, 0, 0, false, count, &num), 0);
	diag_close(diag);
	return num;
}

START_TEST(names_itself)
{
	struct sockaddr_in6 peer;
	socklen_t len = sizeof(peer);
	struct slim_endpoint from;
	struct ticket *ticket;
	int fd;

	listen_on(5);
	ticket = ticket_get(&container, AF_INET);
	ck_assert_ptr_nonnull(ticket);
	ck_assert_int_eq(refs, 1);
	ck_assert_int_eq(ticket_connect(ticket, &name), 0);
	fd = accept(listener, (struct sockaddr *)&peer, &len);
	ck_assert_int_ge(fd, 0);
	from = endpoint_from_sockaddr((struct sockaddr *)&peer);
	ck_assert_uint_eq(from.port, ticket->port);
	ck_assert_uint_eq(ntohl(addr_get4(&peer.sin6_addr)), SLIM_TICKET_ADDR4);
	ticket_put(ticket, true);
	/* The application's end is reset, not ended. */
	ck_assert_int_lt(recv(fd, &len, sizeof(len), MSG_DONTWAIT), 0);
	ck_assert_int_eq(errno, ECONNRESET);
	close(fd);
}
END_TEST

/* Claimed before or after the application dropped its end: nothing stays behind. */
START_TEST(many_rounds_leave_nothing)
{
	listen_on(5);
	for (int i = 0; i < ROUNDS; i++) {
		struct ticket *ticket = ticket_get(&container, AF_INET);
		int fd;

		ck_assert_ptr_nonnull(ticket);
		ck_assert_int_eq(ticket_connect(ticket, &name), 0);
		fd = accept(listener, NULL, NULL);
		ck_assert_int_ge(fd, 0);
		if (i % 2)
			close(fd);
		ticket_put(ticket, true);
		if (!(i % 2))
			close(fd);
	}
	ck_assert_uint_eq(sockets_in(TIME_WAIT), 0);
	ck_assert_uint_eq(sockets_in(DIAG_LIVE), 0);
}
END_TEST

/* By the clock that tickets rest by */
static uint64_t coarse_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* Used again, but not at once: the last connection's reset must have been heard of. */
START_TEST(rests_and_is_used_again)
{
	const struct timespec ms = { .tv_nsec = 1000000 };
	struct ticket *held[64], *ticket;
	unsigned int made, num = 0;
	bool again = false;
	uint64_t put_at;
	uint16_t port;

	listen_on(5);
	ticket = ticket_get(&container, AF_INET);
	made = container.ticket_port;
	port = ticket->port;
	ck_assert_int_eq(ticket_connect(ticket, &name), 0);
	put_at = coarse_ms();
	ticket_put(ticket, true);
	/* Whoever is held is not given out: all of the others have their turn, most of them at once. */
	for (int waited = 0; waited < 1000 && !again && num < 64; waited++) {
		held[num] = ticket_get(&container, AF_INET);
		ck_assert_ptr_nonnull(held[num]);
		again = held[num]->port == port;
		ck_assert(!again || coarse_ms() - put_at >= REST);
		if (++num > AT_ONCE)
			nanosleep(&ms, NULL);
	}
	ck_assert(again);
	while (num)
		ticket_put(held[--num], true);
	ck_assert_uint_le(container.ticket_port, made + 64);
}
END_TEST

START_TEST(refused_where_nobody_listens)
{
	struct ticket *ticket = ticket_get(&container, AF_INET);

	ck_assert_int_eq(ticket_connect(ticket, &name), 0);
	ck_assert_int_eq(ticket_check(ticket), -ECONNREFUSED);
	ticket_put(ticket, true);
	listen_on(5);
	ticket = ticket_get(&container, AF_INET);
	ck_assert_int_eq(ticket_connect(ticket, &name), 0);
	ck_assert_int_eq(ticket_check(ticket), 0);
	ticket_put(ticket, true);
}
END_TEST

START_TEST(held_by_a_full_queue)
{
	struct ticket *first, *second;

	listen_on(0);
	first = ticket_get(&container, AF_INET);
	second = ticket_get(&container, AF_INET);
	ck_assert_int_eq(ticket_connect(first, &name), 0);
	ck_assert_int_eq(ticket_check(first), 0);
	ck_assert_int_eq(ticket_connect(second, &name), 0);
	ck_assert_int_eq(ticket_check(second), -EALREADY);
	ticket_put(second, true);
	ticket_put(first, true);
	ck_assert_uint_eq(sockets_in(DIAG_LIVE), 0);
}
END_TEST

/* What cannot be adopted is the caller's still, who closes it, once. */
START_TEST(adopts_or_leaves)
{
	int fd = namespace_socket(container.netns_fd, AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct ticket *ticket;

	going = true;
	ck_assert_ptr_null(ticket_adopt(&container, fd, AF_INET, 61000));
	ck_assert_int_ge(fcntl(fd, F_GETFD), 0);
	going = false;
	ticket = ticket_adopt(&container, fd, AF_INET, 61000);
	ck_assert_ptr_nonnull(ticket);
	ticket_put(ticket, false);
	ck_assert_int_lt(fcntl(fd, F_GETFD), 0);
}
END_TEST

/* A server may bind, on all addresses, the very port that a ticket comes from. */
START_TEST(ports_are_not_taken)
{
	struct ticket *ticket = ticket_get(&container, AF_INET);
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(ticket->port) };
	int one = 1, fd = namespace_socket(container.netns_fd, AF_INET, SOCK_STREAM, 0);

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&any, sizeof(any)), 0);
	ck_assert_int_eq(listen(fd, 1), 0);
	close(fd);
	ticket_put(ticket, true);
}
END_TEST

static struct inbound *found(uint16_t port)
{
	struct in6_addr addr = addr_map4(htonl(SLIM_TICKET_ADDR4));
	struct slim_endpoint from = endpoint_make(&addr, port);
	struct inbound *inbound;

	rcu_read_lock();
	inbound = ticket_inbound(&container, &from);
	rcu_read_unlock();
	return inbound;
}

START_TEST(knows_what_it_stands_for)
{
	struct ticket *ticket = ticket_get(&container, AF_INET);
	struct inbound *inbound = (struct inbound *)&name;	/* anything that is not NULL */
	uint16_t port = ticket->port;

	ck_assert_ptr_null(found(port));
	ticket_set_inbound(ticket, inbound);
	ck_assert_ptr_eq(found(port), inbound);
	ck_assert_ptr_null(found((uint16_t)(port ^ 1)));
	container.id = 1;
	ck_assert_ptr_null(found(port));
	container.id = 0;
	ticket_put(ticket, true);
	ck_assert_ptr_null(found(port));
}
END_TEST

/*
 * One that is out for long keeps its port for itself, while the others have gone
 * through all ports there are. (They shared one: connections went to the wrong server.)
 */
START_TEST(ports_are_not_shared)
{
	struct ticket *ticket = ticket_get(&container, AF_INET);
	uint16_t port = ticket->port;

	for (int i = 0; i < 5000; i++) {
		struct ticket *other = ticket_get(&container, AF_INET);

		ck_assert_ptr_nonnull(other);
		ck_assert_uint_ne(other->port, port);
		ticket_put(other, false);
	}
	ticket_put(ticket, true);
}
END_TEST

/* A claim that comes late must not find somebody else's connection. */
START_TEST(not_reusable_means_another_port)
{
	struct ticket *ticket = ticket_get(&container, AF_INET);
	uint16_t port = ticket->port;

	ticket_put(ticket, false);
	for (int i = 0; i < 1000; i++) {
		ticket = ticket_get(&container, AF_INET);
		ck_assert_uint_ne(ticket->port, port);
		ticket_put(ticket, false);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ticket");
	TCase *tc = tcase_create("kernel");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, names_itself);
	tcase_add_test(tc, many_rounds_leave_nothing);
	tcase_add_test(tc, rests_and_is_used_again);
	tcase_add_test(tc, refused_where_nobody_listens);
	tcase_add_test(tc, held_by_a_full_queue);
	tcase_add_test(tc, adopts_or_leaves);
	tcase_add_test(tc, ports_are_not_taken);
	tcase_add_test(tc, knows_what_it_stands_for);
	tcase_add_test(tc, ports_are_not_shared);
	tcase_add_test(tc, not_reusable_means_another_port);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
