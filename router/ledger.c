/* SPDX-License-Identifier: MIT */
/* ledger.c - the live slim connections of this host */
#include "ledger.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "container.h"
#include "diag.h"
#include "endpoint.h"
#include "log.h"
#include "table.h"

/* An entry younger than this (ms) may be in the tables only half, or its socket
 * not yet in the kernel's. */
#define LEDGER_GRACE	500

static struct cds_lfht *by_cookie, *by_ticket, *by_tuple;
static unsigned long entries_num;

/* An entry becomes spliced, or dead; not on the way of a set-up. */
static pthread_mutex_t end_lock = PTHREAD_MUTEX_INITIALIZER;

static unsigned long hash_cookie(uint64_t cookie)
{
	return hash_bytes(&cookie, sizeof(cookie), hash_seed());
}

static unsigned long hash_tuple(const struct ledger_entry *entry)
{
	unsigned long hash = hash_bytes(&entry->local, sizeof(entry->local),
					hash_seed() + entry->vni);

	return hash_bytes(&entry->peer, sizeof(entry->peer), hash);
}

static int match_cookie(struct cds_lfht_node *node, const void *key)
{
	return caa_container_of(node, struct ledger_entry, cookie_node)->cookie ==
	       *(const uint64_t *)key;
}

static int match_ticket(struct cds_lfht_node *node, const void *key)
{
	return caa_container_of(node, struct ledger_entry, ticket_node)->ticket_cookie ==
	       *(const uint64_t *)key;
}

static int match_tuple(struct cds_lfht_node *node, const void *key)
{
	const struct ledger_entry *have =
		caa_container_of(node, struct ledger_entry, tuple_node);
	const struct ledger_entry *want = key;

	return have->vni == want->vni && endpoint_equal(&have->local, &want->local) &&
	       endpoint_equal(&have->peer, &want->peer);
}

int ledger_init(void)
{
	by_cookie = table_new_sized(TABLE_BUCKETS_BUSY);
	by_ticket = table_new();
	by_tuple = table_new_sized(TABLE_BUCKETS_BUSY);
	return by_cookie && by_ticket && by_tuple ? 0 : -ENOMEM;
}

unsigned long ledger_count(void)
{
	return __atomic_load_n(&entries_num, __ATOMIC_RELAXED);
}

static void count(const struct ledger_entry *entry, int change)
{
	struct container *container = container_by_id(entry->container_id);

	__atomic_add_fetch(&entries_num, (unsigned long)change, __ATOMIC_RELAXED);
	if (container)
		__atomic_add_fetch(&container->connections, (unsigned int)change,
				   __ATOMIC_RELAXED);
	if (entry->fill)
		__atomic_add_fetch(entry->fill, (unsigned int)change, __ATOMIC_RELAXED);
}

/*
 * The kernel lets no two live sockets have one host 4-tuple: an older entry with the
 * new one's is dead.
 */
static bool same_host_tuple(const struct ledger_entry *a, const struct ledger_entry *b)
{
	return a->host_port == b->host_port && endpoint_equal(&a->host_peer, &b->host_peer);
}

static void free_entry(struct rcu_head *head)
{
	free(caa_container_of(head, struct ledger_entry, rcu));
}

int ledger_add(struct ledger_entry *entry)
{
	unsigned long hash = hash_tuple(entry);

	for (;;) {
		struct cds_lfht_node *node = cds_lfht_add_unique(by_tuple, hash, match_tuple,
								 entry, &entry->tuple_node);
		struct ledger_entry *old;

		if (node == &entry->tuple_node)
			break;
		old = caa_container_of(node, struct ledger_entry, tuple_node);
		if (!same_host_tuple(old, entry) ||
		    !__atomic_load_n(&old->entered, __ATOMIC_ACQUIRE)) {
			call_rcu(&entry->rcu, free_entry);
			return -EADDRINUSE;
		}
		ledger_remove(old);
	}
	count(entry, 1);
	/* Last: sweeps and aborts find it by its cookie, and it must be whole then. */
	cds_lfht_add(by_cookie, hash_cookie(entry->cookie), &entry->cookie_node);
	__atomic_store_n(&entry->entered, true, __ATOMIC_RELEASE);
	return 0;
}

void ledger_remove(struct ledger_entry *entry)
{
	bool dead;

	pthread_mutex_lock(&end_lock);
	dead = entry->dead;
	entry->dead = true;
	if (!dead && entry->ticket_cookie)
		cds_lfht_del(by_ticket, &entry->ticket_node);
	pthread_mutex_unlock(&end_lock);
	if (dead)
		return;
	cds_lfht_del(by_tuple, &entry->tuple_node);
	cds_lfht_del(by_cookie, &entry->cookie_node);
	count(entry, -1);
	call_rcu(&entry->rcu, free_entry);
}

void ledger_splice(struct ledger_entry *entry, uint64_t ticket_cookie)
{
	pthread_mutex_lock(&end_lock);
	if (!entry->dead) {
		entry->spliced = true;
		entry->ticket_cookie = ticket_cookie;
		if (ticket_cookie)
			cds_lfht_add(by_ticket, hash_cookie(ticket_cookie),
				     &entry->ticket_node);
	}
	pthread_mutex_unlock(&end_lock);
}

struct ledger_entry *ledger_find(uint64_t cookie)
{
	struct cds_lfht_iter iter;
	struct cds_lfht_node *node;

	cds_lfht_lookup(by_cookie, hash_cookie(cookie), match_cookie, &cookie, &iter);
	node = cds_lfht_iter_get_node(&iter);
	if (node)
		return caa_container_of(node, struct ledger_entry, cookie_node);
	cds_lfht_lookup(by_ticket, hash_cookie(cookie), match_ticket, &cookie, &iter);
	node = cds_lfht_iter_get_node(&iter);
	return node ? caa_container_of(node, struct ledger_entry, ticket_node) : NULL;
}

static void sweep_each(const struct diag_socket *socket, void *data)
{
	struct ledger_entry *entry = ledger_find(socket->cookie);

	if (entry)
		entry->seen = *(unsigned int *)data;
}

void ledger_sweep(struct diag *diag, uint16_t port_first, uint16_t port_last, uint64_t now)
{
	static unsigned int sweep;
	struct cds_lfht_iter iter;
	struct cds_lfht_node *node;
	int err;

	sweep++;
	err = diag_dump(diag, DIAG_LIVE, port_first, port_last, false, sweep_each, &sweep);
	if (err) {
		log_warning("sock_diag: %s: closed connections stay in the ledger for now",
			    strerror(-err));
		return;
	}
	cds_lfht_for_each(by_cookie, &iter, node) {
		struct ledger_entry *entry =
			caa_container_of(node, struct ledger_entry, cookie_node);

		if (entry->seen == sweep || entry->created_at + LEDGER_GRACE >= now)
			entry->missed = 0;
		else if (++entry->missed >= 2)
			ledger_remove(entry);
	}
}

struct abort {
	struct diag *diag;
	uint32_t container_id;
	struct diag_socket *sockets;
	size_t num, size;
};

/* Destroying needs the socket that the dump is still using: collect first. */
static void abort_each(const struct diag_socket *socket, void *data)
{
	struct abort *work = data;
	struct ledger_entry *entry = ledger_find(socket->cookie);

	if (!entry || entry->container_id != work->container_id)
		return;
	if (work->num == work->size) {
		size_t size = work->size ? work->size * 2 : 64;
		struct diag_socket *more = realloc(work->sockets, size * sizeof(*more));

		if (!more)
			return;
		work->sockets = more;
		work->size = size;
	}
	work->sockets[work->num++] = *socket;
}

void ledger_abort(struct diag *diag, uint16_t port_first, uint16_t port_last,
		  uint32_t container_id)
{
	struct abort work = { .container_id = container_id };
	struct cds_lfht_iter iter;
	struct cds_lfht_node *node;

	diag_dump(diag, DIAG_LIVE, port_first, port_last, false, abort_each, &work);
	for (size_t i = 0; i < work.num; i++) {
		int err = diag_destroy(diag, &work.sockets[i]);

		if (err && err != -ENOENT)
			log_warning("cannot abort a connection of a detached container: %s",
				    strerror(-err));
	}
	free(work.sockets);
	cds_lfht_for_each(by_cookie, &iter, node) {
		struct ledger_entry *entry =
			caa_container_of(node, struct ledger_entry, cookie_node);

		if (entry->container_id == container_id)
			ledger_remove(entry);
	}
}
