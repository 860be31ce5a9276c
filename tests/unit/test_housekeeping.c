/* SPDX-License-Identifier: MIT */
/*
 * test_housekeeping.c - the ledger's sweep looks at all ports that connections can be on, and
 * in time
 * links: router/housekeeping.c router/aside.c router/slice.c router/loop.c router/counters.c router/log.c router/quota.c router/endpoint.c
 * libs: urcu urcu-cds urcu-common
 */
#include <check.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>
#include <urcu.h>

#include "../../router/aside.h"
#include "../../router/diag.h"
#include "../../router/housekeeping.h"
#include "../../router/ledger.h"
#include "../../router/peer.h"
#include "suite.h"

/* What the peers say at one time and the next, and what the sweep is then to look at: a peer
 * that comes back with other ports has connections on the old ones still. */
static const struct sweep {
	struct peer_info peers[2];
	uint16_t first, last;
} sweeps[] = {
	{ { { .port_first = 4790, .port_last = 4853 }, { .port_first = 4790, .port_last = 4790 } },
	  4790, 4853 },
	{ { { .port_first = 4790, .port_last = 4853 }, { .port_first = 4790, .port_last = 4917 } },
	  4790, 4917 },
	{ { { .port_first = 4790, .port_last = 4853 }, { .port_first = 4700, .port_last = 4701 } },
	  4700, 4917 },
};

#define SWEEPS	(sizeof(sweeps) / sizeof(sweeps[0]))

static struct loop *loop;
static unsigned int now;
static bool in_a_hurry, comes_and_goes, is_doubtful;
static struct loop_timer later;

struct diag *diag_open(int netns_fd)
{
	(void)netns_fd;
	return (struct diag *)&now;
}

void diag_close(struct diag *diag)
{
	(void)diag;
}

unsigned long ledger_count(void)
{
	/* It changes: sweep again soon. */
	return comes_and_goes ? now + 1 : 1;
}

void peers_each(void (*each)(const struct peer_info *info, void *data), void *data)
{
	each(&sweeps[now].peers[0], data);
	each(&sweeps[now].peers[1], data);
}

void peers_settle(void)
{
}

int ledger_look(struct diag *diag, uint16_t port_first, uint16_t port_last)
{
	(void)diag;
	if (in_a_hurry)
		housekeeping_hurry();
	ck_assert_uint_eq(port_first, sweeps[now].first);
	ck_assert_uint_eq(port_last, sweeps[now].last);
	return 0;
}

unsigned long ledger_sweep(uint64_t looked)
{
	(void)looked;
	if (later.handle)
		loop_timer_set(loop, &later, 10);
	if (++now == SWEEPS)
		loop_stop(loop);
	return is_doubtful;
}

START_TEST(ports_of_all)
{
	comes_and_goes = true;
	loop = loop_new();
	aside_init(loop);
	ck_assert_int_eq(housekeeping_start(loop), 0);
	loop_run(loop);
	housekeeping_stop();
	ck_assert_uint_eq(now, SWEEPS);
	loop_free(loop);
}
END_TEST

static uint64_t ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* Three sweeps, each hurried: far less than three seconds; but not one right after the other. */
START_TEST(in_time)
{
	uint64_t began;

	comes_and_goes = true;
	in_a_hurry = true;
	loop = loop_new();
	aside_init(loop);
	ck_assert_int_eq(housekeeping_start(loop), 0);
	housekeeping_hurry();
	housekeeping_hurry();
	began = ms();
	loop_run(loop);
	housekeeping_stop();
	ck_assert_uint_ge(ms() - began, 500);
	ck_assert_uint_lt(ms() - began, 2000);
	loop_free(loop);
}
END_TEST

static void set_one_up(struct loop_timer *timer)
{
	(void)timer;
	housekeeping_set_up();
}

/* One second, then two, then four; but not if something is set up meanwhile, or may be over. */
START_TEST(rests)
{
	uint64_t began = ms();

	if (_i == 1)
		later.handle = set_one_up;
	is_doubtful = _i == 2;
	loop = loop_new();
	aside_init(loop);
	ck_assert_int_eq(housekeeping_start(loop), 0);
	loop_run(loop);
	housekeeping_stop();
	if (_i)
		ck_assert_uint_lt(ms() - began, 5000);
	else
		ck_assert_uint_ge(ms() - began, 7000);
	loop_free(loop);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("housekeeping");
	TCase *tc = tcase_create("userspace");
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, ports_of_all);
	tcase_add_test(tc, in_time);
	tcase_add_loop_test(tc, rests, 0, 3);
	suite_add_tcase(suite, tc);
	rcu_register_thread();
	failed = suite_run(suite);
	rcu_unregister_thread();
	return failed;
}
