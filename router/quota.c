/* SPDX-License-Identifier: MIT */
/* quota.c - how many connections a container has by one rule of the policy */
#include "quota.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <urcu.h>
#include <urcu/rculfhash.h>

#include "endpoint.h"
#include "table.h"

/*
 * @places:	that are taken; those of @seats included
 * @slots:	set-ups of each slot's time, that of @slot the last; @setups: their sum
 * @looked_at:	0: never
 * @gone:	it leaves the table
 */
struct quota {
	struct quota_key key;
	struct cds_lfht_node node;
	struct rcu_head rcu;
	struct cds_list_head seats;
	uint32_t places;
	uint32_t setups;
	uint64_t slot;
	uint64_t looked_at;
	bool gone;
	uint32_t slots[QUOTA_SLOTS];
};

static struct cds_lfht *quotas;
static unsigned long quotas_num;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

int quota_init(void)
{
	if (!quotas)
		quotas = table_new();
	return quotas ? 0 : -ENOMEM;
}

unsigned long quota_num(void)
{
	return __atomic_load_n(&quotas_num, __ATOMIC_RELAXED);
}

/* --- the table --- */

static unsigned long hash_of(const struct quota_key *key)
{
	return hash_bytes(key, sizeof(*key), hash_seed());
}

static int match(struct cds_lfht_node *node, const void *key)
{
	return !memcmp(&caa_container_of(node, struct quota, node)->key, key,
		       sizeof(struct quota_key));
}

static struct quota *find(const struct quota_key *key)
{
	struct cds_lfht_iter iter;
	struct cds_lfht_node *node;

	cds_lfht_lookup(quotas, hash_of(key), match, key, &iter);
	node = cds_lfht_iter_get_node(&iter);
	return node ? caa_container_of(node, struct quota, node) : NULL;
}

static struct quota *find_or_add(const struct quota_key *key)
{
	struct quota *quota = find(key);
	struct cds_lfht_node *node;

	if (quota)
		return quota;
	quota = calloc(1, sizeof(*quota));
	if (!quota)
		return NULL;
	quota->key = *key;
	CDS_INIT_LIST_HEAD(&quota->seats);
	node = cds_lfht_add_unique(quotas, hash_of(key), match, key, &quota->node);
	if (node != &quota->node) {
		free(quota);
		return caa_container_of(node, struct quota, node);
	}
	__atomic_add_fetch(&quotas_num, 1, __ATOMIC_RELAXED);
	return quota;
}

/* With the lock held, unless there is no memory */
static struct quota *find_locked(const struct quota_key *key)
{
	for (;;) {
		struct quota *quota = find_or_add(key);

		if (!quota)
			return NULL;
		pthread_mutex_lock(&lock);
		if (!quota->gone)
			return quota;
		pthread_mutex_unlock(&lock);
	}
}

static void free_quota(struct rcu_head *head)
{
	free(caa_container_of(head, struct quota, rcu));
}

/* --- set-ups; all with the lock held --- */

/* Slots before the first one of the second that ends now count no more. */
static void advance(struct quota *quota, uint64_t now)
{
	uint64_t slot = now / QUOTA_SLOT_MS;

	for (unsigned int i = 0; i < QUOTA_SLOTS && quota->slot < slot; i++) {
		uint32_t *oldest = &quota->slots[++quota->slot % QUOTA_SLOTS];

		quota->setups -= *oldest;
		*oldest = 0;
	}
	if (quota->slot < slot)
		quota->slot = slot;
}

static void set_up(struct quota *quota, uint64_t slot)
{
	quota->slots[slot % QUOTA_SLOTS]++;
	quota->setups++;
}

static int take(struct quota *quota, const struct quota_limits *limits, uint64_t now)
{
	if (limits->connections && quota->places >= limits->connections)
		return -EUSERS;
	advance(quota, now);
	if (limits->setups && quota->setups >= limits->setups)
		return -EDQUOT;
	if (limits->setups)
		set_up(quota, quota->slot);
	quota->places++;
	return 0;
}

int quota_take(const struct quota_key *key, const struct quota_limits *limits, uint64_t now,
	       struct quota **quota)
{
	struct quota *found = find_locked(key);
	int err;

	if (!found)
		return -ENOMEM;
	err = take(found, limits, now);
	pthread_mutex_unlock(&lock);
	if (!err)
		*quota = found;
	return err;
}

void quota_give(struct quota *quota)
{
	pthread_mutex_lock(&lock);
	quota->places--;
	pthread_mutex_unlock(&lock);
}

/* --- seats --- */

static void sit(struct quota_seat *seat, struct quota *quota)
{
	__atomic_store_n(&seat->quota, quota, __ATOMIC_RELAXED);
	cds_list_add_tail(&seat->node, &quota->seats);
}

static void leave(struct quota_seat *seat)
{
	if (!seat->quota)
		return;
	cds_list_del(&seat->node);
	seat->quota->places--;
	__atomic_store_n(&seat->quota, NULL, __ATOMIC_RELAXED);
}

void quota_sit(struct quota_seat *seat, struct quota *quota)
{
	pthread_mutex_lock(&lock);
	sit(seat, quota);
	pthread_mutex_unlock(&lock);
}

void quota_leave(struct quota_seat *seat)
{
	/* Most connections have none, and nobody gives one to a connection that ends. */
	if (!__atomic_load_n(&seat->quota, __ATOMIC_RELAXED))
		return;
	pthread_mutex_lock(&lock);
	leave(seat);
	pthread_mutex_unlock(&lock);
}

int quota_move(struct quota_seat *seat, const struct quota_key *key)
{
	struct quota *quota;

	if (!key) {
		quota_leave(seat);
		return 0;
	}
	quota = find_locked(key);
	if (!quota)
		return -ENOMEM;
	if (seat->quota != quota) {
		leave(seat);
		quota->places++;
		sit(seat, quota);
	}
	pthread_mutex_unlock(&lock);
	return 0;
}

void quota_note(struct quota_seat *seat, uint64_t at, uint64_t now)
{
	uint64_t slot = at / QUOTA_SLOT_MS;
	struct quota *quota;

	pthread_mutex_lock(&lock);
	quota = seat->quota;
	if (quota) {
		advance(quota, now);
		if (slot <= quota->slot && slot + QUOTA_SLOTS > quota->slot)
			set_up(quota, slot);
	}
	pthread_mutex_unlock(&lock);
}

bool quota_key_of(struct quota_seat *seat, struct quota_key *key)
{
	bool is = __atomic_load_n(&seat->quota, __ATOMIC_RELAXED);

	if (!is)
		return false;
	pthread_mutex_lock(&lock);
	is = seat->quota;
	if (is)
		*key = seat->quota->key;
	pthread_mutex_unlock(&lock);
	return is;
}

bool quota_yield(struct quota_seat *seat, const struct quota_limits *limits)
{
	bool over;

	pthread_mutex_lock(&lock);
	over = seat->quota && limits->connections && seat->quota->places > limits->connections;
	if (over)
		leave(seat);
	pthread_mutex_unlock(&lock);
	return over;
}

void quota_look(const struct quota_key *key, size_t most, unsigned int pause, uint64_t now,
		void (*each)(struct quota_seat *seat, void *data), void *data)
{
	struct quota *quota = find(key);
	struct cds_list_head *last;

	if (!quota)
		return;
	pthread_mutex_lock(&lock);
	if (!quota->gone && (!quota->looked_at || now >= quota->looked_at + pause)) {
		quota->looked_at = now;
		last = quota->seats.prev;
		while (most-- && !cds_list_empty(&quota->seats)) {
			struct cds_list_head *node = quota->seats.next;

			each(cds_list_entry(node, struct quota_seat, node), data);
			cds_list_del(node);
			cds_list_add_tail(node, &quota->seats);
			if (node == last)
				break;
		}
	}
	pthread_mutex_unlock(&lock);
}

/* --- the sweep --- */

/* Out of the table before anybody can see that it is gone: who looks again finds another one. */
static void drop_if_unused(struct quota *quota, uint64_t now)
{
	pthread_mutex_lock(&lock);
	advance(quota, now);
	quota->gone = !quota->places && !quota->setups;
	if (quota->gone)
		cds_lfht_del(quotas, &quota->node);
	pthread_mutex_unlock(&lock);
	if (!quota->gone)
		return;
	__atomic_sub_fetch(&quotas_num, 1, __ATOMIC_RELAXED);
	call_rcu(&quota->rcu, free_quota);
}

void quota_sweep(uint64_t now)
{
	struct cds_lfht_iter iter;
	struct cds_lfht_node *node;

	if (!quota_num())
		return;
	cds_lfht_for_each(quotas, &iter, node)
		drop_if_unused(caa_container_of(node, struct quota, node), now);
}
