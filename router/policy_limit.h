/* SPDX-License-Identifier: MIT */
/* policy_limit.h - which of a policy's limits a container is under */
#ifndef POLICY_LIMIT_H
#define POLICY_LIMIT_H

#include "policy_compile.h"

struct tags;

/* What all containers of the tenant may send together, in bytes a second; 0: it is not limited */
uint64_t policy_limit_tenant(const struct policy_compiled *compiled, uint32_t vni);

/*
 * The same of one container: by the first `limit each` of its tenant that names it. @tags: or NULL where
 * they are not known
 */
uint64_t policy_limit_container(const struct policy_compiled *compiled, uint32_t vni,
				const struct in6_addr *addresses, size_t addresses_num,
				const struct tags *tags);

#endif
