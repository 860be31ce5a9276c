/* SPDX-License-Identifier: MIT */
/*
 * packetpath_tenant.h - a tenant's bridge, VXLAN device, rules and routes
 *
 * Exists from the tenant's first container on this host to its last. Control thread only.
 */
#ifndef PACKETPATH_TENANT_H
#define PACKETPATH_TENANT_H

#include <net/if.h>
#include <netinet/in.h>
#include <netlink/netlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"
#include "packetpath.h"
#include "packetpath_local.h"

#define PACKETPATH_BRIDGE_PREFIX	"slimb"
#define PACKETPATH_VXLAN_PREFIX		"slimx"
#define PACKETPATH_VETH_PREFIX		"slimv"

struct packetpath_tenant {
	struct packetpath_tenant *next;
	const struct config_tenant *config;
	char bridge[IFNAMSIZ], vxlan[IFNAMSIZ];
	int bridge_index, vxlan_index;
	bool adopted;
	uint16_t zone;
	uint8_t mac[PACKETPATH_MAC_LEN];		/* the gateway's: the same on each host */
	struct in6_addr *gateways;			/* one a prefix */
	size_t gateways_num;
	struct packetpath_locals locals;
	bool remotes_missing;				/* see packetpath_remotes_missing() */
};

/* A veth on an IPv4 or IPv6 wire of @config has this MTU. */
unsigned int packetpath_mtu(const struct config *config);

/* The prefix's first host address; false where it is too small to have one. */
bool packetpath_gateway(const struct config_prefix *prefix, struct in6_addr *gateway);

/* Makes all of it. @adopt: its devices may be there already (then it says ->adopted). NULL: errno,
 * after saying why. */
struct packetpath_tenant *packetpath_tenant_new(struct nl_sock *sock,
						const struct config *config,
						const struct config_tenant *tenant,
						uint16_t zone, bool adopt);
/* Unmakes it, but for the struct itself. 0, or -errno where a device is there still. */
int packetpath_tenant_down(struct nl_sock *sock, const struct packetpath_tenant *tenant);
void packetpath_tenant_free(struct packetpath_tenant *tenant);

/* Whether the gateway has this MAC or one of these addresses. */
bool packetpath_tenant_is_gateway(const struct packetpath_tenant *tenant, const uint8_t *mac,
				  const struct in6_addr *addresses, size_t num);

#endif
