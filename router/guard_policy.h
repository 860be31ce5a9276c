/* SPDX-License-Identifier: MIT */
/*
 * guard_policy.h - a policy in the words of slim.ko
 *
 * Told are domains with their rules, and what names and labels stand for at that moment; rules by their numbers in the
 * policy. What is told is staged, and in force with guard_link_commit() of the same generation.
 */
#ifndef GUARD_POLICY_H
#define GUARD_POLICY_H

#include <stdint.h>

#include "guard_link.h"
#include "policy_compile.h"

/* All of it. @compiled: NULL: there is no policy. 0 or -errno. Any thread, in no read section. */
int guard_policy_stage(struct guard_link *link, const struct policy_compiled *compiled,
		       uint64_t generation);

/* Names and labels alone, of the policy that is in force there. As guard_policy_stage() */
int guard_policy_stage_members(struct guard_link *link, const struct policy_compiled *compiled,
			       uint64_t generation);

#endif
