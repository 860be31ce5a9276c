/* SPDX-License-Identifier: MIT */
/* policy_rule.h - rules, as a policy's file says them */
#ifndef POLICY_RULE_H
#define POLICY_RULE_H

#include "policy_parser.h"

/* Takes what is behind "allow" or "deny", and adds the rule. */
void policy_rule_take(struct policy_parser *p, enum policy_action action);

#endif
