/* SPDX-License-Identifier: MIT */
/* policy_roll.c - keeps the policy in force up to date with who is called how */
#include "policy_roll.h"

#include <string.h>
#include <time.h>

#include "cutting.h"
#include "directory.h"
#include "enforcer_guard.h"
#include "enforcer_packet.h"
#include "log.h"
#include "packet_cutting.h"
#include "policy_force.h"

#define AGAIN_MS	100
#define AGAIN_MAX_MS	5000
#define WAIT_MS		30000	/* for peers that have yet to tell what they have */

/*
 * What rolls for other hosts' containers may take: one part of the time in so many, and so much (us) at
 * once. Each costs as much as this at least, for the sweeps and loads that it brings about.
 */
#define SHARE		5
#define CREDIT		200000
#define COST_MIN	4000

/*
 * @due:	what is in force is not up to date; @urgent: of containers of this host
 * @credit:	us, as of @paid_at
 * @delay:	ms until the next try, where the last one had no memory
 */
static struct {
	struct loop *loop;
	uint64_t changes;	/* atomic */
	bool due, urgent, posted;
	int64_t credit;
	uint64_t paid_at;
	unsigned int delay;
	struct loop_timer again, wait;
} roll;

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* --- what it costs --- */

static void earn(void)
{
	uint64_t now = now_us();

	roll.credit += (int64_t)((now - roll.paid_at) / SHARE);
	if (roll.credit > CREDIT)
		roll.credit = CREDIT;
	roll.paid_at = now;
}

/* @began: us */
static void pay(uint64_t began)
{
	uint64_t took = now_us() - began;

	earn();
	roll.credit -= (int64_t)(took > COST_MIN ? took : COST_MIN);
}

/* --- rolling --- */

static void fail(int err)
{
	static struct log_limit limit = { .burst = 1 };

	if (log_limit_ok(&limit))
		log_warning("the policy does not know who has come and gone: %s; trying again",
			    strerror(-err));
	roll.due = true;
	loop_timer_set(roll.loop, &roll.again, roll.delay);
	if (roll.delay < AGAIN_MAX_MS)
		roll.delay *= 2;
}

void policy_roll(void)
{
	const struct policy_compiled *compiled = policy_in_force();
	struct policy_members *members;
	uint64_t began = now_us();
	int err;

	roll.due = roll.urgent = false;
	loop_timer_clear(roll.loop, &roll.again);
	if (!compiled)
		return;
	err = policy_members_build(compiled, &members);
	if (!err) {
		enforcer_guard_members();
		err = policy_publish_members(members);
	}
	pay(began);
	if (err) {
		fail(err);
		return;
	}
	roll.delay = AGAIN_MS;
	cutting_start_soon();
	enforcer_packet_follow();
}

void policy_roll_settle(void)
{
	if (roll.urgent)
		policy_roll();
}

/* Now or later */
static void settle_any(void)
{
	earn();
	if (roll.urgent || (roll.due && roll.credit > 0 && !roll.again.expires))
		policy_roll();
	else if (roll.due && !roll.again.expires)
		loop_timer_set(roll.loop, &roll.again,
			       (unsigned int)(-roll.credit * SHARE / 1000 + 1));
}

static void settle(bool own)
{
	if (own)
		policy_roll_settle();
	else
		settle_any();
}

static void run(struct loop_task *unused)
{
	(void)unused;
	roll.posted = false;
	settle_any();
}

/* Once for all that comes in one go */
static void changed(uint32_t vni, bool own)
{
	static struct loop_task task = { .run = run };
	const struct policy_compiled *compiled = policy_in_force();

	__atomic_fetch_add(&roll.changes, 1, __ATOMIC_RELEASE);
	if (!compiled || !policy_members_matter(compiled, vni))
		return;
	roll.due = true;
	roll.urgent |= own;
	if (roll.posted)
		return;
	roll.posted = true;
	loop_post(roll.loop, &task);
}

uint64_t policy_roll_changes(void)
{
	return __atomic_load_n(&roll.changes, __ATOMIC_ACQUIRE);
}

/* What was denied provisionally, is decided now. */
static void told(void)
{
	const struct policy_compiled *compiled = policy_in_force();

	if (roll.due)
		policy_roll();
	if (!compiled || !compiled->uses_num)
		return;
	enforcer_guard_follow();
	cutting_start_soon();
	enforcer_packet_follow();
}

/* ... and so it is when those have not told that had the time to. */
static void wait_handle(struct loop_timer *unused)
{
	const struct policy_compiled *compiled = policy_in_force();

	(void)unused;
	directory_wait_no_longer();
	if (!compiled || !compiled->uses_num)
		return;
	enforcer_guard_follow();
	cutting_start_soon();
	packet_cutting_start(false);
}

/* The time that recovery took does not count. */
static void wait_begin(struct loop_task *unused)
{
	(void)unused;
	loop_timer_set(roll.loop, &roll.wait, WAIT_MS);
}

void policy_roll_begin(void)
{
	static struct loop_task task = { .run = wait_begin };

	loop_post(roll.loop, &task);
}

static void again_handle(struct loop_timer *unused)
{
	(void)unused;
	if (roll.due)
		policy_roll();
}

void policy_roll_init(struct loop *control)
{
	static const struct directory_watch watch = {
		.changed = changed, .settle = settle, .told = told,
	};

	roll.loop = control;
	roll.again.handle = again_handle;
	roll.wait.handle = wait_handle;
	roll.delay = AGAIN_MS;
	roll.credit = CREDIT;
	roll.paid_at = now_us();
	directory_watch_set(&watch);
}

void policy_roll_exit(void)
{
	directory_watch_set(NULL);
	loop_timer_clear(roll.loop, &roll.again);
	loop_timer_clear(roll.loop, &roll.wait);
}
