/* SPDX-License-Identifier: MIT */
/*
 * address.c - socket addresses to endpoints and back
 */
#include <errno.h>
#include <sys/socket.h>

#include <slim/channel.h>

#include "address.h"
#include "mem.h"

/* The kernel takes an address without the scope, as of RFC 2133. */
#define SIN6_LEN_RFC2133	24u

static const uint8_t mapped_prefix[12] = { [10] = 0xff, [11] = 0xff };

static uint16_t swap16(uint16_t value)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return (uint16_t)(value << 8 | value >> 8);
#else
	return value;
#endif
}

int address_to_endpoint(const union address *address, uint32_t len,
			struct slim_endpoint *endpoint)
{
	endpoint->reserved = 0;
	if (len >= sizeof(address->in) && address->family == AF_INET) {
		memcpy(endpoint->addr, mapped_prefix, sizeof(mapped_prefix));
		memcpy(endpoint->addr + 12, &address->in.sin_addr, 4);
		endpoint->port = swap16(address->in.sin_port);
		return 0;
	}
	if (len >= SIN6_LEN_RFC2133 && address->family == AF_INET6) {
		memcpy(endpoint->addr, &address->in6.sin6_addr, 16);
		endpoint->port = swap16(address->in6.sin6_port);
		return 0;
	}
	return -EAFNOSUPPORT;
}

uint32_t address_from_endpoint(union address *address, uint16_t domain,
			       const struct slim_endpoint *endpoint)
{
	memset(address, 0, sizeof(*address));
	address->family = domain;
	if (domain == AF_INET) {
		address->in.sin_port = swap16(endpoint->port);
		memcpy(&address->in.sin_addr, endpoint->addr + 12, 4);
		return sizeof(address->in);
	}
	address->in6.sin6_port = swap16(endpoint->port);
	memcpy(&address->in6.sin6_addr, endpoint->addr, 16);
	return sizeof(address->in6);
}

bool address_is_mapped(const struct slim_endpoint *endpoint)
{
	return !memcmp(endpoint->addr, mapped_prefix, sizeof(mapped_prefix));
}

bool address_is_ticket(const struct slim_endpoint *endpoint)
{
	static const uint8_t ticket6[16] = SLIM_TICKET_ADDR6;
	static const uint8_t ticket4[4] = {
		SLIM_TICKET_ADDR4 >> 24 & 0xff, SLIM_TICKET_ADDR4 >> 16 & 0xff,
		SLIM_TICKET_ADDR4 >> 8 & 0xff, SLIM_TICKET_ADDR4 & 0xff,
	};

	if (address_is_mapped(endpoint))
		return !memcmp(endpoint->addr + 12, ticket4, sizeof(ticket4));
	return !memcmp(endpoint->addr, ticket6, sizeof(ticket6));
}

bool address_is_any(const struct slim_endpoint *endpoint)
{
	static const uint8_t any[16];

	if (address_is_mapped(endpoint))
		return !memcmp(endpoint->addr + 12, any, 4);
	return !memcmp(endpoint->addr, any, sizeof(any));
}

void address_clear_any(struct slim_endpoint *endpoint)
{
	static const uint8_t any4[4];

	if (address_is_mapped(endpoint) && !memcmp(endpoint->addr + 12, any4, 4))
		memset(endpoint->addr, 0, sizeof(endpoint->addr));
}
