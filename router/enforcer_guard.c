/* SPDX-License-Identifier: MIT */
/*
 * enforcer_guard.c - a policy in slim.ko, which asks it when a socket is sealed, and cuts what it denies
 *
 * Theory of operation: the module holds one staged policy. A reload stages in a thread of its own, and commits or aborts
 * in the control thread; between the two, nothing else is told (@turn), nor does the link change. What changes
 * meanwhile is told after that. The module is told before the router itself goes by a policy, so that what is newly
 * allowed is not refused there; what is newly denied is denied by both a moment later.
 */
#include "enforcer_guard.h"

#include <errno.h>
#include <semaphore.h>
#include <string.h>
#include <urcu.h>

#include "directory.h"
#include "enforcer.h"
#include "guard_link.h"
#include "guard_policy.h"
#include "log.h"
#include "policy_force.h"

/*
 * @link, @generation (of what was told last), @staged: in one's turn alone
 * @told, @has_told:	what the module has in force, which is held; NULL with @has_told: that there is none
 * @behind:		it does not know all names and labels
 */
static struct {
	sem_t turn;
	bool ready;
	struct guard_link *link;
	uint64_t generation;
	bool staged;
	struct policy_compiled *staging, *told;
	bool has_told, behind;
} telling;

static void turn_init(void)
{
	if (!telling.ready)
		sem_init(&telling.turn, 0, 1);
	telling.ready = true;
}

/* Control thread: it waits for nobody. */
static bool turn_try(void)
{
	turn_init();
	return sem_trywait(&telling.turn) == 0;
}

static void turn_end(void)
{
	sem_post(&telling.turn);
}

/* @compiled: NULL: there is no policy */
static void set_told(struct policy_compiled *compiled)
{
	if (compiled)
		policy_compiled_get(compiled);
	policy_compiled_put(telling.told);
	telling.told = compiled;
	telling.has_told = true;
}

static void forget_told(void)
{
	policy_compiled_put(telling.told);
	telling.told = NULL;
	telling.has_told = false;
}

bool enforcer_guard_attach(struct guard_link *link)
{
	struct guard_facts facts;

	if (!turn_try())
		return false;
	if (telling.link != link && guard_link_get(link, &facts) == 0) {
		telling.link = link;
		telling.generation = facts.generation;
		forget_told();
	}
	turn_end();
	return telling.link == link;
}

bool enforcer_guard_detach(void)
{
	if (!turn_try())
		return false;
	telling.link = NULL;
	forget_told();
	turn_end();
	return true;
}

static void fail(int err)
{
	static struct log_limit limit = { .burst = 1 };

	forget_told();
	if (err != -ENOENT && log_limit_ok(&limit))
		log_warning("slim.ko does not have the policy that is in force: %s; trying again",
			    strerror(-err));
}

static int commit_told(void)
{
	uint64_t cut = 0;
	int err = guard_link_commit(telling.link, telling.generation, &cut);

	if (cut)
		log_info("slim.ko has cut %llu connections that the policy denies",
			 (unsigned long long)cut);
	return err;
}

/* Something that lives may be allowed by what is not known yet. */
static bool must_wait(const struct policy_compiled *compiled)
{
	struct guard_facts facts;

	return compiled && compiled->uses_num && directory_is_learning() &&
	       guard_link_get(telling.link, &facts) == 0 && facts.live;
}

/* --- by itself --- */

static int tell(struct policy_compiled *compiled, bool members)
{
	int err;

	telling.generation++;
	err = members ? guard_policy_stage_members(telling.link, compiled, telling.generation) :
	      guard_policy_stage(telling.link, compiled, telling.generation);
	if (!err)
		return commit_told();
	(void)guard_link_abort(telling.link);
	return err;
}

/* In one's turn. @members: these alone, of what it has in force */
static void update(struct policy_compiled *compiled, bool members)
{
	int err;

	if (!telling.link || must_wait(compiled)) {
		telling.behind = true;
		return;
	}
	err = tell(compiled, members);
	telling.behind = false;
	if (err)
		fail(err);
	else
		set_told(compiled);
}

void enforcer_guard_follow(void)
{
	struct policy_compiled *compiled;
	bool has_policy;

	if (!policy_generation() || policy_is_closed() || !turn_try())
		return;
	compiled = policy_in_force_get();
	has_policy = telling.has_told && telling.told == compiled;
	if (!has_policy || telling.behind)
		update(compiled, has_policy);
	policy_compiled_put(compiled);
	turn_end();
}

void enforcer_guard_members(void)
{
	telling.behind = true;
	enforcer_guard_follow();
}

/* --- with the others --- */

/* Without a module there is nothing that could fail, and it is told when it comes. */
static int stage(struct policy_compiled *compiled)
{
	int err;

	turn_init();
	while (sem_wait(&telling.turn) < 0)
		;
	telling.staging = compiled;
	telling.staged = telling.link && !must_wait(compiled);
	if (!telling.staged)
		return 0;
	telling.generation++;
	err = guard_policy_stage(telling.link, compiled, telling.generation);
	telling.staged = !err;
	return err == -ENOENT ? 0 : err;
}

static int commit(void)
{
	int err = telling.staged ? commit_told() : 0;

	if (err)
		fail(err);
	else if (telling.staged)
		set_told(telling.staging);
	telling.staged = false;
	turn_end();
	return 0;
}

static void abort_stage(void)
{
	if (telling.link)
		(void)guard_link_abort(telling.link);
	telling.staged = false;
	turn_end();
}

/* The commit has cut. What could not be told then is told now. */
const struct enforcer enforcer_guard = {
	.stage = stage,
	.commit = commit,
	.abort = abort_stage,
	.revoke = enforcer_guard_follow,
};

void enforcer_guard_exit(void)
{
	forget_told();
}
