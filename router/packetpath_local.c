/* SPDX-License-Identifier: MIT */
/* packetpath_local.c - which MACs and addresses a tenant's containers here have */
#include "packetpath_local.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "endpoint.h"
#include "packetpath.h"

/* What a container is found by: its MAC, or one of its addresses. */
struct packetpath_key {
	struct packetpath_key *next;	/* in its bucket */
	struct local *local;
	size_t len;			/* tells MACs from addresses */
	uint8_t bytes[sizeof(struct in6_addr)];
};

struct local {
	size_t num;
	struct packetpath_key keys[1 + PACKETPATH_ADDRESSES];	/* the MAC comes first */
};

static size_t bucket_of(const void *bytes, size_t len)
{
	return hash_bytes(bytes, len, hash_seed()) % PACKETPATH_LOCAL_BUCKETS;
}

static struct local *find(const struct packetpath_locals *locals, const void *bytes, size_t len)
{
	struct packetpath_key *key = locals->buckets[bucket_of(bytes, len)];

	while (key && (key->len != len || memcmp(key->bytes, bytes, len)))
		key = key->next;
	return key ? key->local : NULL;
}

static void key_add(struct packetpath_locals *locals, struct local *local, const void *bytes,
		    size_t len)
{
	struct packetpath_key **bucket = &locals->buckets[bucket_of(bytes, len)];
	struct packetpath_key *key = &local->keys[local->num++];

	key->local = local;
	key->len = len;
	memcpy(key->bytes, bytes, len);
	key->next = *bucket;
	*bucket = key;
}

static void key_remove(struct packetpath_locals *locals, const struct packetpath_key *key)
{
	struct packetpath_key **link = &locals->buckets[bucket_of(key->bytes, key->len)];

	while (*link != key)
		link = &(*link)->next;
	*link = key->next;
}

int packetpath_local_add(struct packetpath_locals *locals, const uint8_t *mac,
			 const struct in6_addr *addresses, size_t num)
{
	struct local *local = calloc(1, sizeof(*local));

	if (!local)
		return -ENOMEM;
	key_add(locals, local, mac, PACKETPATH_MAC_LEN);
	for (size_t i = 0; i < num; i++)
		key_add(locals, local, &addresses[i], sizeof(addresses[i]));
	locals->num++;
	return 0;
}

static void local_free(struct packetpath_locals *locals, struct local *local)
{
	for (size_t i = 0; i < local->num; i++)
		key_remove(locals, &local->keys[i]);
	locals->num--;
	free(local);
}

void packetpath_local_remove(struct packetpath_locals *locals, const uint8_t *mac)
{
	struct local *local = find(locals, mac, PACKETPATH_MAC_LEN);

	if (local)
		local_free(locals, local);
}

bool packetpath_local_has(const struct packetpath_locals *locals, const uint8_t *mac,
			  const struct in6_addr *addresses, size_t num)
{
	if (find(locals, mac, PACKETPATH_MAC_LEN))
		return true;
	for (size_t i = 0; i < num; i++) {
		if (find(locals, &addresses[i], sizeof(addresses[i])))
			return true;
	}
	return false;
}

void packetpath_locals_clear(struct packetpath_locals *locals)
{
	for (size_t i = 0; i < PACKETPATH_LOCAL_BUCKETS; i++) {
		while (locals->buckets[i])
			local_free(locals, locals->buckets[i]->local);
	}
}
