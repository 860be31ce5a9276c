/* SPDX-License-Identifier: MIT */
/*
 * packetpath_local.h - which MACs and addresses a tenant's containers here have
 *
 * What no peer may claim. Control thread only.
 */
#ifndef PACKETPATH_LOCAL_H
#define PACKETPATH_LOCAL_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PACKETPATH_LOCAL_BUCKETS	1024	/* a bridge has no more ports */

struct packetpath_key;

/* All zero: none */
struct packetpath_locals {
	size_t num;			/* of containers */
	struct packetpath_key *buckets[PACKETPATH_LOCAL_BUCKETS];
};

/* A container, which has nothing that another one has. 0 or -ENOMEM */
int packetpath_local_add(struct packetpath_locals *locals, const uint8_t *mac,
			 const struct in6_addr *addresses, size_t num);

/* The container with this MAC, if there is one */
void packetpath_local_remove(struct packetpath_locals *locals, const uint8_t *mac);

/* Whether one has this MAC or one of these addresses */
bool packetpath_local_has(const struct packetpath_locals *locals, const uint8_t *mac,
			  const struct in6_addr *addresses, size_t num);

void packetpath_locals_clear(struct packetpath_locals *locals);

#endif
