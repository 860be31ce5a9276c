/* SPDX-License-Identifier: MIT */
/*
 * packet_rules.h - a policy and the containers here become nftables' rules
 *
 * All of it is made again from what is in force and who is called how at the time.
 */
#ifndef PACKET_RULES_H
#define PACKET_RULES_H

#include <net/if.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

#include "packetpath.h"
#include "policy_compile.h"

/* A container here. @ifname: the host's end of its veth */
struct packet_rules_port {
	uint32_t vni;
	char ifname[IFNAMSIZ];
	struct in6_addr addresses[PACKETPATH_ADDRESSES];
	size_t addresses_num;
};

/*
 * Loads the rules for @num containers in the place of what there was. @compiled: NULL: there is no policy.
 * @error: why not, of @size bytes. 0; -E2BIG: nftables cannot hold them, and will not until something changes;
 * or another -errno, as ruleset_policy_load(). One thread at a time, in no read section; takes as long as it takes.
 */
int packet_rules_load(const struct policy_compiled *compiled,
		      const struct packet_rules_port *ports, size_t num, char *error, size_t size);

#endif
