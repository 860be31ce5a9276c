/* SPDX-License-Identifier: MIT */
/* policy_roll.c - keeps the policy in force up to date with who is called how */
#include "policy_roll.h"

#include <string.h>
#include <urcu.h>

#include "cutting.h"
#include "directory.h"
#include "enforcer_packet.h"
#include "log.h"
#include "packet_cutting.h"
#include "policy_force.h"

#define AGAIN_MS	100
#define WAIT_MS		30000	/* for peers that have yet to tell what they have */

static struct loop *loop;
static uint64_t changes;	/* atomic */
static bool due, posted;
static struct loop_timer again, wait;

static void run(struct loop_task *unused)
{
	(void)unused;
	posted = false;
	policy_roll_settle();
}

/* Once for all that comes in one go */
static void changed(uint32_t vni)
{
	static struct loop_task task = { .run = run };
	const struct policy_compiled *compiled = policy_in_force();

	__atomic_fetch_add(&changes, 1, __ATOMIC_RELEASE);
	if (!compiled || !policy_members_matter(compiled, vni))
		return;
	due = true;
	if (posted)
		return;
	posted = true;
	loop_post(loop, &task);
}

void policy_roll(void)
{
	static struct log_limit limit = { .burst = 1 };
	const struct policy_compiled *compiled = policy_in_force();
	struct policy_members *members;
	int err;

	due = false;
	if (!compiled)
		return;
	rcu_read_lock();
	err = policy_members_build(compiled, &members);
	rcu_read_unlock();
	if (!err)
		err = policy_publish_members(members);
	if (!err) {
		cutting_start();
		enforcer_packet_follow();
		return;
	}
	if (log_limit_ok(&limit))
		log_warning("the policy does not know who has come and gone: %s; trying again",
			    strerror(-err));
	due = true;
	loop_timer_set(loop, &again, AGAIN_MS);
}

void policy_roll_settle(void)
{
	if (due)
		policy_roll();
}

uint64_t policy_roll_changes(void)
{
	return __atomic_load_n(&changes, __ATOMIC_ACQUIRE);
}

/* What was denied provisionally, is decided now. */
static void told(void)
{
	const struct policy_compiled *compiled = policy_in_force();

	policy_roll_settle();
	if (!compiled || !compiled->uses_num)
		return;
	cutting_start();
	enforcer_packet_follow();
}

/* ... and so it is when those have not told that had the time to. */
static void wait_handle(struct loop_timer *unused)
{
	(void)unused;
	directory_wait_no_longer();
	cutting_start();
	packet_cutting_start(false);
}

/* The time that recovery took does not count. */
static void wait_begin(struct loop_task *unused)
{
	(void)unused;
	loop_timer_set(loop, &wait, WAIT_MS);
}

void policy_roll_begin(void)
{
	static struct loop_task task = { .run = wait_begin };

	loop_post(loop, &task);
}

static void again_handle(struct loop_timer *unused)
{
	(void)unused;
	policy_roll_settle();
}

void policy_roll_init(struct loop *control)
{
	static const struct directory_watch watch = {
		.changed = changed, .settle = policy_roll_settle, .told = told,
	};

	loop = control;
	again.handle = again_handle;
	wait.handle = wait_handle;
	directory_watch_set(&watch);
}

void policy_roll_exit(void)
{
	directory_watch_set(NULL);
	loop_timer_clear(loop, &again);
	loop_timer_clear(loop, &wait);
}
