/* SPDX-License-Identifier: MIT */
/*
 * policy_crossing.h - connections from tenant to tenant: to which ones there may be any
 *
 * Where either tenant's rules speak of connections from one to the other, the destination's prefixes are its own
 * for the source, and not outside: shims ask for them, too, and packets to them are refused. (Those of two tenants
 * that rules name together do not overlap, and whether a connection is allowed is asked of both tenants' rules.)
 * Any thread; read lock held, but for what is told the policy.
 */
#ifndef POLICY_CROSSING_H
#define POLICY_CROSSING_H

#include <netinet/in.h>
#include <stdint.h>

#include "config.h"
#include "policy_compile.h"

/* Whose address it is for a container of tenant @vni: another tenant's VNI, or @vni. */
uint32_t policy_crossing_to(uint32_t vni, const struct in6_addr *addr);

/* Calls @each for every tenant to which rules speak of connections from @vni. */
void policy_crossing_each(uint32_t vni, void (*each)(const struct config_tenant *tenant, void *data),
			  void *data);

/* Those of @compiled from @vni; sets *@num to how many. */
const struct policy_crossing *policy_crossing_from(const struct policy_compiled *compiled, uint32_t vni,
						   uint32_t *num);

/* Another number where policy_crossing_each() may say something else; 0: there are none. */
uint32_t policy_crossing_stamp(void);

#endif
