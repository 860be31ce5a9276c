/* SPDX-License-Identifier: MIT */
/* policy_check.h - what can only be checked when all of a policy is read */
#ifndef POLICY_CHECK_H
#define POLICY_CHECK_H

#include "config.h"
#include "policy.h"
#include "policy_report.h"

/* Groups that nobody defined or that hold themselves; rules between tenants: of whom they
 * are, of which protocol, and whether prefixes overlap. @config: may be NULL */
void policy_check(const struct policy *policy, const struct config *config,
		  struct policy_report *report);

#endif
