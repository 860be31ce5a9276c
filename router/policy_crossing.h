/* SPDX-License-Identifier: MIT */
/*
 * policy_crossing.h - connections from tenant to tenant: to which ones there may be any
 *
 * Where either tenant's rules speak of connections from one to the other, the destination's prefixes are its own
 * for the source, and not outside: shims ask for them, too. (Those of two tenants that rules name together do not
 * overlap, and whether a connection is allowed is asked of both tenants' rules.) Read lock held, any thread.
 */
#ifndef POLICY_CROSSING_H
#define POLICY_CROSSING_H

#include <netinet/in.h>
#include <stdint.h>

#include "config.h"

/* Whose address it is for a container of tenant @vni: another tenant's VNI, or @vni. */
uint32_t policy_crossing_to(uint32_t vni, const struct in6_addr *addr);

/* Calls @each for every tenant to which rules speak of connections from @vni. */
void policy_crossing_each(uint32_t vni, void (*each)(const struct config_tenant *tenant, void *data),
			  void *data);

/* Another number where policy_crossing_each() may say something else; 0: there are none. */
uint32_t policy_crossing_stamp(void);

#endif
