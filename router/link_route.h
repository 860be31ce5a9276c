/* SPDX-License-Identifier: MIT */
/*
 * link_route.h - routes, and the rules that lead to them
 *
 * A tenant's prefixes are routed by a table of their own, which packets with the
 * tenant's mark are looked up in: two tenants may have the same prefixes, and
 * the host's own routes stay as they are. Each returns 0 or the kernel's -errno.
 */
#ifndef LINK_ROUTE_H
#define LINK_ROUTE_H

#include <netinet/in.h>
#include <netlink/netlink.h>
#include <stdint.h>

#define LINK_TABLE_MAIN	254

/* @len: bits of the IPv6 form. @gateway: NULL where the prefix is on-link. */
struct link_route {
	struct in6_addr addr;
	unsigned int len;
	const struct in6_addr *gateway;
	int ifindex;
	uint32_t table;
};

int link_route_add(struct nl_sock *sock, const struct link_route *route);

/* Packets with this mark look in the table of the same number. @family: AF_INET(6). */
int link_rule_add(struct nl_sock *sock, int family, uint32_t mark);
int link_rule_remove(struct nl_sock *sock, int family, uint32_t mark);

/* The device over which @addr is reached; 0: there is none. */
int link_route_device(struct nl_sock *sock, const struct in6_addr *addr);

/* Calls @each for the device of each default route of the main table. @family: AF_INET(6). 0 or -errno */
int link_route_defaults(struct nl_sock *sock, int family, void (*each)(int ifindex, void *data),
			void *data);

/* Removes the rules of both families whose table is @base with other low 24 bits. */
int link_rules_flush(struct nl_sock *sock, uint32_t base);

#endif
