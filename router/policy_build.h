/* SPDX-License-Identifier: MIT */
/*
 * policy_build.h - a policy that grows while it is read
 *
 * What is equal is stored once: strings, tenants, sets, names of groups.
 */
#ifndef POLICY_BUILD_H
#define POLICY_BUILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy.h"

/* @hash: of what the number stands for, its low bits; @number: POLICY_NONE: free */
struct policy_slot {
	uint32_t hash, number;
};

/* @size: a power of two */
struct policy_index {
	struct policy_slot *slots;
	uint32_t size, num;
};

/* @no_memory: something was left out */
struct policy_build {
	struct policy *policy;
	struct policy_index strings, tenants, sets, groups;
	uint32_t set_first;
	bool no_memory;
};

/* Starts an empty policy. Returns 0 or -ENOMEM. */
int policy_build_init(struct policy_build *build);

/* Frees what building took, and not the policy. */
void policy_build_exit(struct policy_build *build);

/* Each returns the number of what was added, or was there, or POLICY_NONE without memory. */
uint32_t policy_build_string(struct policy_build *build, const char *text, size_t len);
uint32_t policy_build_tenant(struct policy_build *build, uint32_t name, uint32_t vni);

/* The group of that name, which may be defined later; @place: where it is named. */
uint32_t policy_build_group(struct policy_build *build, uint32_t tenant, uint32_t name,
			    const struct policy_place *place);

/* Members come one by one after policy_build_set_open(); policy_build_set_close() tells the
 * set that they make. */
void policy_build_set_open(struct policy_build *build);
void policy_build_member(struct policy_build *build, const struct policy_member *member);
uint32_t policy_build_set_close(struct policy_build *build, uint32_t tenant);

/* Adds to the rule that policy_build_rule() adds next: its ports_num grows. */
void policy_build_ports(struct policy_build *build, struct policy_rule *rule,
			const struct policy_ports *ports);
void policy_build_rule(struct policy_build *build, const struct policy_rule *rule);
void policy_build_limit(struct policy_build *build, const struct policy_limit *limit);

#endif
