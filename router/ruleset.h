/* SPDX-License-Identifier: MIT */
/*
 * ruleset.h - the nftables tables "inet slim" and "netdev slimv-..."
 *
 * inet slim: slim ports and VXLAN closed to strangers and containers, tenants
 * kept from one another, egress. By libnftables, with nft's own words in the log.
 * netdev slimv-...: one chain per container on the host's end of its veth, which
 * drops what does not come from its MAC and addresses. Other tables of the
 * host are not touched. One transaction a call: 0 or -errno.
 */
#ifndef RULESET_H
#define RULESET_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"

#define RULESET_TABLE		"slim"

/*
 * Packets that were dropped: strangers' to slim ports and to VXLAN's, containers' to those of hosts,
 * to other ports of their gateway, and to other tenants.
 */
#define RULESET_COUNTERS							\
	"strangers_slim", "strangers_vxlan", "containers_slim", "containers_vxlan",	\
	"containers_gateway", "containers_tenant",

/* Marks of packets that a tenant's containers sent: this, and the VNI in the low 24 bits. */
#define RULESET_MARK		0x53000000u
#define RULESET_MARK_MASK	0xff000000u

/* What containers sent with a source that is not theirs: MAC, IPv4, ARP, IPv6, neighbour discovery */
#define RULESET_PORT_COUNTERS							\
	"spoofed_mac", "spoofed_ip", "spoofed_arp", "spoofed_ip6", "spoofed_nd",

/*
 * A tenant as the rules see it.
 * @zone:	1 .. 65535, which keeps its connections apart from those of others
 *		with the same addresses
 * @gateways:	the bridge's own addresses
 */
struct ruleset_tenant {
	const struct config_tenant *config;
	const char *bridge;
	uint16_t zone;
	const struct in6_addr *gateways;
	size_t gateways_num;
};

/* A container's port. */
struct ruleset_port {
	const char *ifname;		/* the host's end */
	const uint8_t *mac;
	const struct in6_addr *addresses;
	size_t addresses_num;
};

/* The connections to nftables, in the calling thread's namespace; before all else. */
int ruleset_open(void);
void ruleset_close(void);

/*
 * Replaces whatever table "inet slim" there is. @untracked: keep the host's
 * own Slim and VXLAN packets out of connection tracking, which egress would
 * otherwise bring upon them (only where no rule of the host may want it).
 */
int ruleset_init(const struct config *config, bool untracked);
void ruleset_exit(void);

/* Calls @each for every one of RULESET_COUNTERS, RULESET_PORT_COUNTERS and RULESET_POLICY_COUNTER. 0 or
 * -errno. */
int ruleset_counters(void (*each)(const char *name, uint64_t packets, void *data), void *data);

int ruleset_tenant_add(const struct ruleset_tenant *tenant);
int ruleset_tenant_remove(const struct ruleset_tenant *tenant);

/* The device must exist; nothing passes it that was not sent by the container. */
int ruleset_port_add(const struct ruleset_port *port);
/* The same table as ruleset_policy_load()'s: until that knows the port, nothing that policy would judge passes
 * it. 0 or -errno */
int ruleset_port_hold(const char *ifname);

/* After the device: a port is never without its rules. */
int ruleset_port_remove(const char *ifname);

/* The port of an earlier router's, whose rules are replaced by ours in one go. 0 or -errno */
int ruleset_port_renew(const struct ruleset_port *port);

/* An earlier router's port, of which we knew nothing, is gone. */
void ruleset_port_forget(const char *ifname);
/* Those of an earlier router; before ruleset_init() or after it. */
int ruleset_ports_flush(void);

/* Removes the rules of all ports but those that @is_known says are there. */
int ruleset_ports_sweep(bool (*is_known)(const char *ifname, const void *data), const void *data);

#endif
