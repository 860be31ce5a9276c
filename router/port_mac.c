/* SPDX-License-Identifier: MIT */
/* port_mac.c - the MAC of a container's port, and what follows from it */
#include "port_mac.h"

#include <arpa/inet.h>
#include <string.h>

#include "endpoint.h"

/* FNV-1a: not to hide anything, but to be the same on every host. */
static uint32_t addr_hash(const struct in6_addr *addr)
{
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < sizeof(addr->s6_addr); i++)
		hash = (hash ^ addr->s6_addr[i]) * 16777619u;
	return htonl(hash);
}

/* Locally administered: 02:53 before an IPv4 address, 02:54 before a hash. */
void port_mac(const struct in6_addr *addresses, size_t num, uint8_t mac[PACKETPATH_MAC_LEN])
{
	uint32_t tail = addr_hash(&addresses[0]);
	uint8_t head[2] = { 0x02, 0x54 };

	for (size_t i = 0; i < num; i++) {
		if (!addr_is4(&addresses[i]))
			continue;
		tail = addr_get4(&addresses[i]);
		head[1] = 0x53;
		break;
	}
	memcpy(mac, head, sizeof(head));
	memcpy(mac + sizeof(head), &tail, sizeof(tail));
}

struct in6_addr port_mac_link_local(const uint8_t mac[PACKETPATH_MAC_LEN])
{
	struct in6_addr addr = { .s6_addr = {
		0xfe, 0x80, 0, 0, 0, 0, 0, 0,
		mac[0] ^ 2, mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5],
	} };

	return addr;
}
