/* SPDX-License-Identifier: MIT */
/*
 * address.h - socket addresses to endpoints and back
 */
#ifndef SHIM_ADDRESS_H
#define SHIM_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include <slim/endpoint.h>

union address {
	uint16_t family;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

/**
 * address_to_endpoint() - the endpoint that a socket address means
 * @address:	at least @len bytes of it are set
 *
 * Return: 0, or -EAFNOSUPPORT where it is not one of AF_INET or AF_INET6 in
 * the length that the kernel wants of connect(2).
 */
int address_to_endpoint(const union address *address, uint32_t len,
			struct slim_endpoint *endpoint);

/**
 * address_from_endpoint() - an endpoint as an application's socket names it
 * @domain:	AF_INET or AF_INET6: of the application's socket
 *
 * Return: the length of @address.
 */
uint32_t address_from_endpoint(union address *address, uint16_t domain,
			       const struct slim_endpoint *endpoint);

/* Is this ::ffff:a.b.c.d? */
bool address_is_mapped(const struct slim_endpoint *endpoint);

/* Is it 0.0.0.0 or ::? */
bool address_is_any(const struct slim_endpoint *endpoint);

/* Is it one of the reserved addresses that tickets come from? */
bool address_is_ticket(const struct slim_endpoint *endpoint);

/* Zeroes for 0.0.0.0 and ::, as CONNECT wants them. */
void address_clear_any(struct slim_endpoint *endpoint);

#endif
