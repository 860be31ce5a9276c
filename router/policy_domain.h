/* SPDX-License-Identifier: MIT */
/* policy_domain.h - which rules of a policy are about which two tenants */
#ifndef POLICY_DOMAIN_H
#define POLICY_DOMAIN_H

#include "policy_compile.h"

/* Fills @compiled->domains, sorted, each with its rules and without a classifier. 0 or -ENOMEM */
int policy_domains_make(struct policy_compiled *compiled);

#endif
