/* SPDX-License-Identifier: MIT */
/* endpoint.c - what the router does with struct slim_endpoint */
#include "endpoint.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

static const uint8_t mapped_prefix[12] = { [10] = 0xff, [11] = 0xff };

static unsigned long secret_seed;

struct in6_addr addr_map4(uint32_t addr)
{
	struct in6_addr out;

	memcpy(&out.s6_addr[0], mapped_prefix, sizeof(mapped_prefix));
	memcpy(&out.s6_addr[12], &addr, sizeof(addr));
	return out;
}

bool addr_is4(const struct in6_addr *addr)
{
	return !memcmp(addr, mapped_prefix, sizeof(mapped_prefix));
}

bool addr_is_link_local(const struct in6_addr *addr)
{
	return IN6_IS_ADDR_LINKLOCAL(addr);
}

uint32_t addr_get4(const struct in6_addr *addr)
{
	uint32_t out;

	memcpy(&out, &addr->s6_addr[12], sizeof(out));
	return out;
}

const char *addr_format(const struct in6_addr *addr, char *out, size_t size)
{
	const void *data = addr_is4(addr) ? &addr->s6_addr[12] : &addr->s6_addr[0];

	if (!inet_ntop(addr_is4(addr) ? AF_INET : AF_INET6, data, out, (socklen_t)size))
		snprintf(out, size, "?");
	return out;
}

int addr_parse(const char *text, struct in6_addr *addr)
{
	struct in_addr v4;

	if (inet_pton(AF_INET, text, &v4) == 1) {
		*addr = addr_map4(v4.s_addr);
		return 0;
	}
	return inet_pton(AF_INET6, text, addr) == 1 ? 0 : -EINVAL;
}

const char *endpoint_format(const struct slim_endpoint *ep, char *out, size_t size)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr addr = endpoint_addr(ep);

	addr_format(&addr, text, sizeof(text));
	snprintf(out, size, addr_is4(&addr) ? "%s:%u" : "[%s]:%u", text, ep->port);
	return out;
}

struct sockaddr_in6 endpoint_sockaddr(const struct slim_endpoint *ep)
{
	struct sockaddr_in6 sa = {
		.sin6_family = AF_INET6,
		.sin6_port = htons(ep->port),
		.sin6_addr = endpoint_addr(ep),
	};

	return sa;
}

socklen_t endpoint_to_sockaddr(const struct slim_endpoint *ep, int family,
			       struct sockaddr_storage *out)
{
	struct sockaddr_in6 sin6 = endpoint_sockaddr(ep);
	struct sockaddr_in sin = {
		.sin_family = AF_INET,
		.sin_port = sin6.sin6_port,
		.sin_addr.s_addr = addr_get4(&sin6.sin6_addr),
	};

	memset(out, 0, sizeof(*out));
	if (family == AF_INET)
		memcpy(out, &sin, sizeof(sin));
	else
		memcpy(out, &sin6, sizeof(sin6));
	return family == AF_INET ? sizeof(sin) : sizeof(sin6);
}

struct slim_endpoint endpoint_from_sockaddr(const struct sockaddr *sa)
{
	const struct sockaddr_in6 *sin6 = (const struct sockaddr_in6 *)sa;
	const struct sockaddr_in *sin = (const struct sockaddr_in *)sa;
	struct in6_addr addr;

	if (sa->sa_family == AF_INET6)
		return endpoint_make(&sin6->sin6_addr, ntohs(sin6->sin6_port));
	addr = addr_map4(sin->sin_addr.s_addr);
	return endpoint_make(&addr, ntohs(sin->sin_port));
}

/*
 * Multiply and fold by words. Not a cryptographic hash: the secret seed keeps
 * those who choose addresses and ports from choosing buckets.
 */
unsigned long hash_bytes(const void *data, size_t len, unsigned long seed)
{
	const unsigned char *bytes = data;
	uint64_t hash = seed ^ (len * 0x9e3779b97f4a7c15u);

	while (len) {
		size_t step = len < 8 ? len : 8;
		uint64_t word = 0;
		__uint128_t product;

		memcpy(&word, bytes, step);
		product = (__uint128_t)(hash ^ word) * 0xa0761d6478bd642fu;
		hash = (uint64_t)product ^ (uint64_t)(product >> 64) ^ seed;
		bytes += step;
		len -= step;
	}
	return hash;
}

void hash_seed_init(void)
{
	if (getrandom(&secret_seed, sizeof(secret_seed), 0) != sizeof(secret_seed))
		abort();	/* cannot happen: 8 bytes are never cut short */
	secret_seed |= 1;
}

unsigned long hash_seed(void)
{
	return secret_seed;
}
