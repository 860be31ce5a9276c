/* SPDX-License-Identifier: MIT */
/*
 * test_enforcer_packet.c - when nftables are told, and what of
 *
 * links: router/enforcer_packet.c
 * libs: urcu urcu-common
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <urcu.h>

#include "../../router/aside.h"
#include "../../router/container.h"
#include "../../router/enforcer.h"
#include "../../router/enforcer_packet.h"
#include "../../router/log.h"
#include "../../router/packet_cutting.h"
#include "../../router/packet_denials.h"
#include "../../router/packet_rules.h"
#include "../../router/packetpath.h"
#include "../../router/peer.h"
#include "../../router/policy_force.h"
#include "suite.h"

#define BLUE	1
#define GREEN	2

/* --- what it stands on --- */

CDS_LIST_HEAD(containers);
unsigned int containers_num;

static struct policy_domain domain = { BLUE, BLUE, BLUE, POLICY_DENY, NULL, NULL, 0, NULL, 0 };
static struct policy_compiled compiled = { .domains = &domain, .domains_num = 1 };

static struct {
	uint64_t now;
	struct loop_timer *timer;
	struct aside *aside;		/* that runs */
	unsigned int begun;
	bool closed, none, complete;
	bool (*judges)(uint32_t vni);
	int result;
	unsigned long users;
	bool loaded;			/* a policy, the last time */
} world;

uint64_t loop_now(const struct loop *loop)
{
	(void)loop;
	return world.now;
}

void loop_timer_set(struct loop *loop, struct loop_timer *timer, unsigned int delay)
{
	(void)loop;
	timer->expires = world.now + delay;
	world.timer = timer;
}

void loop_timer_clear(struct loop *loop, struct loop_timer *timer)
{
	(void)loop;
	(void)timer;
	world.timer = NULL;
}

int aside_start(struct aside *aside)
{
	ck_assert_ptr_null(world.aside);
	world.aside = aside;
	world.begun++;
	return 0;
}

int packet_rules_load(const struct policy_compiled *policy, const struct packet_rules_port *ports,
		      size_t num, char *error, size_t size)
{
	(void)ports;
	(void)num;
	world.loaded = policy != NULL;
	snprintf(error, size, "%s", world.result ? "why" : "");
	return world.result;
}

const struct policy_compiled *policy_in_force(void)
{
	return world.closed || world.none ? NULL : &compiled;
}

struct policy_compiled *policy_in_force_get(void)
{
	if (!policy_in_force())
		return NULL;
	world.users++;
	return &compiled;
}

void policy_compiled_put(struct policy_compiled *policy)
{
	world.users -= policy != NULL;
}

bool policy_is_closed(void)
{
	return world.closed;
}

const struct policy_domain *policy_domain_find(const struct policy_compiled *policy, uint32_t owner,
					       uint32_t source, uint32_t destination)
{
	(void)policy;
	(void)source;
	(void)destination;
	return owner == BLUE ? &domain : NULL;
}

bool peers_are_complete(void)
{
	return world.complete;
}

void packetpath_set_judged(bool (*judged)(uint32_t vni))
{
	world.judges = judged;
}

void packet_cutting_init(struct loop *control)
{
	(void)control;
}

void packet_cutting_start(bool hurry)
{
	(void)hurry;
}

void packet_cutting_exit(void)
{
}

void packet_denials_init(struct loop *control)
{
	(void)control;
}

void packet_denials_exit(void)
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

/* --- what happens --- */

/* The load under way ends, as long after it has begun. */
static void takes(unsigned int ms, int result)
{
	struct aside *aside = world.aside;

	ck_assert_ptr_nonnull(aside);
	world.result = result;
	aside->run(aside);
	world.now += ms;
	world.aside = NULL;
	aside->done(aside);
}

/* Time goes by; the timer fires, once. */
static void waits(unsigned int ms)
{
	struct loop_timer *timer = world.timer;

	world.now += ms;
	if (!timer || timer->expires > world.now)
		return;
	world.timer = NULL;
	timer->handle(timer);
}

static void setup(void)
{
	world.now = 1000;
	world.complete = true;
	enforcer_packet_init(NULL);
}

static void begin(void)
{
	enforcer_packet_begin();
	takes(100, 0);
	ck_assert(enforcer_packet_is_current());
	waits(100000);
	ck_assert_uint_eq(world.begun, 1);
	ck_assert_uint_eq(world.users, 0);
}

/* The first changes do not wait; so many, of which each takes a second. */
#define AT_ONCE	6

static void exhaust(void)
{
	for (unsigned int i = 0; i < AT_ONCE; i++) {
		enforcer_packet_follow();
		ck_assert_uint_eq(world.begun, 2 + i);
		ck_assert(!enforcer_packet_is_current());
		takes(1000, 0);
		ck_assert(enforcer_packet_is_current());
	}
	world.begun = 2;
}

START_TEST(a_change_waits_for_its_turn)
{
	begin();
	exhaust();
	enforcer_packet_follow();
	waits(1999);
	enforcer_packet_follow();
	ck_assert_uint_eq(world.begun, 2);
	waits(1);
	ck_assert_uint_eq(world.begun, 3);
	/* Changes meanwhile are taken up in one go. */
	enforcer_packet_follow();
	enforcer_packet_follow();
	takes(1000, 0);
	ck_assert(!enforcer_packet_is_current());
	ck_assert_uint_eq(world.begun, 3);
	waits(2000);
	ck_assert_uint_eq(world.begun, 4);
	takes(60000, 0);
	ck_assert(enforcer_packet_is_current());
	waits(9999);
	enforcer_packet_follow();
	ck_assert_uint_eq(world.begun, 4);
	waits(1);
	ck_assert_uint_eq(world.begun, 5);
	takes(1, 0);
	waits(100000);
	ck_assert_uint_eq(world.begun, 5);
}
END_TEST

START_TEST(another_policy_does_not_wait)
{
	begin();
	exhaust();
	enforcer_packet_follow();
	ck_assert_uint_eq(world.begun, 2);
	enforcer_packet.revoke();
	ck_assert_uint_eq(world.begun, 3);
	/* Nor one that comes meanwhile. */
	enforcer_packet.revoke();
	takes(1000, 0);
	ck_assert_uint_eq(world.begun, 4);
}
END_TEST

START_TEST(a_held_port_does_not_wait)
{
	begin();
	exhaust();
	ck_assert(!world.judges(GREEN));
	enforcer_packet_attached(GREEN);
	ck_assert_uint_eq(world.begun, 2);
	ck_assert(world.judges(BLUE));
	enforcer_packet_attached(BLUE);
	ck_assert_uint_eq(world.begun, 3);
}
END_TEST

START_TEST(what_is_too_large_is_not_tried_again)
{
	begin();
	enforcer_packet.revoke();
	takes(1000, -E2BIG);
	ck_assert_str_eq(enforcer_packet_failure(), "why");
	ck_assert(!enforcer_packet_is_current());
	waits(100000);
	ck_assert_uint_eq(world.begun, 2);
	enforcer_packet_follow();
	ck_assert_uint_eq(world.begun, 3);
	takes(1000, 0);
	ck_assert_ptr_null(enforcer_packet_failure());
	ck_assert(enforcer_packet_is_current());
}
END_TEST

START_TEST(what_fails_otherwise_is)
{
	begin();
	enforcer_packet.revoke();
	takes(1, -EIO);
	ck_assert_str_eq(enforcer_packet_failure(), "why");
	waits(200);
	ck_assert_uint_eq(world.begun, 3);
	takes(1, 0);
	ck_assert(enforcer_packet_is_current());
	ck_assert_uint_eq(world.users, 0);
}
END_TEST

/* An earlier router's rules stay, and new ports are held, whatever comes. */
START_TEST(while_it_is_closed_nothing_is_touched)
{
	world.closed = true;
	enforcer_packet_begin();
	enforcer_packet_follow();
	enforcer_packet_attached(BLUE);
	waits(100000);
	ck_assert_uint_eq(world.begun, 0);
	ck_assert(!enforcer_packet_is_current());
	ck_assert(world.judges(BLUE) && world.judges(GREEN));
	world.closed = false;
	enforcer_packet.revoke();
	ck_assert_uint_eq(world.begun, 1);
	takes(1, 0);
	ck_assert(world.loaded && enforcer_packet_is_current());
	ck_assert(!world.judges(GREEN));
}
END_TEST

/* What an earlier router may have loaded goes. */
START_TEST(no_policy)
{
	world.none = true;
	enforcer_packet_begin();
	takes(1, 0);
	ck_assert(!world.loaded && enforcer_packet_is_current());
	enforcer_packet_follow();
	ck_assert_uint_eq(world.begun, 1);
	ck_assert(!world.judges(BLUE));
}
END_TEST

/* Names that others have yet to tell: not for more than five seconds */
START_TEST(early)
{
	world.complete = false;
	compiled.uses_num = 1;
	containers_num = 1;
	enforcer_packet_begin();
	waits(4999);
	ck_assert_uint_eq(world.begun, 0);
	waits(1);
	ck_assert_uint_eq(world.begun, 1);
}
END_TEST

/* A policy with such names, while one without is being loaded: what is loaded then is not what is in force. */
START_TEST(early_while_another_is_loaded)
{
	world.complete = false;
	containers_num = 1;
	enforcer_packet_begin();
	ck_assert_uint_eq(world.begun, 1);
	compiled.uses_num = 1;
	enforcer_packet.revoke();
	takes(1, 0);
	ck_assert(!enforcer_packet_is_current());
	ck_assert_uint_eq(world.begun, 1);
	world.complete = true;
	enforcer_packet_follow();
	ck_assert_uint_eq(world.begun, 2);
	takes(1, 0);
	ck_assert(enforcer_packet_is_current());
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("enforcer_packet");
	TCase *tc = tcase_create("follow");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, a_change_waits_for_its_turn);
	tcase_add_test(tc, another_policy_does_not_wait);
	tcase_add_test(tc, a_held_port_does_not_wait);
	tcase_add_test(tc, what_is_too_large_is_not_tried_again);
	tcase_add_test(tc, what_fails_otherwise_is);
	tcase_add_test(tc, while_it_is_closed_nothing_is_touched);
	tcase_add_test(tc, no_policy);
	tcase_add_test(tc, early);
	tcase_add_test(tc, early_while_another_is_loaded);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	return suite_run(suite());
}
