/* SPDX-License-Identifier: MIT */
/*
 * port_mac.h - the MAC of a container's port, and what follows from it
 */
#ifndef PORT_MAC_H
#define PORT_MAC_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

#include "packetpath.h"

/* It follows from the first IPv4 address, else from the first address. */
void port_mac(const struct in6_addr *addresses, size_t num, uint8_t mac[PACKETPATH_MAC_LEN]);

/* The address that the kernel makes of a MAC by default (RFC 4291, appendix A). */
struct in6_addr port_mac_link_local(const uint8_t mac[PACKETPATH_MAC_LEN]);

#endif
