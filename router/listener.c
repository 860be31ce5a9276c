/* SPDX-License-Identifier: MIT */
/* listener.c - listening sockets of this host's containers */
#include "listener.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../include/slim/channel.h"
#include "container.h"
#include "counters.h"
#include "diag.h"
#include "directory.h"
#include "endpoint.h"
#include "log.h"
#include "loop.h"
#include "statefile.h"
#include "table.h"

/* A registered socket; control thread only. */
struct listener_socket {
	struct cds_list_head node;	/* container->listeners */
	struct listener_record *record;	/* in the state file; or NULL */
	uint64_t cookie;
	unsigned int flags;
	uint64_t options;
	bool seen;
	struct listener_endpoint *endpoints[PACKETPATH_ADDRESSES];
	size_t endpoints_num;
};

/* As it lies in the state file: what its shim said */
struct listener_record {
	uint64_t cookie, options;
	uint32_t container_id, flags;
};

static const struct statefile_layout layout = {
	.name = "listeners", .version = 1, .size = sizeof(struct listener_record),
	.max = 1u << 20,
};

static struct statefile *file;

/* For the control thread, from any other. */
struct listener_task {
	struct loop_task task;
	struct container *container;	/* reference held; or NULL */
	uint32_t vni;
	struct slim_endpoint name;
};

static struct cds_lfht *endpoints;
static struct loop *control_loop;

static unsigned long hash_name(uint32_t vni, const struct slim_endpoint *name)
{
	return hash_bytes(name, sizeof(*name), hash_seed() + vni);
}

static int match_name(struct cds_lfht_node *node, const void *key)
{
	const struct listener_endpoint *have =
		caa_container_of(node, struct listener_endpoint, node);
	const struct listener_endpoint *want = key;

	return have->vni == want->vni && endpoint_equal(&have->name, &want->name);
}

int listeners_init(struct loop *control)
{
	control_loop = control;
	endpoints = table_new();
	return endpoints ? 0 : -ENOMEM;
}

struct listener_endpoint *listener_find(uint32_t vni, const struct slim_endpoint *name)
{
	struct listener_endpoint key = { .vni = vni, .name = *name };
	struct cds_lfht_iter iter;
	struct cds_lfht_node *node;

	cds_lfht_lookup(endpoints, hash_name(vni, name), match_name, &key, &iter);
	node = cds_lfht_iter_get_node(&iter);
	return node ? caa_container_of(node, struct listener_endpoint, node) : NULL;
}

static void busy_run(struct loop_task *task)
{
	struct listener_task *work = caa_container_of(task, struct listener_task, task);
	struct listener_endpoint *endpoint = listener_find(work->vni, &work->name);
	struct in6_addr addr = endpoint_addr(&work->name);

	if (endpoint) {
		bool busy = __atomic_load_n(&endpoint->held, __ATOMIC_ACQUIRE) > 0;

		if (busy != endpoint->busy) {
			endpoint->busy = busy;
			directory_listener_busy(work->vni, &addr, work->name.port, busy);
		}
	}
	free(work);
}

unsigned int listener_held(uint32_t vni, const struct slim_endpoint *name, uint32_t serial,
			   int change)
{
	struct listener_endpoint *endpoint = listener_find(vni, name);
	struct listener_task *work;
	unsigned int held;

	if (!endpoint || endpoint->serial != serial)
		return 0;
	held = __atomic_add_fetch(&endpoint->held, (unsigned int)change, __ATOMIC_ACQ_REL);
	if (!(held == 0 || (held == 1 && change > 0)))
		return held;
	work = calloc(1, sizeof(*work));
	if (!work)
		return held;	/* peers go on as they are */
	work->vni = vni;
	work->name = *name;
	work->task.run = busy_run;
	loop_post(control_loop, &work->task);
	return held;
}

static void check_run(struct loop_task *task)
{
	struct listener_task *work = caa_container_of(task, struct listener_task, task);

	__atomic_store_n(&work->container->check_posted, false, __ATOMIC_RELEASE);
	if (!__atomic_load_n(&work->container->dead, __ATOMIC_ACQUIRE))
		listener_sweep(work->container);
	container_put(work->container);
	free(work);
}

void listener_check_soon(struct container *container)
{
	struct listener_task *work;

	/* One look answers all hints that came before it. */
	if (__atomic_exchange_n(&container->check_posted, true, __ATOMIC_ACQ_REL))
		return;
	work = calloc(1, sizeof(*work));
	if (!work || !container_get(container)) {
		/* The periodic sweep finds it. */
		__atomic_store_n(&container->check_posted, false, __ATOMIC_RELEASE);
		free(work);
		return;
	}
	work->container = container;
	work->task.run = check_run;
	loop_post(control_loop, &work->task);
}

static void free_endpoint(struct rcu_head *head)
{
	free(caa_container_of(head, struct listener_endpoint, rcu));
}

/* Flags and options of an endpoint are those of all sockets on it. */
static void endpoint_refresh(struct container *container, struct listener_endpoint *endpoint)
{
	struct listener_socket *sock;
	unsigned int flags = 0;
	uint64_t options = 0;

	cds_list_for_each_entry(sock, &container->listeners, node)
		for (size_t i = 0; i < sock->endpoints_num; i++)
			if (sock->endpoints[i] == endpoint) {
				flags |= sock->flags;
				options |= sock->options;
			}
	__atomic_store_n(&endpoint->flags, flags, __ATOMIC_RELAXED);
	__atomic_store_n(&endpoint->options, options, __ATOMIC_RELAXED);
}

static struct listener_endpoint *endpoint_open(struct container *container,
					       const struct in6_addr *addr,
					       const struct diag_socket *socket)
{
	static uint32_t serial;
	uint16_t port = socket->local.port;
	struct slim_endpoint name = endpoint_make(addr, port);
	struct listener_endpoint *endpoint = listener_find(container->vni, &name);

	if (endpoint) {
		endpoint->sockets++;
		return endpoint;
	}
	endpoint = calloc(1, sizeof(*endpoint));
	if (!endpoint)
		return NULL;
	endpoint->container = container;
	endpoint->vni = container->vni;
	endpoint->serial = ++serial;
	endpoint->domain = (uint16_t)socket->family;
	endpoint->name = name;
	endpoint->sockets = 1;
	cds_lfht_add(endpoints, hash_name(endpoint->vni, &name), &endpoint->node);
	return endpoint;
}

static void endpoint_close(struct container *container, struct listener_endpoint *endpoint)
{
	struct in6_addr addr = endpoint_addr(&endpoint->name);

	if (--endpoint->sockets) {
		endpoint_refresh(container, endpoint);
		return;
	}
	directory_listener_remove(endpoint->vni, &addr, endpoint->name.port);
	cds_lfht_del(endpoints, &endpoint->node);
	call_rcu(&endpoint->rcu, free_endpoint);
}

/* What it says now, in the place of what it said before (where there is room) */
static void record(const struct container *container, struct listener_socket *sock)
{
	struct listener_record *record = file ? statefile_new(file) : NULL;

	if (!record)
		return;
	record->cookie = sock->cookie;
	record->options = sock->options;
	record->container_id = container->id;
	record->flags = sock->flags;
	statefile_commit(file, record);
	statefile_drop(file, sock->record);
	sock->record = record;
}

static struct listener_socket *socket_find(struct container *container, uint64_t cookie)
{
	struct listener_socket *sock;

	cds_list_for_each_entry(sock, &container->listeners, node)
		if (sock->cookie == cookie)
			return sock;
	return NULL;
}

static void socket_close(struct container *container, struct listener_socket *sock)
{
	cds_list_del(&sock->node);
	container->listeners_num--;
	for (size_t i = 0; i < sock->endpoints_num; i++)
		endpoint_close(container, sock->endpoints[i]);
	if (file)
		statefile_drop(file, sock->record);
	log_debug("container %s: listener %llu withdrawn", container->name,
		  (unsigned long long)sock->cookie);
	free(sock);
}

struct search {
	uint64_t cookie;
	struct diag_socket socket;
	bool found;
};

static void search_each(const struct diag_socket *socket, void *data)
{
	struct search *search = data;

	if (socket->cookie != search->cookie)
		return;
	search->socket = *socket;
	search->found = true;
}

static bool serves(const struct diag_socket *socket, const struct in6_addr *addr)
{
	static const struct in6_addr any;
	struct in6_addr bound = endpoint_addr(&socket->local);

	if (!memcmp(&bound, addr, sizeof(bound)))
		return true;
	if (socket->family == AF_INET)
		return addr_is4(addr) && !addr_get4(&bound);
	return !memcmp(&bound, &any, sizeof(any)) && !(socket->v6only && addr_is4(addr));
}

static int announce(struct container *container, struct listener_socket *sock,
		    const struct diag_socket *socket)
{
	for (size_t i = 0; i < container->addresses_num; i++) {
		const struct in6_addr *addr = &container->addresses[i];
		struct listener_endpoint *endpoint;

		if (!serves(socket, addr))
			continue;
		endpoint = endpoint_open(container, addr, socket);
		if (!endpoint)
			return -ENOMEM;
		sock->endpoints[sock->endpoints_num++] = endpoint;
		endpoint_refresh(container, endpoint);
		if (endpoint->sockets > 1)
			continue;
		if (directory_listener_add(container->vni, addr, socket->local.port))
			return -ENOMEM;
	}
	return sock->endpoints_num ? 0 : -EADDRNOTAVAIL;
}

static int look_up(struct container *container, struct search *search)
{
	struct diag *diag = container_diag_get(container);
	int err;

	if (!diag)
		return -errno;
	err = diag_dump(diag, DIAG_LISTEN, 0, 0, false, search_each, search);
	container_diag_put(container);
	if (err)
		return err;
	return search->found ? 0 : -ENOENT;
}

/* @restored: its record, where there is one already */
static int register_new(struct container *container, uint64_t cookie, unsigned int flags,
			uint64_t options, struct listener_record *restored)
{
	struct search search = { .cookie = cookie };
	struct listener_socket *sock;
	int err = look_up(container, &search);

	if (err)
		return err;
	if (search.socket.bound_ifindex || (flags & SLIM_LISTEN_BOUND_DEVICE))
		return -EADDRNOTAVAIL;
	sock = calloc(1, sizeof(*sock));
	if (!sock)
		return -ENOMEM;
	sock->cookie = cookie;
	sock->flags = flags;
	sock->options = options;
	cds_list_add_tail(&sock->node, &container->listeners);
	container->listeners_num++;
	sock->record = restored;
	if (!restored)
		record(container, sock);
	err = announce(container, sock, &search.socket);
	if (err)
		socket_close(container, sock);
	return err;
}

int listener_register(struct container *container, uint64_t cookie, unsigned int flags,
		      uint64_t options, unsigned int limit)
{
	struct listener_socket *sock = socket_find(container, cookie);

	/* A socket can listen again on another port: what was known may be stale. */
	if (sock) {
		listener_sweep(container);
		sock = socket_find(container, cookie);
	}
	if (!sock) {
		if (container->listeners_num >= limit) {
			counter_inc(limit_reached);
			return -ENOSPC;
		}
		return register_new(container, cookie, flags, options, NULL);
	}
	sock->flags = flags;
	sock->options = options;
	record(container, sock);
	for (size_t i = 0; i < sock->endpoints_num; i++)
		endpoint_refresh(container, sock->endpoints[i]);
	return 0;
}

static void sweep_each(const struct diag_socket *socket, void *data)
{
	struct listener_socket *sock = socket_find(data, socket->cookie);

	if (sock && sock->endpoints_num && sock->endpoints[0]->name.port == socket->local.port)
		sock->seen = true;
}

void listener_sweep(struct container *container)
{
	struct listener_socket *sock, *next;
	struct diag *diag;
	int err;

	if (cds_list_empty(&container->listeners))
		return;
	diag = container_diag_get(container);
	if (!diag)
		return;
	cds_list_for_each_entry(sock, &container->listeners, node)
		sock->seen = false;
	err = diag_dump(diag, DIAG_LISTEN, 0, 0, false, sweep_each, container);
	container_diag_put(container);
	if (err)
		return;
	cds_list_for_each_entry_safe(sock, next, &container->listeners, node)
		if (!sock->seen)
			socket_close(container, sock);
}

/* Drops the record where it fails, unless socket_close() has done so. */
static void restore_one(void *data, void *arg)
{
	struct listener_record *record = data;
	struct container *container = container_by_id(record->container_id);
	unsigned int before = statefile_num(file);
	int err = -ENOENT;

	if (container && !socket_find(container, record->cookie))
		err = register_new(container, record->cookie, record->flags, record->options,
				   record);
	if (err && statefile_num(file) == before)
		statefile_drop(file, record);
	*(int *)arg += !err;
}

int listeners_restore(const char *directory)
{
	int num = 0;

	file = statefile_open(directory, &layout);
	if (!file)
		return -errno;
	statefile_each(file, restore_one, &num);
	return num;
}

void listeners_keep(void)
{
	statefile_close(file);
	file = NULL;
}

void listener_withdraw_all(struct container *container)
{
	struct listener_socket *sock, *next;

	cds_list_for_each_entry_safe(sock, next, &container->listeners, node)
		socket_close(container, sock);
}

void listener_each(void (*each)(const struct listener_endpoint *endpoint, void *data),
		   void *data)
{
	struct cds_lfht_iter iter;
	struct cds_lfht_node *node;

	cds_lfht_for_each(endpoints, &iter, node)
		each(caa_container_of(node, struct listener_endpoint, node), data);
}
