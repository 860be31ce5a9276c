/* SPDX-License-Identifier: MIT */
/*
 * ruleset_policy.h - table "netdev slim_policy": the policy, as packets are asked about it
 *
 * Theory of operation: what enters a container's port is judged by its source's profile, what comes out
 * of a tenant's VXLAN device by its destination's (policy_profile.h); so each host judges by its own
 * policy what its own containers send and get. There is no state: of TCP only what opens a connection is
 * judged, of ICMP only echo requests, and errors and replies pass. A UDP packet that a rule does not
 * allow passes as a reply where default is deny and the opposite direction is allowed for its source
 * port. Link-local addresses, of which no rule speaks, are for neighbour discovery alone, and another tenant's, of
 * which rules speak, for the slim path. Fragments after the first pass, since they are of no use without it. What
 * is refused is rejected (ruleset_refusal.h): a reset, or ICMP's "administratively prohibited".
 *
 * All of it is one transaction, in which chains are made anew and sets that are there already stay
 * (packet_sets.h), so that a container that comes costs little where there are many rules. What is refused
 * is counted, and some of it is shown to packet_denials.h. Lives beside the pinning of ports, whose chains
 * come first.
 */
#ifndef RULESET_POLICY_H
#define RULESET_POLICY_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

#include "policy_profile.h"

#define RULESET_POLICY_TABLE	"slim_policy"
/* Of packets that were refused, since all of the table was made anew: at the router's start, and after
 * there was no policy */
#define RULESET_POLICY_COUNTER	"denied"

/* A tenant that the policy speaks of and that has containers here. @addresses: with @profiles; @ports:
 * the host's ends of their veths; @crossings: to which other tenants rules speak of connections from it */
struct ruleset_policy_tenant {
	uint32_t vni;
	enum policy_action action;
	const struct in6_addr *addresses;
	size_t addresses_num;
	const struct policy_profiles *profiles;
	const char *const *ports;
	size_t ports_num;
	const char *vxlan;
	const struct policy_crossing *crossings;
	uint32_t crossings_num;
};

/*
 * Puts these in the place of what there was; without any, nothing is judged. Devices that are not there, or
 * go meanwhile, are left out. One thread at a time, whichever. As ruleset_load().
 */
int ruleset_policy_load(const struct ruleset_policy_tenant *tenants, size_t num, char *error,
			size_t size);

#endif
