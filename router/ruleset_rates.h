/* SPDX-License-Identifier: MIT */
/*
 * ruleset_rates.h - tables "inet slim_rates" and "netdev slim_rates": which class a packet is of
 *
 * Theory of operation: a packet's priority names its class in the devices' trees (shaping_tree.h). A
 * slim connection's is found by the mark of its socket, which a program can change neither by IP_TOS nor
 * by SO_PRIORITY; when the first limit comes, live connections that have no container's yet get it (reshaping.h),
 * so that a new policy's limits are theirs, too. What a container sends over the packet path gets its class when
 * it enters the container's port, and keeps it inside VXLAN. Routing would change that: what goes outside
 * is found by its tenant's mark and its source, before it is masqueraded.
 */
#ifndef RULESET_RATES_H
#define RULESET_RATES_H

#include <stddef.h>
#include <stdint.h>

#include "../include/slim/channel.h"
#include "shaping_plan.h"

static inline uint32_t ruleset_slim_mark(uint32_t container_id)
{
	return SLIM_SOCKET_MARK | (container_id & ~SLIM_SOCKET_MARK_MASK);
}

/*
 * Puts the plan's classes in the place of what there was; without any, there is no table. Any thread.
 * As ruleset_load(); nftables refuse perhaps because a device has gone.
 */
int ruleset_rates_load(const struct shaping_plan *plan, char *error, size_t size);

#endif
