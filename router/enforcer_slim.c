/* SPDX-License-Identifier: MIT */
/* enforcer_slim.c - the router's own part in a policy: connections on the slim path */
#include "enforcer.h"

#include <stddef.h>

#include "cutting.h"
#include "policy_force.h"
#include "policy_roll.h"

static struct policy_compiled *staged;
static struct policy_members *members;
static uint64_t changes;	/* of the directory, when its names were asked for */

static int stage(struct policy_compiled *compiled)
{
	int err = 0;

	staged = compiled;
	members = NULL;
	changes = policy_roll_changes();
	if (compiled)
		err = policy_members_build(compiled, &members);
	return err;
}

static int commit(void)
{
	int err = policy_publish(staged, members);

	staged = NULL;
	members = NULL;
	if (!err && policy_roll_changes() != changes)
		policy_roll();
	return err;
}

static void abort_stage(void)
{
	policy_members_free(members);
	staged = NULL;
	members = NULL;
}

const struct enforcer enforcer_slim = {
	.stage = stage,
	.commit = commit,
	.abort = abort_stage,
	.revoke = cutting_start,
};
