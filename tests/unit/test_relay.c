/* SPDX-License-Identifier: MIT */
/*
 * test_relay.c - the router carries bytes: everything arrives, ends and resets pass
 * links: router/relay.c router/loop.c router/share.c
 * libs: urcu urcu-cds urcu-common
 */
#include <check.h>
#include <errno.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <urcu.h>

#include "../../router/container.h"
#include "../../router/inbound.h"
#include "../../router/loop.h"
#include "../../router/inflight.h"
#include "../../router/inherited.h"
#include "../../router/relay.h"
#include "../../router/worker.h"
#include "suite.h"

/* No records here. */
void inflight_close_pipes(const struct inflight *record)
{
	(void)record;
}

void inflight_enter(struct inflight *record, enum inflight_phase phase)
{
	(void)record;
	(void)phase;
}

uint64_t inherited_inode(int fd)
{
	return (uint64_t)fd;
}

#define BULK	(8 * 1024 * 1024)

static struct worker worker;
static struct share share;
static struct container container = { .shares = &share };
static struct inbound inbound = { .container = &container };
static struct relay *relay;
static bool was_reset;
/* far end, the relay's end; of the slim connection and of the ticket */
static int slim[2], ticket[2];

void inbound_relay_done(struct inbound *unused)
{
	(void)unused;
	was_reset = relay_was_reset(relay);
	relay_stop(relay);
	loop_stop(worker.loop);
}

static void connected_pair(int fds[2])
{
	struct sockaddr_in sin = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(sin);
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	ck_assert_int_eq(bind(listener, (struct sockaddr *)&sin, sizeof(sin)), 0);
	ck_assert_int_eq(listen(listener, 1), 0);
	ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&sin, &len), 0);
	fds[0] = socket(AF_INET, SOCK_STREAM, 0);
	ck_assert_int_eq(connect(fds[0], (struct sockaddr *)&sin, sizeof(sin)), 0);
	fds[1] = accept(listener, NULL, NULL);
	ck_assert_int_ge(fds[1], 0);
	close(listener);
}

static void setup(void)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd;

	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	ck_assert_int_eq(ioctl(fd, SIOCSIFFLAGS, &ifr), 0);
	close(fd);
	rcu_register_thread();
	worker.loop = loop_new();
	share = (struct share){ 0 };
	shares_init(&worker.shares, worker.loop);
	connected_pair(slim);
	connected_pair(ticket);
	/* As tickets are; the slim connection blocks, as applications expect. */
	fcntl(ticket[1], F_SETFL, O_RDWR | O_NONBLOCK);
}

static void teardown(void)
{
	rcu_barrier();
	loop_free(worker.loop);
	rcu_unregister_thread();
	for (int i = 0; i < 2; i++) {
		close(slim[i]);
		close(ticket[i]);
	}
}

static unsigned char pattern(size_t at, unsigned int seed)
{
	return (unsigned char)((at * 31 + seed) >> 3);
}

struct side {
	int fd;
	unsigned int send_seed, receive_seed;
	size_t received;
	bool good;
};

static void *sender(void *arg)
{
	struct side *side = arg;
	unsigned char chunk[4096];

	for (size_t sent = 0; sent < BULK;) {
		ssize_t ret;

		for (size_t i = 0; i < sizeof(chunk); i++)
			chunk[i] = pattern(sent + i, side->send_seed);
		for (size_t at = 0; at < sizeof(chunk); at += (size_t)ret) {
			ret = send(side->fd, chunk + at, sizeof(chunk) - at, MSG_NOSIGNAL);
			if (ret <= 0)
				return NULL;
		}
		sent += sizeof(chunk);
	}
	shutdown(side->fd, SHUT_WR);
	return NULL;
}

static void *receiver(void *arg)
{
	struct side *side = arg;
	unsigned char chunk[8192];
	ssize_t ret;

	side->good = true;
	while ((ret = recv(side->fd, chunk, sizeof(chunk), 0)) > 0)
		for (ssize_t i = 0; i < ret; i++)
			side->good &= chunk[i] == pattern(side->received++, side->receive_seed);
	return NULL;
}

/* Both ways at once, each ended by a half-close. */
START_TEST(bulk_both_ways)
{
	struct side a = { .fd = slim[0], .send_seed = 1, .receive_seed = 2 };
	struct side b = { .fd = ticket[0], .send_seed = 2, .receive_seed = 1 };
	pthread_t threads[4];

	relay = relay_start(&worker, &inbound, slim[1], ticket[1], 0, NULL, false);
	ck_assert_ptr_nonnull(relay);
	pthread_create(&threads[0], NULL, sender, &a);
	pthread_create(&threads[1], NULL, receiver, &a);
	pthread_create(&threads[2], NULL, sender, &b);
	pthread_create(&threads[3], NULL, receiver, &b);
	loop_run(worker.loop);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	ck_assert(a.good && b.good);
	ck_assert_uint_eq(a.received, BULK);
	ck_assert_uint_eq(b.received, BULK);
	ck_assert(!was_reset);
}
END_TEST

static void *late_writer(void *arg)
{
	(void)arg;
	ck_assert_int_eq(send(slim[0], "xyz", 3, 0), 3);
	shutdown(slim[0], SHUT_WR);
	shutdown(ticket[0], SHUT_WR);
	return NULL;
}

/* The ticket got the first byte before; it must not come twice. */
START_TEST(skips_the_deferred_byte)
{
	pthread_t thread;
	char bytes[8];

	relay = relay_start(&worker, &inbound, slim[1], ticket[1], 1, NULL, false);
	pthread_create(&thread, NULL, late_writer, NULL);
	loop_run(worker.loop);
	pthread_join(thread, NULL);
	ck_assert_int_eq(recv(ticket[0], bytes, sizeof(bytes), 0), 2);
	ck_assert_mem_eq(bytes, "yz", 2);
}
END_TEST

static void *resetter(void *arg)
{
	struct linger reset = { .l_onoff = 1 };
	int *fd = arg;

	setsockopt(*fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(*fd);
	*fd = -1;
	return NULL;
}

/* _i: which side resets */
START_TEST(reset_ends_it)
{
	pthread_t thread;

	relay = relay_start(&worker, &inbound, slim[1], ticket[1], 0, NULL, false);
	pthread_create(&thread, NULL, resetter, _i ? &slim[0] : &ticket[0]);
	loop_run(worker.loop);
	pthread_join(thread, NULL);
	ck_assert(was_reset);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("relay");
	TCase *tc = tcase_create("kernel");

	tcase_set_timeout(tc, 30);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, bulk_both_ways);
	tcase_add_test(tc, skips_the_deferred_byte);
	tcase_add_loop_test(tc, reset_ends_it, 0, 2);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
