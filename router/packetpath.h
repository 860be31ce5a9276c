/* SPDX-License-Identifier: MIT */
/*
 * packetpath.h - veth, bridge, VXLAN and the rules around them
 *
 * Everything that has no slim path crosses these. One bridge and one VXLAN
 * device per tenant that has containers here, in the host's namespace; forwarding and
 * neighbour entries come from the directory, nothing is learnt by flooding. Called by the
 * control thread only; each call is synchronous and leaves nothing behind when it fails
 * (but see packetpath_is_unfinished()).
 */
#ifndef PACKETPATH_H
#define PACKETPATH_H

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"

#define PACKETPATH_MAC_LEN	6
#define PACKETPATH_ADDRESSES	16	/* per container */

/* The kernel's BR_MAX_PORTS, less the number 0, which it does not use, and the VXLAN device */
#define PACKETPATH_TENANT_PORTS	1022

/* A container's end of the packet path. */
struct packetpath_port {
	uint32_t vni;
	int netns_fd;				/* the container's namespace; borrowed */
	struct in6_addr addresses[PACKETPATH_ADDRESSES];
	size_t addresses_num;
	char container_ifname[IFNAMSIZ];	/* "eth0" */
	char host_ifname[IFNAMSIZ];		/* out: the veth's end on the host */
	uint8_t mac[PACKETPATH_MAC_LEN];	/* out: the container's MAC */
	uint16_t zone;				/* out: the tenant's conntrack zone */
};

/**
 * packetpath_init() - make the host ready
 *
 * @keep: what an earlier router left is there to be adopted, and what this one leaves, too.
 * Otherwise removes what an earlier router left (links named slim*, tables named slim,
 * routing rules of ours), loads the nftables tables, sets and checks the sysctls
 * (net.ipv4.tcp_fastopen = 3, net.ipv4.tcp_tw_reuse = 1, forwarding where there is
 * egress). Returns 0 or -errno, after saying why in the log.
 */
int packetpath_init(const struct config *config, bool keep);

/*
 * @judged: does policy speak of the tenant? Then a new port lets nothing through that policy would judge
 * until ruleset_policy_load() knows it. NULL, as at first: of none.
 */
void packetpath_set_judged(bool (*judged)(uint32_t vni));

/* Removes all that init and later calls made. */
void packetpath_exit(void);

/*
 * Attach a container: veth, addresses, routes, reserved ticket addresses, loopback up, pinning;
 * makes the tenant's bridge and VXLAN device where this is its first. 0 or -errno, logged;
 * -EXFULL where the bridge has PACKETPATH_TENANT_PORTS containers.
 */
int packetpath_attach(const struct config_tenant *tenant, struct packetpath_port *port);

/*
 * The same where an earlier router's devices and rules are there still: @port as attach filled it in
 * then. -ENODEV: they are not, attach anew.
 */
int packetpath_adopt(const struct config_tenant *tenant, struct packetpath_port *port);

/* An earlier router's container is no more: removes what is left of it. */
void packetpath_forget(const struct packetpath_port *port);

/*
 * Removes all devices and ports' rules, an earlier router's or ours, but the tenants' that have
 * containers here and those of the veths in @kept.
 */
void packetpath_sweep(const char *const *kept, size_t num);

/*
 * Whether something could not be removed, or a remote container not be added, for want of
 * memory: packetpath_sweep() and packetpath_remotes_missing() tell what to do about it.
 */
bool packetpath_is_unfinished(void);

/* Detach: @port as attach filled it in. The namespace may be gone. The tenant's
 * last port takes bridge and VXLAN device along. */
void packetpath_detach(const struct config_tenant *tenant, const struct packetpath_port *port);

/*
 * Before several are detached: the kernel removes their devices together about as fast as
 * one. What is not removed so, detaching removes.
 */
void packetpath_leaving(const struct packetpath_port *port);
void packetpath_leave(void);

/*
 * A container on another host: forwarding and neighbour entries. 0 also where the tenant
 * has no container here (then nothing is done; see packetpath_remotes_missing()).
 */
int packetpath_remote_add(uint32_t vni, const uint8_t mac[PACKETPATH_MAC_LEN],
			  const struct in6_addr *addresses, size_t num,
			  const struct in6_addr *host);
void packetpath_remote_remove(uint32_t vni, const uint8_t mac[PACKETPATH_MAC_LEN],
			      const struct in6_addr *addresses, size_t num,
			      const struct in6_addr *host);

/*
 * Whether remote containers must be added again after an attach or a detach: the tenant's
 * bridge is new, one was refused for what a container here had, or there was no memory for
 * one. Asking makes it false.
 */
bool packetpath_remotes_missing(uint32_t vni);

/*
 * Does the container's own namespace have netfilter rules (other than for
 * loopback)? 1, 0, or -errno. Called in any thread but a worker.
 */
int packetpath_netfilter_probe(int netns_fd);

#endif
