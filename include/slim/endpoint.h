/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * endpoint.h - an address and a port, as every boundary of Slim writes them
 */
#ifndef SLIM_ENDPOINT_H
#define SLIM_ENDPOINT_H

#include <stdint.h>

/**
 * struct slim_endpoint - one end of a TCP connection
 * @addr:	IPv6 address in network byte order; an IPv4 one is mapped
 *		(::ffff:a.b.c.d), so that there is one form everywhere
 * @port:	host byte order; 0 where there is none
 * @reserved:	zero
 */
struct slim_endpoint {
	uint8_t addr[16];
	uint16_t port;
	uint16_t reserved;
};

_Static_assert(sizeof(struct slim_endpoint) == 20, "a boundary type");

#endif
