/* SPDX-License-Identifier: MIT */
/*
 * link.h - network devices: bridge, VXLAN, veth; their addresses
 *
 * Thin wrappers of rtnetlink(7) requests; each returns 0 or the kernel's -errno.
 * Nothing is cached and nothing is dumped, so that each costs the same with one
 * device and with thousands.
 */
#ifndef LINK_H
#define LINK_H

#include <net/if.h>
#include <netinet/in.h>
#include <netlink/netlink.h>
#include <stdbool.h>
#include <stdint.h>

#define LINK_MAC_LEN	6

/* All devices made here are of this group: "Slim" in ASCII. */
#define LINK_GROUP	0x536c696du
/* Those among them that are about to be removed together */
#define LINK_GROUP_LEAVING	(LINK_GROUP + 1)

struct link_vxlan {
	uint32_t vni;
	struct in6_addr local;
	uint16_t port;
	unsigned int mtu;
};

/* @peer_name, @peer_mac: of the end that is made inside @peer_netns */
struct link_veth {
	const char *name;
	const char *peer_name;
	const uint8_t *peer_mac;
	int peer_netns;
	unsigned int mtu;
};

/* Made down, without multicast snooping and spanning tree. */
int link_bridge_add(struct nl_sock *sock, const char *name, const uint8_t *mac,
		    unsigned int mtu);

/* Made down; learns nothing, answers ARP and ND from its neighbour entries. */
int link_vxlan_add(struct nl_sock *sock, const char *name, const struct link_vxlan *vxlan);

/* Made down, both ends. */
int link_veth_add(struct nl_sock *sock, const struct link_veth *veth);

/*
 * Makes @ifindex a port of @master that neither learns nor gets floods of unknown
 * unicast. @locked: frames from it must come from a MAC that an fdb entry of this
 * port names (where the kernel is 5.18 or later).
 */
int link_enslave(struct nl_sock *sock, int ifindex, int master, bool locked);

/* No IPv6 link-local address; before the device goes up. */
int link_addrgen_off(struct nl_sock *sock, int ifindex);
int link_up(struct nl_sock *sock, int ifindex);
int link_remove(struct nl_sock *sock, const char *name);

/* 0: it is not there */
unsigned int link_mtu(struct nl_sock *sock, int ifindex);

/* A group of devices is removed about as fast as one of them. None is no error. */
int link_group_set(struct nl_sock *sock, int ifindex, uint32_t group);
int link_remove_group(struct nl_sock *sock, uint32_t group);

/* Whether @err is what a kernel without IPv6 says of an IPv6 address. */
bool link_no_ipv6(const struct in6_addr *addr, int err);

/* @len counts bits of the IPv6 form. @flags: IFA_F_*. */
int link_address_add(struct nl_sock *sock, int ifindex, const struct in6_addr *addr,
		     unsigned int len, uint32_t flags);

/* Takes it away again; 0 or -errno (-EADDRNOTAVAIL: it was not there). */
int link_address_remove(struct nl_sock *sock, int ifindex, const struct in6_addr *addr,
			unsigned int len);

#endif
