/* SPDX-License-Identifier: MIT */
/* policy_identity.h - which rule of a policy is the same as one of another policy */
#ifndef POLICY_IDENTITY_H
#define POLICY_IDENTITY_H

#include <stdint.h>

#include "policy.h"

/*
 * Of what a rule matches, as it is written: its place, what it does, and what its groups stand for do not
 * count. The same in every process. Never 0.
 */
uint64_t policy_identity_of(const struct policy *policy, const struct policy_rule *rule);

#endif
