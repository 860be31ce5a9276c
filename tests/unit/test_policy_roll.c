/* SPDX-License-Identifier: MIT */
/*
 * test_policy_roll.c - containers come and go: when the policy takes notice
 *
 * links: tests/unit/fake_guard.c router/policy_roll.c
 * libs: urcu urcu-common
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include <urcu.h>

#include "../../router/cutting.h"
#include "../../router/directory.h"
#include "../../router/enforcer_packet.h"
#include "../../router/log.h"
#include "../../router/packet_cutting.h"
#include "../../router/policy_force.h"
#include "../../router/policy_members.h"
#include "../../router/policy_roll.h"
#include "suite.h"

#define BLUE	1

/* --- the router around it --- */

static struct policy_compiled compiled = { .uses_num = 1 };
static const struct directory_watch *watch;
static struct loop_timer *timer;	/* the one that was set last */
static unsigned int delay;
static struct loop_task *task;
static unsigned int rolls, sweeps, packet_sweeps;
static bool no_longer;
static unsigned int takes_us;
static int error;

void loop_timer_set(struct loop *loop, struct loop_timer *set, unsigned int ms)
{
	(void)loop;
	timer = set;
	timer->expires = 1;
	delay = ms;
}

void loop_timer_clear(struct loop *loop, struct loop_timer *clear)
{
	(void)loop;
	clear->expires = 0;
}

void loop_post(struct loop *loop, struct loop_task *post)
{
	(void)loop;
	ck_assert_ptr_null(task);
	task = post;
}

void directory_watch_set(const struct directory_watch *set)
{
	watch = set;
}

void directory_wait_no_longer(void)
{
	no_longer = true;
}

const struct policy_compiled *policy_in_force(void)
{
	return &compiled;
}

bool policy_members_matter(const struct policy_compiled *unused, uint32_t vni)
{
	(void)unused;
	return vni == BLUE;
}

int policy_members_build(const struct policy_compiled *unused, struct policy_members **members)
{
	(void)unused;
	*members = NULL;
	rolls++;
	usleep(takes_us);
	return error;
}

int policy_publish_members(struct policy_members *members)
{
	(void)members;
	return 0;
}

void cutting_start_soon(void)
{
	sweeps++;
}

void packet_cutting_start(bool hurry)
{
	(void)hurry;
	packet_sweeps++;
}

void enforcer_packet_follow(void)
{
}

bool log_limit_ok(struct log_limit *limit)
{
	(void)limit;
	return false;
}

void log_warning(const char *format, ...)
{
	(void)format;
}

/* --- tests --- */

static void setup(void)
{
	rcu_register_thread();
	policy_roll_init(NULL);
	policy_roll_begin();
	task->run(task);
	task = NULL;
	timer->expires = 0;
	timer = NULL;
}

static void turn(void)
{
	struct loop_task *posted = task;

	task = NULL;
	if (posted)
		posted->run(posted);
}

static void expire(void)
{
	struct loop_timer *due = timer;

	ck_assert_ptr_nonnull(due);
	timer = NULL;
	due->expires = 0;
	due->handle(due);
}

/* Another host's container: as its tags and its listener come */
static void comes(void)
{
	watch->changed(BLUE, false);
	watch->settle(false);
}

START_TEST(who_comes_is_known_at_once)
{
	setup();
	for (unsigned int i = 1; i <= 20; i++) {
		comes();
		ck_assert_uint_eq(rolls, i);
		ck_assert_uint_eq(sweeps, i);
		turn();
		ck_assert_uint_eq(rolls, i);
	}
	watch->changed(BLUE + 1, false);
	watch->settle(false);
	turn();
	ck_assert_uint_eq(rolls, 20);
}
END_TEST

/* Whatever peers say, most of the time is others'; what they say is taken up in the end. */
START_TEST(who_never_rests_waits)
{
	unsigned int before;

	setup();
	takes_us = 10000;
	for (unsigned int i = 0; i < 1000; i++) {
		comes();
		turn();
	}
	ck_assert_uint_ge(rolls, 10);
	ck_assert_uint_le(rolls, 40);
	ck_assert_ptr_nonnull(timer);
	ck_assert_uint_le(delay, 60);
	before = rolls;
	expire();
	ck_assert_uint_eq(rolls, before + 1);
	/* A container of this host waits for no other's. */
	comes();
	ck_assert_uint_eq(rolls, before + 1);
	watch->settle(true);
	policy_roll_settle();
	ck_assert_uint_eq(rolls, before + 1);
	watch->changed(BLUE, true);
	policy_roll_settle();
	ck_assert_uint_eq(rolls, before + 2);
	watch->changed(BLUE, true);
	watch->settle(true);
	ck_assert_uint_eq(rolls, before + 3);
}
END_TEST

START_TEST(without_memory_it_is_tried_less_and_less)
{
	setup();
	error = -ENOMEM;
	watch->changed(BLUE, true);
	turn();
	for (unsigned int ms = 100; ms < 5000; ms *= 2) {
		unsigned int before = rolls;

		ck_assert_uint_eq(delay, ms);
		comes();
		turn();
		ck_assert_uint_eq(rolls, before);
		expire();
		ck_assert_uint_eq(rolls, before + 1);
	}
	expire();
	ck_assert_uint_lt(delay, 10000);
	error = 0;
	expire();
	ck_assert_ptr_null(timer);
	error = -ENOMEM;
	watch->changed(BLUE, true);
	turn();
	ck_assert_uint_eq(delay, 100);
}
END_TEST

START_TEST(peers_are_not_waited_for_forever)
{
	rcu_register_thread();
	policy_roll_init(NULL);
	policy_roll_begin();
	turn();
	ck_assert_uint_eq(delay, 30000);
	ck_assert(!no_longer);
	expire();
	ck_assert(no_longer);
	ck_assert_uint_eq(sweeps, 1);
	ck_assert_uint_eq(packet_sweeps, 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("policy_roll");
	TCase *tc = tcase_create("userspace");

	tcase_add_test(tc, who_comes_is_known_at_once);
	tcase_add_test(tc, who_never_rests_waits);
	tcase_add_test(tc, without_memory_it_is_tried_less_and_less);
	tcase_add_test(tc, peers_are_not_waited_for_forever);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
