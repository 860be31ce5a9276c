/* SPDX-License-Identifier: MIT */
/*
 * link_neighbour.h - who has an address, and behind which port or host a MAC is
 *
 * Neighbour entries (IP to MAC) and forwarding entries (MAC to bridge port, MAC to
 * VXLAN's far end). All permanent, all replacing what was there before. Each
 * returns 0 or the kernel's -errno; removing what is not there is -ENOENT.
 */
#ifndef LINK_NEIGHBOUR_H
#define LINK_NEIGHBOUR_H

#include <netinet/in.h>
#include <netlink/netlink.h>
#include <stdint.h>

int link_neighbour_add(struct nl_sock *sock, int ifindex, const struct in6_addr *addr,
		       const uint8_t *mac);
/* Only while it still names @mac; -ENOENT otherwise. */
int link_neighbour_remove(struct nl_sock *sock, int ifindex, const struct in6_addr *addr,
			  const uint8_t *mac);

/* Calls @each for the device's entries; it may not use @sock. */
int link_neighbour_each(struct nl_sock *sock, int ifindex,
			void (*each)(const struct in6_addr *addr, const uint8_t *mac, void *data),
			void *data);

/* The bridge finds @mac behind its port @ifindex. */
int link_fdb_port_add(struct nl_sock *sock, int ifindex, const uint8_t *mac);
int link_fdb_port_remove(struct nl_sock *sock, int ifindex, const uint8_t *mac);

/* The VXLAN device finds @mac at @host. Removing needs the same @host. */
int link_fdb_host_add(struct nl_sock *sock, int ifindex, const uint8_t *mac,
		      const struct in6_addr *host);
int link_fdb_host_remove(struct nl_sock *sock, int ifindex, const uint8_t *mac,
			 const struct in6_addr *host);

#endif
