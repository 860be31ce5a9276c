/* SPDX-License-Identifier: MIT */
/*
 * packetpath.h - veth, bridge, VXLAN and the rules around them
 *
 * Everything that has no slim path crosses these. One bridge and one VXLAN
 * device per tenant that has containers here, in the host's namespace; forwarding and
 * neighbour entries come from the directory, nothing is learnt by flooding. Called by the
 * control thread only; each call is synchronous and leaves nothing behind when it fails.
 */
#ifndef PACKETPATH_H
#define PACKETPATH_H

#include <net/if.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"

#define PACKETPATH_MAC_LEN	6
#define PACKETPATH_ADDRESSES	16	/* per container */

/* A container's end of the packet path. */
struct packetpath_port {
	uint32_t vni;
	int netns_fd;				/* the container's namespace; borrowed */
	struct in6_addr addresses[PACKETPATH_ADDRESSES];
	size_t addresses_num;
	char container_ifname[IFNAMSIZ];	/* "eth0" */
	char host_ifname[IFNAMSIZ];		/* out: the veth's end on the host */
	uint8_t mac[PACKETPATH_MAC_LEN];	/* out: the container's MAC */
};

/**
 * packetpath_init() - make the host ready
 *
 * Removes what an earlier router left (links named slim*, tables named slim,
 * routing rules of ours), loads the nftables tables, sets and checks the sysctls
 * (net.ipv4.tcp_fastopen = 3, net.ipv4.tcp_tw_reuse = 1, forwarding where there is
 * egress). Returns 0 or -errno, after saying why in the log.
 */
int packetpath_init(const struct config *config);

/* Removes all that init and later calls made. */
void packetpath_exit(void);

/*
 * Attach a container: veth, addresses, routes, reserved ticket addresses, loopback up, pinning; makes the tenant's
 * bridge and VXLAN device where this is its first. 0 or -errno, logged.
 */
int packetpath_attach(const struct config_tenant *tenant, struct packetpath_port *port);

/*
 * The same where an earlier router's devices and rules are there still: @port as attach filled it in
 * then. -ENODEV: they are not, attach anew.
 */
int packetpath_adopt(const struct config_tenant *tenant, struct packetpath_port *port);

/* An earlier router's container is no more: removes what is left of it. */
void packetpath_forget(const struct packetpath_port *port);

/* Removes the devices of an earlier router that nobody has adopted. */
void packetpath_sweep(void);

/* Detach: @port as attach filled it in. The namespace may be gone. The tenant's
 * last port takes bridge and VXLAN device along. */
void packetpath_detach(const struct config_tenant *tenant, const struct packetpath_port *port);

/*
 * A container on another host: forwarding and neighbour entries. 0 also where the tenant
 * has no container here (then nothing is done; whoever attaches the
 * tenant's first container adds the remote ones again).
 */
int packetpath_remote_add(uint32_t vni, const uint8_t mac[PACKETPATH_MAC_LEN],
			  const struct in6_addr *addresses, size_t num,
			  const struct in6_addr *host);
void packetpath_remote_remove(uint32_t vni, const uint8_t mac[PACKETPATH_MAC_LEN],
			      const struct in6_addr *addresses, size_t num,
			      const struct in6_addr *host);

/*
 * Does the container's own namespace have netfilter rules (other than for
 * loopback)? 1, 0, or -errno. Called in any thread but a worker.
 */
int packetpath_netfilter_probe(int netns_fd);

#endif
