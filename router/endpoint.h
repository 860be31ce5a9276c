/* SPDX-License-Identifier: MIT */
/*
 * endpoint.h - what the router does with struct slim_endpoint
 */
#ifndef ENDPOINT_H
#define ENDPOINT_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include "../include/slim/endpoint.h"

/* "10.32.1.2:80", "[fd32::2]:80" with its final zero */
#define ENDPOINT_STRLEN	56

static inline struct in6_addr endpoint_addr(const struct slim_endpoint *ep)
{
	struct in6_addr addr;

	memcpy(&addr, ep->addr, sizeof(addr));
	return addr;
}

static inline struct slim_endpoint endpoint_make(const struct in6_addr *addr, uint16_t port)
{
	struct slim_endpoint ep = { .port = port };

	memcpy(ep.addr, addr, sizeof(ep.addr));
	return ep;
}

static inline bool endpoint_equal(const struct slim_endpoint *a, const struct slim_endpoint *b)
{
	return !memcmp(a, b, sizeof(*a));
}

/* ::ffff:a.b.c.d, from an address in network byte order */
struct in6_addr addr_map4(uint32_t addr);
bool addr_is4(const struct in6_addr *addr);
/* fe80::/10 */
bool addr_is_link_local(const struct in6_addr *addr);
/* The IPv4 address inside, network byte order. */
uint32_t addr_get4(const struct in6_addr *addr);

/* Writes the address alone; @size INET6_ADDRSTRLEN at least. Returns @out. */
const char *addr_format(const struct in6_addr *addr, char *out, size_t size);
/* 0 or -EINVAL */
int addr_parse(const char *text, struct in6_addr *addr);

/* Writes address and port; @size ENDPOINT_STRLEN. Returns @out. */
const char *endpoint_format(const struct slim_endpoint *ep, char *out, size_t size);

/* To and from the kernel's form; mapped addresses stay AF_INET6. */
struct sockaddr_in6 endpoint_sockaddr(const struct slim_endpoint *ep);
struct slim_endpoint endpoint_from_sockaddr(const struct sockaddr *sa);

/* The form that a socket of @family takes: of a mapped address AF_INET's, if that is what it
 * wants. Returns its length. */
socklen_t endpoint_to_sockaddr(const struct slim_endpoint *ep, int family,
			       struct sockaddr_storage *out);

/* A keyed hash over several fields at once, for tables that strangers fill. */
unsigned long hash_bytes(const void *data, size_t len, unsigned long seed);

/* Picks the process's secret seed for hash_bytes(); once, at start. */
void hash_seed_init(void);
unsigned long hash_seed(void);

#endif
