/* SPDX-License-Identifier: MIT */
/* container.c - the attached containers */
#include "container.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "diag.h"
#include "endpoint.h"
#include "table.h"
#include "ticket.h"

CDS_LIST_HEAD(containers);
unsigned int containers_num;

static struct cds_lfht *by_id, *by_name, *by_address;
static uint32_t next_id = 1;
static unsigned int workers_num;

static const char *const path_names[CONTAINER_PATH_NUM] = {
	[CONTAINER_PATH_AUTO] = "auto",
	[CONTAINER_PATH_SLIM] = "slim",
	[CONTAINER_PATH_PACKET] = "packet",
};

const char *container_path_name(enum container_path path)
{
	return path_names[path];
}

enum container_path container_path_by_name(const char *name)
{
	enum container_path path = 0;

	while (path < CONTAINER_PATH_NUM && strcmp(path_names[path], name) != 0)
		path++;
	return path;
}

static unsigned long hash_id(uint32_t id)
{
	return hash_bytes(&id, sizeof(id), hash_seed());
}

static unsigned long hash_name(const char *name)
{
	return hash_bytes(name, strlen(name), hash_seed());
}

static unsigned long hash_address(uint32_t vni, const struct in6_addr *addr)
{
	return hash_bytes(addr, sizeof(*addr), hash_seed() + vni);
}

static int match_id(struct cds_lfht_node *node, const void *key)
{
	const struct container *container =
		caa_container_of(node, struct container, id_node);

	return container->id == *(const uint32_t *)key;
}

static int match_name(struct cds_lfht_node *node, const void *key)
{
	return !strcmp(caa_container_of(node, struct container, name_node)->name, key);
}

static int match_address(struct cds_lfht_node *node, const void *key)
{
	const struct container_address *have =
		caa_container_of(node, struct container_address, node);
	const struct container_address *want = key;

	return have->vni == want->vni && !memcmp(&have->addr, &want->addr, sizeof(have->addr));
}

int containers_init(unsigned int workers)
{
	workers_num = workers;
	by_id = table_new();
	by_name = table_new();
	by_address = table_new();
	return by_id && by_name && by_address ? 0 : -ENOMEM;
}

struct container *container_by_id(uint32_t id)
{
	struct cds_lfht_iter iter;
	struct cds_lfht_node *node;

	cds_lfht_lookup(by_id, hash_id(id), match_id, &id, &iter);
	node = cds_lfht_iter_get_node(&iter);
	return node ? caa_container_of(node, struct container, id_node) : NULL;
}

void containers_each(void (*each)(struct container *container, void *data), void *data)
{
	struct cds_lfht_node *node;
	struct cds_lfht_iter iter;

	cds_lfht_for_each(by_id, &iter, node)
		each(caa_container_of(node, struct container, id_node), data);
}

struct container *container_by_address(uint32_t vni, const struct in6_addr *addr)
{
	struct container_address key = { .vni = vni, .addr = *addr };
	struct cds_lfht_iter iter;
	struct cds_lfht_node *node;

	cds_lfht_lookup(by_address, hash_address(vni, addr), match_address, &key, &iter);
	node = cds_lfht_iter_get_node(&iter);
	return node ? caa_container_of(node, struct container_address, node)->container : NULL;
}

bool container_has_address(const struct container *container, const struct in6_addr *addr)
{
	for (size_t i = 0; i < container->addresses_num; i++)
		if (!memcmp(&container->addresses[i], addr, sizeof(*addr)))
			return true;
	return false;
}

bool container_get(struct container *container)
{
	unsigned long refs = __atomic_load_n(&container->refs, __ATOMIC_RELAXED);

	do {
		if (!refs)
			return false;
	} while (!__atomic_compare_exchange_n(&container->refs, &refs, refs + 1, true,
					      __ATOMIC_ACQUIRE, __ATOMIC_RELAXED));
	return true;
}

static void free_rcu(struct rcu_head *head)
{
	struct container *container = caa_container_of(head, struct container, rcu);

	tickets_close(container);
	diag_close(container->diag);
	pthread_mutex_destroy(&container->diag_lock);
	if (container->netns_fd >= 0)
		close(container->netns_fd);
	json_decref(container->labels);
	free(container->netns_path);
	free(container->shares);
	free(container);
}

void container_put(struct container *container)
{
	if (__atomic_sub_fetch(&container->refs, 1, __ATOMIC_ACQ_REL) == 0)
		call_rcu(&container->rcu, free_rcu);
}

/* Locked already. */
static struct diag *diag_ready(struct container *container)
{
	if (!container->diag)
		container->diag = diag_open(container->netns_fd);
	if (!container->diag)
		pthread_mutex_unlock(&container->diag_lock);
	return container->diag;
}

struct diag *container_diag_get(struct container *container)
{
	pthread_mutex_lock(&container->diag_lock);
	return diag_ready(container);
}

struct diag *container_diag_try(struct container *container)
{
	int err = pthread_mutex_trylock(&container->diag_lock);

	if (!err)
		return diag_ready(container);
	errno = err;
	return NULL;
}

void container_diag_put(struct container *container)
{
	pthread_mutex_unlock(&container->diag_lock);
}

struct container *container_new(uint32_t id)
{
	struct container *container = calloc(1, sizeof(*container));

	if (!container)
		return NULL;
	container->shares = calloc(workers_num, sizeof(*container->shares));
	if (!container->shares) {
		free(container);
		return NULL;
	}
	if (id >= next_id)
		next_id = id + 1;
	container->id = id ? id : next_id++;
	container->netns_fd = -1;
	container->channel_event.fd = -1;
	container->pid_event.fd = -1;
	container->refs = 1;
	/* Another one after each start: shims announce their listeners anew (listen_renew). */
	container->generation = (uint32_t)hash_seed() + container->id;
	if (!container->generation)
		container->generation = 1;
	/* The far side may not know yet that what an earlier router made last is over. */
	container->source_port = (unsigned int)hash_seed();
	pthread_mutex_init(&container->diag_lock, NULL);
	CDS_INIT_LIST_HEAD(&container->node);
	CDS_INIT_LIST_HEAD(&container->listeners);
	CDS_INIT_LIST_HEAD(&container->looks.requests);
	return container;
}

static void free_address(struct rcu_head *head)
{
	free(caa_container_of(head, struct container_address, rcu));
}

static void withdraw_addresses(struct container *container)
{
	for (size_t i = 0; i < container->addresses_num; i++) {
		struct container_address key = {
			.vni = container->vni, .addr = container->addresses[i],
		};
		struct cds_lfht_iter iter;
		struct cds_lfht_node *node;

		cds_lfht_lookup(by_address, hash_address(key.vni, &key.addr),
				match_address, &key, &iter);
		node = cds_lfht_iter_get_node(&iter);
		if (!node)
			continue;
		if (caa_container_of(node, struct container_address, node)->container !=
		    container)
			continue;
		if (cds_lfht_del(by_address, node) == 0)
			call_rcu(&caa_container_of(node, struct container_address, node)->rcu,
				 free_address);
	}
}

static int publish_address(struct container *container, const struct in6_addr *addr)
{
	struct container_address *entry = calloc(1, sizeof(*entry));

	if (!entry)
		return -ENOMEM;
	entry->container = container;
	entry->vni = container->vni;
	entry->addr = *addr;
	if (cds_lfht_add_unique(by_address, hash_address(entry->vni, addr), match_address,
				entry, &entry->node) == &entry->node)
		return 0;
	free(entry);
	return -EEXIST;
}

int container_publish(struct container *container)
{
	for (size_t i = 0; i < container->addresses_num; i++) {
		int err = publish_address(container, &container->addresses[i]);

		if (err) {
			withdraw_addresses(container);
			return err;
		}
	}
	cds_lfht_add(by_id, hash_id(container->id), &container->id_node);
	cds_lfht_add(by_name, hash_name(container->name), &container->name_node);
	cds_list_add_tail(&container->node, &containers);
	containers_num++;
	return 0;
}

bool container_is_dead(const struct container *container)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return __atomic_load_n(&container->dead, __ATOMIC_RELAXED);
}

void container_withdraw(struct container *container)
{
	__atomic_store_n(&container->dead, true, __ATOMIC_RELEASE);
	/* Whoever enters something from now on sees that; what is entered already, we do. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	withdraw_addresses(container);
	cds_lfht_del(by_id, &container->id_node);
	cds_lfht_del(by_name, &container->name_node);
	cds_list_del(&container->node);
	containers_num--;
}

struct container *container_by_name(const char *name)
{
	struct cds_lfht_iter iter;
	struct cds_lfht_node *node;

	rcu_read_lock();
	cds_lfht_lookup(by_name, hash_name(name), match_name, name, &iter);
	node = cds_lfht_iter_get_node(&iter);
	rcu_read_unlock();
	return node ? caa_container_of(node, struct container, name_node) : NULL;
}
