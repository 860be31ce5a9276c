/* SPDX-License-Identifier: MIT */
/* policy_roll.c - keeps the policy in force up to date with who is called how */
#include "policy_roll.h"

#include <string.h>

#include "cutting.h"
#include "directory.h"
#include "enforcer_packet.h"
#include "log.h"
#include "policy_force.h"

#define AGAIN_MS	100

static struct loop *loop;
static uint64_t changes;	/* atomic */
static bool due, posted;
static struct loop_timer again;

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
	err = policy_members_build(compiled, &members);
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
	directory_watch_set(&watch);
}

void policy_roll_exit(void)
{
	directory_watch_set(NULL);
	loop_timer_clear(loop, &again);
}
