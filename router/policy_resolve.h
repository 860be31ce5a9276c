/* SPDX-License-Identifier: MIT */
/*
 * policy_resolve.h - what addresses a policy's sets are
 *
 * Groups are dissolved. Containers and labels stay names, since whose those are changes: a set that
 * has any is dynamic, and consists of ranges and of all addresses of containers that a test is true
 * of.
 */
#ifndef POLICY_RESOLVE_H
#define POLICY_RESOLVE_H

#include <stdbool.h>
#include <stdint.h>

#include "../core/classifier.h"
#include "config.h"
#include "policy.h"

/* A container of this name (@value: POLICY_NONE), or with this label */
struct policy_test {
	uint32_t name, value;
};

/* @ranges_num of policy_resolved.ranges from @ranges on, sorted and apart; as many tests likewise */
struct policy_resolved_set {
	uint32_t ranges, ranges_num;
	uint32_t tests, tests_num;
	bool done;
};

/* @sets: as the policy's; @failed: the one that there was no room for, else POLICY_NONE */
struct policy_resolved {
	struct policy_resolved_set *sets;
	struct classifier_range *ranges;
	struct policy_test *tests;
	uint32_t ranges_num, ranges_max;
	uint32_t tests_num, tests_max;
	uint32_t failed;
};

/*
 * Of a policy without errors. @config: for the tenants' prefixes; NULL: no address is outside.
 * Returns 0, -ENOMEM or -E2BIG (more than CLASSIFIER_RANGES_MAX of either); policy_resolved_free()
 * in any case.
 */
int policy_resolve(struct policy_resolved *resolved, const struct policy *policy,
		   const struct config *config);
void policy_resolved_free(struct policy_resolved *resolved);

#endif
