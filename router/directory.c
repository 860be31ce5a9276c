/* SPDX-License-Identifier: MIT */
/*
 * directory.c - who owns a virtual address, and who listens on it
 *
 * Theory of operation: a container brings a claim for each of its addresses. Several hosts may
 * claim one address (a mistake, a lie, a host that comes back); one claim is the current one, the
 * others wait until it goes. That is this host's own, where it has one: it knows best who is here.
 * Else it is the one that was first, as long as its host is up, so that nobody takes from a container
 * what it has. Claims that come while this router starts (START ms) have no order that means
 * anything: of them, the one of the smallest host id is current, so that all routers agree.
 * A host has at most one claim to an address, so there are never more than peers. Announcements hang on their host's claim, and count only while
 * that claim is current: so finding a listener takes one look-up, by (tenant, address, port), and
 * moving an address from host to host touches the claims alone.
 *
 * The packet path is given each remote container with those of its addresses to which its claim
 * is current ("published"); where these change, it is taken out and put back with what is left.
 *
 * The control thread writes; workers read listeners and claims under the RCU read lock.
 * Containers (with the claims inside) and listeners are freed by call_rcu().
 */
#include "directory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <urcu.h>
#include <urcu/rculfhash.h>

#include "endpoint.h"
#include "log.h"
#include "mesh.h"
#include "peer.h"
#include "table.h"
#include "tags.h"

#include "../include/slim/wire.h"

#define START	10000	/* ms */

struct claim {
	struct cds_lfht_node node;	/* in claims, by (vni, addr) */
	struct container *container;
	struct in6_addr addr;
	uint64_t order;			/* higher is later; 0: it came while the router started */
	bool current;			/* read by workers */
	struct cds_list_head listeners;
};

struct container {
	struct cds_lfht_node node;	/* in containers, by (peer, vni, id) */
	struct cds_list_head link;	/* in its owner's list */
	struct peer *peer;
	uint32_t vni, id;
	uint8_t mac[PACKETPATH_MAC_LEN];
	unsigned int sync;		/* its owner's, when it was last named */
	struct in6_addr published[PACKETPATH_ADDRESSES];
	size_t published_num;
	struct tags *tags;		/* or NULL; RCU */
	struct rcu_head rcu;
	size_t claims_num;
	struct claim claims[];
};

struct listener {
	struct cds_lfht_node node;	/* in listeners, by (vni, addr, port) */
	struct cds_list_head link;	/* in its claim's list */
	struct claim *claim;
	unsigned int sync;		/* its owner's, when it was last named */
	uint16_t port;
	bool busy;			/* read by workers */
	struct rcu_head rcu;
};

static struct cds_lfht *containers, *claims, *listeners;
static unsigned long seed;
static uint64_t claim_order;
static const struct loop *loop;
static uint64_t started_at;
static bool given_up;		/* atomic: nobody waits for peers that have yet to tell */
static void (*on_release)(void);
static const struct directory_watch *watch;

/* --- keys --- */

struct container_key {
	const struct peer *peer;
	uint32_t vni, id;
};

/* @port: 0 for claims */
struct addr_key {
	struct in6_addr addr;
	uint32_t vni;
	uint32_t port;
};

_Static_assert(sizeof(struct addr_key) == 24 && sizeof(struct container_key) == 16,
	       "no padding: these are hashed as bytes");

static unsigned long container_hash(const struct container_key *key)
{
	return hash_bytes(key, sizeof(*key), seed);
}

static unsigned long addr_hash(const struct addr_key *key)
{
	return hash_bytes(key, sizeof(*key), seed);
}

static int container_match(struct cds_lfht_node *node, const void *data)
{
	const struct container *container = caa_container_of(node, struct container, node);
	const struct container_key *key = data;

	return container->peer == key->peer && container->vni == key->vni &&
	       container->id == key->id;
}

static bool claim_is_at(const struct claim *claim, const struct addr_key *key)
{
	return claim->container->vni == key->vni &&
	       !memcmp(&claim->addr, &key->addr, sizeof(key->addr));
}

static int claim_match(struct cds_lfht_node *node, const void *data)
{
	return claim_is_at(caa_container_of(node, struct claim, node), data);
}

static int listener_match(struct cds_lfht_node *node, const void *data)
{
	const struct listener *listener = caa_container_of(node, struct listener, node);
	const struct addr_key *key = data;

	return listener->port == key->port && claim_is_at(listener->claim, key);
}

/* --- for workers --- */

bool directory_find(uint32_t vni, const struct in6_addr *addr, uint16_t port,
		    struct directory_listener *out)
{
	struct addr_key key = { *addr, vni, port };
	struct cds_lfht_iter iter;
	struct listener *listener;

	cds_lfht_for_each_entry_duplicate(listeners, addr_hash(&key), listener_match, &key,
					  &iter, listener, node) {
		struct claim *claim = listener->claim;

		if (!CMM_LOAD_SHARED(claim->current))
			continue;
		if (!peer_alive(claim->container->peer))
			return false;
		out->peer = claim->container->peer;
		out->busy = CMM_LOAD_SHARED(listener->busy);
		return true;
	}
	return false;
}

/* Who has the address; any thread */
static const struct container *container_at(uint32_t vni, const struct in6_addr *addr)
{
	struct addr_key key = { *addr, vni, 0 };
	struct cds_lfht_iter iter;
	struct claim *claim;

	cds_lfht_for_each_entry_duplicate(claims, addr_hash(&key), claim_match, &key, &iter,
					  claim, node)
		if (CMM_LOAD_SHARED(claim->current))
			return claim->container;
	return NULL;
}

bool directory_owns(const struct peer *peer, uint32_t vni, const struct in6_addr *addr)
{
	const struct container *container = container_at(vni, addr);

	return container && container->peer == peer;
}

bool directory_whose(uint32_t vni, const struct in6_addr *addr, uint64_t *host_id, uint32_t *id)
{
	const struct container *container = container_at(vni, addr);

	if (!container)
		return false;
	*host_id = peer_host_id(container->peer);
	*id = container->id;
	return true;
}

bool directory_is_learning(void)
{
	return !__atomic_load_n(&given_up, __ATOMIC_RELAXED) && !peers_are_complete();
}

bool directory_is_unknown(uint32_t vni, const struct in6_addr *addr)
{
	return directory_is_learning() && !container_at(vni, addr);
}

void directory_wait_no_longer(void)
{
	__atomic_store_n(&given_up, true, __ATOMIC_RELAXED);
}

/* --- packet path --- */

static size_t current_addresses(const struct container *container, struct in6_addr *out)
{
	size_t num = 0;

	for (size_t i = 0; i < container->claims_num; i++)
		if (container->claims[i].current)
			out[num++] = container->claims[i].addr;
	return num;
}

static void publish(struct container *container)
{
	static struct log_limit limit = { .burst = 5 };
	int err;

	container->published_num = current_addresses(container, container->published);
	if (!container->published_num)
		return;
	err = packetpath_remote_add(container->vni, container->mac, container->published,
				    container->published_num, peer_vxlan_address(container->peer));
	if (err && log_limit_ok(&limit))
		log_warning("packet path to container %u of tenant %u on %s: %s", container->id,
			    container->vni, peer_name(container->peer), strerror(-err));
}

static void unpublish(struct container *container)
{
	if (container->published_num)
		packetpath_remote_remove(container->vni, container->mac, container->published,
					 container->published_num,
					 peer_vxlan_address(container->peer));
	container->published_num = 0;
}

/* Some claim of @container has become current, or no longer is. */
static void republish(struct container *container)
{
	if (container->peer == peer_self())
		return;
	unpublish(container);
	publish(container);
}

void directory_replay(uint32_t vni)
{
	struct cds_lfht_iter iter;
	struct container *container;

	rcu_read_lock();
	cds_lfht_for_each_entry(containers, &iter, container, node)
		if (container->vni == vni && container->peer != peer_self())
			publish(container);
	rcu_read_unlock();
}

/* --- claims --- */

static struct claim *claim_find(const struct peer *peer, const struct addr_key *key)
{
	struct cds_lfht_iter iter;
	struct claim *claim;

	cds_lfht_for_each_entry_duplicate(claims, addr_hash(key), claim_match, key, &iter,
					  claim, node)
		if (claim->container->peer == peer)
			return claim;
	return NULL;
}

/* Does @a come before @b? */
static bool claim_precedes(const struct claim *a, const struct claim *b)
{
	const struct peer *peer_a = a->container->peer, *peer_b = b->container->peer;

	if ((peer_a == peer_self()) != (peer_b == peer_self()))
		return peer_a == peer_self();
	if (peer_is_up(peer_a) != peer_is_up(peer_b))
		return peer_is_up(peer_a);
	if (a->current != b->current && a->order + b->order)
		return a->current;
	if (a->order != b->order)
		return a->order < b->order;
	return peer_host_id(peer_a) < peer_host_id(peer_b);
}

/* The claim that is to be current, and the one that is (either may be NULL). */
static struct claim *claim_first(const struct addr_key *key, struct claim **current)
{
	struct claim *claim, *first = NULL;
	struct cds_lfht_iter iter;

	*current = NULL;
	cds_lfht_for_each_entry_duplicate(claims, addr_hash(key), claim_match, key, &iter,
					  claim, node) {
		if (!first || claim_precedes(claim, first))
			first = claim;
		if (claim->current)
			*current = claim;
	}
	return first;
}

/* Every one that waits is said, once. */
static void conflict_warn(const struct claim *waits, const struct claim *has)
{
	static struct log_limit limit = { .burst = 5 };
	char text[INET6_ADDRSTRLEN];

	if (!has || has == waits || !log_limit_ok(&limit))
		return;
	log_warning("%s of tenant %u is claimed by both %s and %s: %s has it, until one of them "
		    "lets go of it", addr_format(&has->addr, text, sizeof(text)),
		    has->container->vni, peer_name(has->container->peer),
		    peer_name(waits->container->peer), peer_name(has->container->peer));
}

static void tell_changed(const struct container *container)
{
	if (watch)
		watch->changed(container->vni, container->peer == peer_self());
}

/* Between the two stores nobody has the address, and connections take the packet path. */
static void claims_settle(const struct addr_key *key)
{
	struct claim *current, *first = claim_first(key, &current);

	if (first == current)
		return;
	if (current) {
		CMM_STORE_SHARED(current->current, false);
		republish(current->container);
	}
	CMM_STORE_SHARED(first->current, true);
	republish(first->container);
	tell_changed(first->container);
	if (current)
		conflict_warn(current, first);
}

static void claim_enter(struct claim *claim)
{
	struct addr_key at = { claim->addr, claim->container->vni, 0 };
	struct claim *current;

	cds_lfht_add(claims, addr_hash(&at), &claim->node);
	claims_settle(&at);
	if (!claim->current && claim_first(&at, &current))
		conflict_warn(claim, current);
}

static void listener_free(struct rcu_head *head)
{
	free(caa_container_of(head, struct listener, rcu));
}

static void listener_drop(struct listener *listener)
{
	cds_lfht_del(listeners, &listener->node);
	cds_list_del(&listener->link);
	peer_owner(listener->claim->container->peer)->listeners_num--;
	call_rcu(&listener->rcu, listener_free);
}

static void claim_drop_listeners(struct claim *claim)
{
	struct listener *listener, *next;

	cds_list_for_each_entry_safe(listener, next, &claim->listeners, link)
		listener_drop(listener);
}

static void claim_init(struct claim *claim, struct container *container,
		       const struct in6_addr *addr)
{
	claim->container = container;
	claim->addr = *addr;
	claim->order = loop_now(loop) < started_at + START ? 0 : ++claim_order;
	CDS_INIT_LIST_HEAD(&claim->listeners);
}

/* --- containers --- */

void directory_owner_init(struct directory_owner *owner)
{
	memset(owner, 0, sizeof(*owner));
	CDS_INIT_LIST_HEAD(&owner->containers);
}

void directory_owner_exit(struct directory_owner *owner)
{
	free(owner->tags);
	owner->tags = NULL;
}

static struct container *container_find(const struct peer *peer, uint32_t vni, uint32_t id)
{
	struct container_key key = { peer, vni, id };
	struct cds_lfht_iter iter;
	struct cds_lfht_node *node;

	cds_lfht_lookup(containers, container_hash(&key), container_match, &key, &iter);
	node = cds_lfht_iter_get_node(&iter);
	return node ? caa_container_of(node, struct container, node) : NULL;
}

/* Those that were told in advance */
static struct tags *take_tags(struct directory_owner *owner, uint32_t vni, uint32_t id)
{
	struct tags *tags = owner->tags;

	if (!tags || owner->tags_vni != vni || owner->tags_id != id)
		return NULL;
	owner->tags = NULL;
	return tags;
}

static struct container *container_new(struct peer *peer, uint32_t vni, uint32_t id,
				       const uint8_t *mac, const struct in6_addr *addresses,
				       size_t num)
{
	struct container *container;

	container = calloc(1, sizeof(*container) + num * sizeof(container->claims[0]));
	if (!container)
		return NULL;
	container->peer = peer;
	container->vni = vni;
	container->id = id;
	memcpy(container->mac, mac, sizeof(container->mac));
	container->sync = peer_owner(peer)->sync;
	container->tags = take_tags(peer_owner(peer), vni, id);
	container->claims_num = num;
	for (size_t i = 0; i < num; i++)
		claim_init(&container->claims[i], container, &addresses[i]);
	return container;
}

static void container_insert(struct container *container)
{
	struct container_key key = { container->peer, container->vni, container->id };
	struct directory_owner *owner = peer_owner(container->peer);

	cds_lfht_add(containers, container_hash(&key), &container->node);
	cds_list_add_tail(&container->link, &owner->containers);
	owner->containers_num++;
	owner->addresses_num += (unsigned int)container->claims_num;
	for (size_t i = 0; i < container->claims_num; i++)
		claim_enter(&container->claims[i]);
}

static void container_free(struct rcu_head *head)
{
	struct container *container = caa_container_of(head, struct container, rcu);

	free(container->tags);
	free(container);
}

static void tags_free(struct rcu_head *head)
{
	free(caa_container_of(head, struct tags, rcu));
}

/* Somebody may read them. */
static void tags_retire(struct tags *tags)
{
	if (tags)
		call_rcu(&tags->rcu, tags_free);
}

static void released(const struct peer *peer)
{
	if (on_release && peer != peer_self())
		on_release();
}

static void container_drop(struct container *container)
{
	struct directory_owner *owner = peer_owner(container->peer);

	unpublish(container);
	cds_lfht_del(containers, &container->node);
	cds_list_del(&container->link);
	owner->containers_num--;
	owner->addresses_num -= (unsigned int)container->claims_num;
	for (size_t i = 0; i < container->claims_num; i++) {
		struct claim *claim = &container->claims[i];
		struct addr_key at = { claim->addr, container->vni, 0 };

		claim_drop_listeners(claim);
		CMM_STORE_SHARED(claim->current, false);
		cds_lfht_del(claims, &claim->node);
		claims_settle(&at);
	}
	released(container->peer);
	tell_changed(container);
	call_rcu(&container->rcu, container_free);
}

static bool container_equals(const struct container *container, const uint8_t *mac,
			     const struct in6_addr *addresses, size_t num)
{
	if (container->claims_num != num ||
	    memcmp(container->mac, mac, sizeof(container->mac)))
		return false;
	for (size_t i = 0; i < num; i++)
		if (memcmp(&container->claims[i].addr, &addresses[i], sizeof(addresses[i])))
			return false;
	return true;
}

/* Another container of the same host that has one of these addresses, or NULL. */
static struct container *container_sharing(const struct peer *peer, uint32_t vni,
					   const struct in6_addr *addresses, size_t num)
{
	for (size_t i = 0; i < num; i++) {
		struct addr_key key = { addresses[i], vni, 0 };
		struct claim *claim = claim_find(peer, &key);

		if (claim)
			return claim->container;
	}
	return NULL;
}

static int container_add(struct peer *peer, uint32_t vni, uint32_t id, const uint8_t *mac,
			 const struct in6_addr *addresses, size_t num)
{
	const struct directory_owner *owner = peer_owner(peer);
	struct container *container;

	if (!num || num > PACKETPATH_ADDRESSES)
		return -EINVAL;
	if (owner->tags_lost && owner->tags_vni == vni && owner->tags_id == id)
		return -ENOMEM;
	if (owner->containers_num >= SLIM_WIRE_CONTAINERS ||
	    owner->addresses_num + num > SLIM_WIRE_CONTAINER_ADDRESSES)
		return -ENOSPC;
	container = container_new(peer, vni, id, mac, addresses, num);
	if (!container)
		return -ENOMEM;
	container_insert(container);
	return 0;
}

int directory_container_add(uint32_t vni, uint32_t id, const uint8_t mac[PACKETPATH_MAC_LEN],
			    const struct in6_addr *addresses, size_t num)
{
	struct peer *self = peer_self();
	int err = -EEXIST;

	rcu_read_lock();
	if (!container_find(self, vni, id) && !container_sharing(self, vni, addresses, num))
		err = container_add(self, vni, id, mac, addresses, num);
	rcu_read_unlock();
	if (!err)
		mesh_container_add(vni, id, mac, addresses, num);
	return err;
}

static bool container_remove(const struct peer *peer, uint32_t vni, uint32_t id)
{
	struct container *container;

	rcu_read_lock();
	container = container_find(peer, vni, id);
	if (container)
		container_drop(container);
	rcu_read_unlock();
	return container;
}

void directory_container_remove(uint32_t vni, uint32_t id)
{
	if (container_remove(peer_self(), vni, id))
		mesh_container_remove(vni, id);
}

/* For the one that takes its place: they were told when this one was there already. */
static void keep_tags(struct container *container)
{
	struct directory_owner *owner = peer_owner(container->peer);
	struct tags *tags = container->tags;

	if (!tags)
		return;
	rcu_assign_pointer(container->tags, NULL);
	tags_retire(owner->tags);
	owner->tags = tags;
	owner->tags_lost = false;
	owner->tags_vni = container->vni;
	owner->tags_id = container->id;
}

int directory_remote_container_add(struct peer *peer, uint32_t vni, uint32_t id,
				   const uint8_t mac[PACKETPATH_MAC_LEN],
				   const struct in6_addr *addresses, size_t num)
{
	struct container *old;
	int err = 0;

	rcu_read_lock();
	old = container_find(peer, vni, id);
	if (old && container_equals(old, mac, addresses, num)) {
		old->sync = peer_owner(peer)->sync;
		goto unlock;
	}
	if (old)
		keep_tags(old);
	else
		old = container_sharing(peer, vni, addresses, num);
	for (; old; old = container_sharing(peer, vni, addresses, num))
		container_drop(old);
	err = container_add(peer, vni, id, mac, addresses, num);
unlock:
	rcu_read_unlock();
	return err;
}

void directory_remote_container_remove(struct peer *peer, uint32_t vni, uint32_t id)
{
	container_remove(peer, vni, id);
}

/* --- tags --- */

void directory_watch_set(const struct directory_watch *set)
{
	watch = set;
}

static void replace_tags(struct container *container, struct tags *tags)
{
	struct tags *old = container->tags;

	if (old && tags_equal(old, tags)) {
		free(tags);
		return;
	}
	rcu_assign_pointer(container->tags, tags);
	tags_retire(old);
	tell_changed(container);
}

static void tag(struct peer *peer, uint32_t vni, uint32_t id, struct tags *tags)
{
	struct directory_owner *owner = peer_owner(peer);
	struct container *container;

	rcu_read_lock();
	container = container_find(peer, vni, id);
	if (container && tags) {
		replace_tags(container, tags);
	} else {
		if (container)
			container_drop(container);
		tags_retire(owner->tags);
		owner->tags = tags;
		owner->tags_lost = !tags;
		owner->tags_vni = vni;
		owner->tags_id = id;
	}
	rcu_read_unlock();
}

void directory_container_tag(uint32_t vni, uint32_t id, struct tags *tags)
{
	mesh_container_tag(vni, id, tags);
	tag(peer_self(), vni, id, tags);
}

void directory_remote_container_tag(struct peer *peer, uint32_t vni, uint32_t id,
				    struct tags *tags)
{
	tag(peer, vni, id, tags);
}

void directory_each_tagged(void (*each)(uint32_t vni, const struct tags *tags,
					const struct in6_addr *addr, void *data),
			   void *data)
{
	struct cds_lfht_iter iter;
	struct claim *claim;

	cds_lfht_for_each_entry(claims, &iter, claim, node) {
		const struct tags *tags = rcu_dereference(claim->container->tags);

		if (tags && CMM_LOAD_SHARED(claim->current))
			each(claim->container->vni, tags, &claim->addr, data);
	}
}

const struct tags *directory_tags(uint32_t vni, const struct in6_addr *addr)
{
	const struct container *container = container_at(vni, addr);

	return container ? rcu_dereference(container->tags) : NULL;
}

/* --- listeners --- */

static struct listener *listener_find(const struct claim *claim, const struct addr_key *key)
{
	struct cds_lfht_iter iter;
	struct listener *listener;

	cds_lfht_for_each_entry_duplicate(listeners, addr_hash(key), listener_match, key,
					  &iter, listener, node)
		if (listener->claim == claim)
			return listener;
	return NULL;
}

static int listener_new(struct claim *claim, const struct addr_key *key, bool busy)
{
	struct directory_owner *owner = peer_owner(claim->container->peer);
	struct listener *listener;

	if (watch)
		watch->settle(claim->container->peer == peer_self());
	if (owner->listeners_num >= SLIM_WIRE_LISTENERS)
		return -ENOSPC;
	listener = calloc(1, sizeof(*listener));
	if (!listener)
		return -ENOMEM;
	listener->claim = claim;
	listener->sync = owner->sync;
	listener->port = (uint16_t)key->port;
	listener->busy = busy;
	cds_list_add_tail(&listener->link, &claim->listeners);
	cds_lfht_add(listeners, addr_hash(key), &listener->node);
	owner->listeners_num++;
	return 0;
}

/* 1: it is there and is as it was */
static int listener_set(struct peer *peer, const struct addr_key *key, bool busy)
{
	struct addr_key at = { key->addr, key->vni, 0 };
	struct claim *claim = claim_find(peer, &at);
	struct listener *listener;

	if (!claim)
		return -EPERM;
	listener = listener_find(claim, key);
	if (!listener)
		return listener_new(claim, key, busy);
	listener->sync = peer_owner(peer)->sync;
	if (listener->busy == busy)
		return 1;
	CMM_STORE_SHARED(listener->busy, busy);
	return 0;
}

static int listener_add(struct peer *peer, const struct addr_key *key, bool busy)
{
	int err;

	rcu_read_lock();
	err = listener_set(peer, key, busy);
	rcu_read_unlock();
	return err;
}

static bool listener_remove(const struct peer *peer, const struct addr_key *key)
{
	struct addr_key at = { key->addr, key->vni, 0 };
	struct listener *listener = NULL;
	struct claim *claim;

	rcu_read_lock();
	claim = claim_find(peer, &at);
	if (claim)
		listener = listener_find(claim, key);
	if (listener)
		listener_drop(listener);
	rcu_read_unlock();
	return listener;
}

static bool listener_exists(const struct peer *peer, const struct addr_key *key)
{
	struct addr_key at = { key->addr, key->vni, 0 };
	struct claim *claim;
	bool exists;

	rcu_read_lock();
	claim = claim_find(peer, &at);
	exists = claim && listener_find(claim, key);
	rcu_read_unlock();
	return exists;
}

int directory_listener_add(uint32_t vni, const struct in6_addr *addr, uint16_t port)
{
	struct addr_key key = { *addr, vni, port };
	int err = listener_add(peer_self(), &key, false);

	if (!err)
		mesh_listener_add(vni, addr, port, false);
	return err < 0 ? err : 0;
}

void directory_listener_remove(uint32_t vni, const struct in6_addr *addr, uint16_t port)
{
	struct addr_key key = { *addr, vni, port };

	if (listener_remove(peer_self(), &key))
		mesh_listener_remove(vni, addr, port);
}

void directory_listener_busy(uint32_t vni, const struct in6_addr *addr, uint16_t port,
			     bool busy)
{
	struct addr_key key = { *addr, vni, port };

	if (listener_exists(peer_self(), &key) && !listener_add(peer_self(), &key, busy))
		mesh_listener_add(vni, addr, port, busy);
}

int directory_remote_listener_add(struct peer *peer, uint32_t vni,
				  const struct in6_addr *addr, uint16_t port, bool busy)
{
	struct addr_key key = { *addr, vni, port };
	int err = listener_add(peer, &key, busy);

	return err < 0 ? err : 0;
}

void directory_remote_listener_remove(struct peer *peer, uint32_t vni,
				      const struct in6_addr *addr, uint16_t port)
{
	struct addr_key key = { *addr, vni, port };

	listener_remove(peer, &key);
}

/* --- whole peers --- */

static void container_settle(const struct container *container)
{
	for (size_t i = 0; i < container->claims_num; i++) {
		struct addr_key at = { container->claims[i].addr, container->vni, 0 };

		claims_settle(&at);
	}
}

void directory_peer_lost(struct peer *peer)
{
	struct container *container;

	rcu_read_lock();
	cds_list_for_each_entry(container, &peer_owner(peer)->containers, link) {
		for (size_t i = 0; i < container->claims_num; i++)
			claim_drop_listeners(&container->claims[i]);
		/* Another host that is up may have what it claims. */
		container_settle(container);
	}
	rcu_read_unlock();
	released(peer);
}

void directory_peer_sync_begin(struct peer *peer)
{
	peer_owner(peer)->sync++;
	peer_owner(peer)->tags_lost = false;
}

static void drop_old_listeners(struct container *container, unsigned int sync)
{
	struct listener *listener, *next;

	for (size_t i = 0; i < container->claims_num; i++)
		cds_list_for_each_entry_safe(listener, next, &container->claims[i].listeners, link)
			if (listener->sync != sync)
				listener_drop(listener);
}

void directory_peer_sync_end(struct peer *peer)
{
	struct directory_owner *owner = peer_owner(peer);
	struct container *container, *next;

	rcu_read_lock();
	cds_list_for_each_entry_safe(container, next, &owner->containers, link)
		if (container->sync != owner->sync)
			container_drop(container);
		else
			drop_old_listeners(container, owner->sync);
	cds_list_for_each_entry(container, &owner->containers, link)
		container_settle(container);
	rcu_read_unlock();
	released(peer);
	if (__atomic_exchange_n(&owner->complete, true, __ATOMIC_ACQ_REL))
		return;
	if (watch)
		watch->told();
}

struct peer *directory_owner_of(uint32_t vni, const struct in6_addr *addr)
{
	struct addr_key key = { *addr, vni, 0 };
	struct claim *current;

	rcu_read_lock();
	claim_first(&key, &current);
	rcu_read_unlock();
	return current ? current->container->peer : NULL;
}

bool directory_is_complete(struct peer *peer)
{
	return peer == peer_self() ||
	       __atomic_load_n(&peer_owner(peer)->complete, __ATOMIC_ACQUIRE);
}

void directory_each_local(void (*container)(uint32_t vni, uint32_t id, const uint8_t *mac,
					    const struct in6_addr *addresses, size_t num,
					    const struct tags *tags, void *data),
			  void (*listener)(uint32_t vni, const struct in6_addr *addr,
					   uint16_t port, bool busy, void *data),
			  void *data)
{
	struct directory_owner *owner = peer_owner(peer_self());
	struct in6_addr addresses[PACKETPATH_ADDRESSES];
	struct container *c;
	struct listener *l;

	cds_list_for_each_entry(c, &owner->containers, link) {
		for (size_t i = 0; i < c->claims_num; i++)
			addresses[i] = c->claims[i].addr;
		container(c->vni, c->id, c->mac, addresses, c->claims_num, c->tags,
			  data);
	}
	cds_list_for_each_entry(c, &owner->containers, link)
		for (size_t i = 0; i < c->claims_num; i++)
			cds_list_for_each_entry(l, &c->claims[i].listeners, link)
				listener(c->vni, &c->claims[i].addr, l->port, l->busy, data);
}

void directory_each_listener(void (*each)(struct peer *peer, uint32_t vni,
					  const struct in6_addr *addr, uint16_t port, bool busy,
					  void *data),
			     void *data)
{
	struct cds_lfht_iter iter;
	struct cds_lfht_node *node;

	cds_lfht_for_each(listeners, &iter, node) {
		const struct listener *l = caa_container_of(node, struct listener, node);

		if (l->claim->current)
			each(l->claim->container->peer, l->claim->container->vni,
			     &l->claim->addr, l->port, l->busy, data);
	}
}

/* --- life --- */

static void table_free(struct cds_lfht **table)
{
	if (*table)
		cds_lfht_destroy(*table, NULL);
	*table = NULL;
}

static void tables_free(void)
{
	table_free(&listeners);
	table_free(&claims);
	table_free(&containers);
}

void directory_on_release(void (*handle)(void))
{
	on_release = handle;
}

int directory_init(struct loop *control)
{
	loop = control;
	started_at = loop_now(control);
	given_up = false;
	if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		return -EIO;
	containers = table_new();
	claims = table_new();
	listeners = table_new();
	if (containers && claims && listeners)
		return 0;
	tables_free();
	return -ENOMEM;
}

/* The peers may be gone by now, and the packet path takes all of its own down by itself. */
void directory_exit(void)
{
	struct cds_lfht_iter iter;
	struct container *container;
	struct listener *listener;
	struct claim *claim;

	rcu_read_lock();
	cds_lfht_for_each_entry(listeners, &iter, listener, node) {
		cds_lfht_del(listeners, &listener->node);
		call_rcu(&listener->rcu, listener_free);
	}
	cds_lfht_for_each_entry(claims, &iter, claim, node)
		cds_lfht_del(claims, &claim->node);
	cds_lfht_for_each_entry(containers, &iter, container, node) {
		cds_lfht_del(containers, &container->node);
		call_rcu(&container->rcu, container_free);
	}
	rcu_read_unlock();
	rcu_barrier();
	tables_free();
	watch = NULL;
}
