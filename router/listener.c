/* SPDX-License-Identifier: MIT */
/* listener.c - listening sockets of this host's containers */
#include "listener.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../include/slim/channel.h"
#include "aside.h"
#include "container.h"
#include "diag.h"
#include "directory.h"
#include "endpoint.h"
#include "log.h"
#include "look.h"
#include "loop.h"
#include "statefile.h"
#include "table.h"
#include "want.h"

#define LOOK_REQUESTS	64		/* answered by one look */
#define LOOK_COST	5		/* times what it took must pass, on the average */
#define LOOK_CREDIT	500000		/* us */
#define ENDING_MS	5		/* so long a program may take to close its descriptors */

/* A registered socket; control thread only. */
struct listener_socket {
	struct cds_list_head node;	/* container->listeners */
	struct listener_record *record;	/* in the state file; or NULL */
	uint64_t cookie;
	unsigned int flags;
	uint64_t options;
	struct listener_endpoint *endpoints[PACKETPATH_ADDRESSES];
	size_t endpoints_num;
};

/* As it lies in the state file: what its shim said */
struct listener_record {
	uint64_t cookie, options;
	uint32_t container_id, flags;
};

const struct statefile_layout listener_layout = {
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

static void check_again(struct loop_timer *timer)
{
	listener_sweep(caa_container_of(timer, struct container, looks.again));
}

static void check_run(struct loop_task *task)
{
	struct listener_task *work = caa_container_of(task, struct listener_task, task);
	struct container *container = work->container;
	bool ending;

	__atomic_store_n(&container->check_posted, false, __ATOMIC_RELEASE);
	ending = __atomic_exchange_n(&container->check_ending, false, __ATOMIC_ACQ_REL);
	if (!__atomic_load_n(&container->dead, __ATOMIC_ACQUIRE)) {
		listener_sweep(container);
		container->looks.again.handle = check_again;
		if (ending)
			loop_timer_set(control_loop, &container->looks.again, ENDING_MS);
	}
	container_put(container);
	free(work);
}

void listener_check_soon(struct container *container, bool ending)
{
	struct listener_task *work;

	if (ending)
		__atomic_store_n(&container->check_ending, true, __ATOMIC_RELEASE);
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

bool listener_keeps_packet(const struct listener_endpoint *endpoint)
{
	return __atomic_load_n(&endpoint->container->packet_only, __ATOMIC_RELAXED) ||
	       (__atomic_load_n(&endpoint->flags, __ATOMIC_RELAXED) & SLIM_LISTEN_PACKET);
}

/* Where the directory has no room, peers find the listener by the packet path. */
static void endpoint_follow_path(const struct listener_endpoint *endpoint)
{
	struct in6_addr addr = endpoint_addr(&endpoint->name);

	if (listener_keeps_packet(endpoint))
		directory_listener_remove(endpoint->vni, &addr, endpoint->name.port);
	else if (!directory_listener_add(endpoint->vni, &addr, endpoint->name.port) &&
		 endpoint->busy)
		directory_listener_busy(endpoint->vni, &addr, endpoint->name.port, true);
}

/* Flags and options of an endpoint are those of all sockets on it; and so is the path that leads to them. */
static void endpoint_refresh(struct container *container, struct listener_endpoint *endpoint)
{
	struct listener_socket *sock;
	unsigned int flags = 0;
	uint64_t options = 0;
	bool kept = listener_keeps_packet(endpoint);

	cds_list_for_each_entry(sock, &container->listeners, node)
		for (size_t i = 0; i < sock->endpoints_num; i++)
			if (sock->endpoints[i] == endpoint) {
				flags |= sock->flags;
				options |= sock->options;
			}
	__atomic_store_n(&endpoint->flags, flags, __ATOMIC_RELAXED);
	__atomic_store_n(&endpoint->options, options, __ATOMIC_RELAXED);
	if (listener_keeps_packet(endpoint) != kept)
		endpoint_follow_path(endpoint);
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
		__atomic_store_n(&endpoint->shared, true, __ATOMIC_RELAXED);
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
		__atomic_store_n(&endpoint->shared, endpoint->sockets > 1, __ATOMIC_RELAXED);
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
		int err;

		if (!serves(socket, addr))
			continue;
		endpoint = endpoint_open(container, addr, socket);
		if (!endpoint)
			return -ENOMEM;
		sock->endpoints[sock->endpoints_num++] = endpoint;
		endpoint_refresh(container, endpoint);
		if (endpoint->sockets > 1 || listener_keeps_packet(endpoint))
			continue;
		err = directory_listener_add(container->vni, addr, socket->local.port);
		if (err)
			return err;
	}
	return sock->endpoints_num ? 0 : -EADDRNOTAVAIL;
}

void listener_follow_path(struct container *container)
{
	struct listener_socket *sock;

	cds_list_for_each_entry(sock, &container->listeners, node)
		for (size_t i = 0; i < sock->endpoints_num; i++)
			endpoint_follow_path(sock->endpoints[i]);
}

/* One of a device alone is not where tickets come from. */
static unsigned int flags_of(const struct listener_request *request, const struct diag_socket *socket)
{
	return request->flags | (socket && socket->bound_ifindex ? SLIM_LISTEN_PACKET : 0);
}

/* @socket: as it was found just now. @restored: its record, where there is one already */
static int register_new(struct container *container, const struct listener_request *request,
			const struct diag_socket *socket, struct listener_record *restored)
{
	struct listener_socket *sock;
	int err;

	if (!socket || !socket->family)
		return -ENOENT;
	sock = calloc(1, sizeof(*sock));
	if (!sock)
		return -ENOMEM;
	sock->cookie = request->cookie;
	sock->flags = flags_of(request, socket);
	sock->options = request->options;
	cds_list_add_tail(&sock->node, &container->listeners);
	container->listeners_num++;
	sock->record = restored;
	if (!restored)
		record(container, sock);
	err = announce(container, sock, socket);
	/* Its record is for another start. */
	if (restored && want_is(err))
		sock->record = NULL;
	if (err)
		socket_close(container, sock);
	return err;
}

static void update(struct container *container, struct listener_socket *sock,
		   const struct listener_request *request, const struct diag_socket *socket)
{
	sock->flags = flags_of(request, socket);
	sock->options = request->options;
	record(container, sock);
	for (size_t i = 0; i < sock->endpoints_num; i++)
		endpoint_refresh(container, sock->endpoints[i]);
}

static int limit_check(struct container *container)
{
	if (container->listeners_num < container->limits->listeners)
		return 0;
	limit_refuse(container, LIMIT_listeners);
	return -ENOSPC;
}

static int answer(struct container *container, const struct listener_request *request,
		  const struct look *look)
{
	struct listener_socket *sock = socket_find(container, request->cookie);
	const struct diag_socket *socket = look_find(look, request->cookie);
	int err;

	/* (One that listens on another port now is no longer there.) */
	if (sock) {
		update(container, sock, request, socket);
		return 0;
	}
	err = limit_check(container);
	return err ? err : register_new(container, request, socket, NULL);
}

/* --- looks --- */

struct listener_look {
	struct aside aside;
	struct container *container;	/* reference held */
	struct look *look;
	struct cds_list_head requests;	/* that it will answer */
	int err;
	uint64_t took;			/* us of a processor */
};

static uint64_t clock_us(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static void fail_all(struct cds_list_head *requests, int err)
{
	struct listener_request *request, *next;

	cds_list_for_each_entry_safe(request, next, requests, node) {
		cds_list_del(&request->node);
		request->done(request, err);
	}
}

static bool is_there(const struct listener_socket *sock, const struct diag_socket *socket)
{
	return socket->family && sock->endpoints_num &&
	       sock->endpoints[0]->name.port == socket->local.port;
}

/* Those that were registered when it began, it has looked for. */
static void withdraw_gone(struct container *container, const struct look *look)
{
	struct listener_socket *sock, *next;

	cds_list_for_each_entry_safe(sock, next, &container->listeners, node) {
		const struct diag_socket *socket = look_find(look, sock->cookie);

		if (socket && !is_there(sock, socket))
			socket_close(container, sock);
	}
}

static void answer_all(struct listener_look *work)
{
	struct listener_request *request, *next;

	cds_list_for_each_entry_safe(request, next, &work->requests, node) {
		cds_list_del(&request->node);
		request->done(request, answer(work->container, request, work->look));
	}
}

static void look_soon(struct container *container);

static void look_done(struct aside *aside)
{
	struct listener_look *work = caa_container_of(aside, struct listener_look, aside);
	struct container *container = work->container;
	struct listener_looks *looks = &container->looks;
	uint64_t now = clock_us(CLOCK_MONOTONIC), began_at = clock_us(CLOCK_THREAD_CPUTIME_ID);

	looks->under_way = false;
	if (container_is_dead(container)) {
		fail_all(&work->requests, -ESHUTDOWN);
	} else if (work->err) {
		fail_all(&work->requests, work->err);
	} else {
		withdraw_gone(container, work->look);
		answer_all(work);
	}
	work->took += clock_us(CLOCK_THREAD_CPUTIME_ID) - began_at;
	if (looks->due < now)
		looks->due = now;
	looks->due += work->took * LOOK_COST;
	if (looks->wanted || !cds_list_empty(&looks->requests))
		look_soon(container);
	free(work->look);
	free(work);
	container_put(container);
}

static void look_aside(struct aside *aside)
{
	struct listener_look *work = caa_container_of(aside, struct listener_look, aside);
	uint64_t began_at = clock_us(CLOCK_THREAD_CPUTIME_ID);

	work->err = look_run(work->look, work->container);
	work->took = clock_us(CLOCK_THREAD_CPUTIME_ID) - began_at;
}

/* With the first requests and all that is registered. NULL: no memory */
static struct look *look_of(struct container *container, struct cds_list_head *requests)
{
	struct look *look = look_new(container->listeners_num + LOOK_REQUESTS);
	struct listener_request *request, *next;
	struct listener_socket *sock;
	unsigned int num = 0;

	if (!look)
		return NULL;
	cds_list_for_each_entry(sock, &container->listeners, node)
		look_add(look, sock->cookie);
	cds_list_for_each_entry_safe(request, next, &container->looks.requests, node) {
		if (num++ == LOOK_REQUESTS)
			break;
		look_add(look, request->cookie);
		cds_list_del(&request->node);
		cds_list_add_tail(&request->node, requests);
	}
	return look;
}

static int look_start(struct container *container, struct listener_look *work)
{
	work->container = container;
	work->look = look_of(container, &work->requests);
	work->aside.run = look_aside;
	work->aside.done = look_done;
	return work->look ? aside_start(&work->aside) : -ENOMEM;
}

static void look_now(struct container *container)
{
	struct listener_look *work = calloc(1, sizeof(*work));
	int err;

	container->looks.wanted = false;
	if (!work || !container_get(container)) {
		free(work);
		fail_all(&container->looks.requests, -ENOMEM);
		return;
	}
	CDS_INIT_LIST_HEAD(&work->requests);
	err = look_start(container, work);
	container->looks.under_way = !err;
	if (!err)
		return;
	fail_all(&work->requests, err);
	fail_all(&container->looks.requests, err);
	free(work->look);
	free(work);
	container_put(container);
}

static void look_timer(struct loop_timer *timer)
{
	struct container *container =
		caa_container_of(timer, struct container, looks.timer);

	look_now(container);
}

/* As soon as it is the container's turn again */
static void look_soon(struct container *container)
{
	struct listener_looks *looks = &container->looks;
	uint64_t now = clock_us(CLOCK_MONOTONIC);

	looks->wanted = true;
	if (looks->under_way || looks->timer.expires || container_is_dead(container))
		return;
	if (looks->due <= now + LOOK_CREDIT) {
		look_now(container);
		return;
	}
	looks->timer.handle = look_timer;
	loop_timer_set(control_loop, &looks->timer,
		       (unsigned int)((looks->due - now - LOOK_CREDIT) / 1000) + 1);
}

void listener_register(struct container *container, struct listener_request *request)
{
	int err = socket_find(container, request->cookie) ? 0 : limit_check(container);

	if (!err && container_is_dead(container))
		err = -ESHUTDOWN;
	if (container->path == CONTAINER_PATH_PACKET)
		err = -EOPNOTSUPP;
	if (err) {
		request->done(request, err);
		return;
	}
	cds_list_add_tail(&request->node, &container->looks.requests);
	look_soon(container);
}

void listener_sweep(struct container *container)
{
	if (!cds_list_empty(&container->listeners))
		look_soon(container);
}

/* What is restored of one container, with one look */
struct restore {
	struct container *container;
	struct look *look;
	int num;
	int err;		/* files or memory are wanting */
};

static void restore_add(void *data, void *arg)
{
	const struct listener_record *record = data;
	struct restore *restore = arg;

	if (record->container_id == restore->container->id)
		look_add(restore->look, record->cookie);
}

/* Drops the record where it fails, unless socket_close() has done so. */
static void restore_one(void *data, void *arg)
{
	struct listener_record *record = data;
	struct restore *restore = arg;
	const struct listener_request said = {
		.cookie = record->cookie, .options = record->options, .flags = record->flags,
	};
	unsigned int before = statefile_num(file);
	int err = -ENOENT;

	if (record->container_id != restore->container->id)
		return;
	if (!socket_find(restore->container, record->cookie))
		err = register_new(restore->container, &said,
				   look_find(restore->look, record->cookie), record);
	if (want_is(err)) {
		restore->err = err;
		return;
	}
	if (err && statefile_num(file) == before)
		statefile_drop(file, record);
	restore->num += !err;
}

static void drop_unknown(void *data, void *unused)
{
	const struct listener_record *record = data;

	(void)unused;
	if (!container_by_id(record->container_id))
		statefile_drop(file, data);
}

static int restore_container(struct container *container)
{
	struct restore restore = {
		.container = container, .look = look_new(statefile_num(file)),
	};

	int err = 0;

	if (!restore.look)
		return -ENOMEM;
	statefile_each(file, restore_add, &restore);
	if (restore.look->num)
		err = look_run(restore.look, container);
	if (restore.look->num && !err)
		statefile_each(file, restore_one, &restore);
	free(restore.look);
	if (want_is(err))
		return err;
	return restore.err ? restore.err : restore.num;
}

int listeners_restore(const char *directory)
{
	struct container *container;
	int num = 0;

	file = statefile_open(directory, &listener_layout);
	if (!file)
		return -errno;
	statefile_each(file, drop_unknown, NULL);
	cds_list_for_each_entry(container, &containers, node) {
		int ret = restore_container(container);

		if (ret < 0)
			return ret;
		num += ret;
	}
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

	loop_timer_clear(control_loop, &container->looks.timer);
	loop_timer_clear(control_loop, &container->looks.again);
	fail_all(&container->looks.requests, -ESHUTDOWN);
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
