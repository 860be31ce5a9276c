/* SPDX-License-Identifier: MIT */
/* policy_ends.h - who, as a policy's file says it: tenants, addresses, groups, containers, labels */
#ifndef POLICY_ENDS_H
#define POLICY_ENDS_H

#include "policy_parser.h"

/* Takes a tenant's name. POLICY_NONE: reported */
uint32_t policy_ends_tenant(struct policy_parser *p);

/* Takes a set of ends, "any", groups and all else, of this tenant or another. POLICY_NONE: reported */
uint32_t policy_ends_take(struct policy_parser *p);

/* All addresses of the tenant, for an end that is not named; POLICY_NONE: no memory */
uint32_t policy_ends_any(struct policy_parser *p);

/* Is the next token a name that a group may have? */
bool policy_ends_is_group(const struct policy_parser *p);

/* Which of the words that stand for ends, or before them, @token resembles, by less than *@least, which is
 * set then; NULL: none */
const char *policy_ends_nearest(const struct config_token *token, unsigned int *least);

#endif
