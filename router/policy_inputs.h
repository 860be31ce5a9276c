/* SPDX-License-Identifier: MIT */
/* policy_inputs.h - what the classifiers of a policy's domains are made of */
#ifndef POLICY_INPUTS_H
#define POLICY_INPUTS_H

#include "policy_compile.h"

/*
 * @policy:	sets, the dynamic ones first with those of their ranges that no name or label adds, and rules, in the
 *		order of the domain's; borrowed
 * @dynamic:	of each of the dynamic sets the policy's; borrowed
 * Returns 0, or what ends it.
 */
typedef int policy_inputs_take(uint32_t domain, const struct classifier_policy *policy,
			       const uint32_t *dynamic, void *data);

/*
 * Calls @take for each domain that has rules, in their order; *@tried becomes the number of domains that were come to.
 * @compiled: with its domains (policy_domain.h). 0, -ENOMEM, or what @take has said. Any thread.
 */
int policy_inputs_each(const struct policy_compiled *compiled, policy_inputs_take *take, void *data,
		       uint32_t *tried);

#endif
