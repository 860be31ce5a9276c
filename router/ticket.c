/* SPDX-License-Identifier: MIT */
/* ticket.c - local connections that tell a listener that a slim connection waits */
#include "ticket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "../include/slim/channel.h"
#include "container.h"
#include "counters.h"
#include "endpoint.h"
#include "namespace.h"
#include "table.h"

/* Made at once, since entering a namespace costs as much as a socket */
#define TICKET_BATCH		8
#define TICKET_PORT_FIRST	61000
#define TICKET_PORT_NUM		(65536 - TICKET_PORT_FIRST)
#define TICKET_STRIDE		1019	/* has no factor in common with the number */
#define TICKET_BIND_TRIES	64
/*
 * ms before one is used again: on another processor, the application's end of its last
 * connection may not have heard of the reset yet, and would swallow the SYN
 */
#define TICKET_REST		5
/* What is kept of a crowd that is no longer needed, and for how long (ms) */
#define TICKET_KEPT		4
#define TICKET_IDLE		2000

static struct cds_lfht *by_name;
static const struct in6_addr ticket_addr6 = { { SLIM_TICKET_ADDR6 } };

static int pool_index(int family)
{
	return family == AF_INET ? 0 : 1;
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* Only the one that took it out of its slot may look into it. */
static struct ticket *take_slot(struct ticket **slot)
{
	if (!__atomic_load_n(slot, __ATOMIC_RELAXED))
		return NULL;
	return __atomic_exchange_n(slot, NULL, __ATOMIC_ACQ_REL);
}

static bool pool_add(struct container *container, struct ticket *ticket)
{
	struct ticket **slots = container->tickets[pool_index(ticket->family)];

	for (unsigned int i = 0; i < CONTAINER_TICKETS; i++) {
		struct ticket *empty = NULL;

		if (__atomic_load_n(&slots[i], __ATOMIC_RELAXED))
			continue;
		if (__atomic_compare_exchange_n(&slots[i], &empty, ticket, false,
						__ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
			return true;
	}
	return false;
}

struct name {
	uint32_t container_id;
	int family;
	uint16_t port;
};

static unsigned long hash_name(const struct name *name)
{
	uint64_t key = (uint64_t)name->container_id << 32 |
		       (uint64_t)(name->family == AF_INET) << 16 | name->port;

	return hash_bytes(&key, sizeof(key), hash_seed());
}

static int match_name(struct cds_lfht_node *node, const void *key)
{
	const struct ticket *ticket = caa_container_of(node, struct ticket, node);
	const struct name *name = key;

	return ticket->container_id == name->container_id &&
	       ticket->family == name->family && ticket->port == name->port;
}

int tickets_init(void)
{
	by_name = table_new();
	return by_name ? 0 : -ENOMEM;
}

struct inbound *ticket_inbound(const struct container *container,
			       const struct slim_endpoint *endpoint)
{
	struct in6_addr addr = endpoint_addr(endpoint);
	struct name name = {
		.container_id = container->id,
		.family = addr_is4(&addr) ? AF_INET : AF_INET6,
		.port = endpoint->port,
	};
	struct cds_lfht_iter iter;
	struct cds_lfht_node *node;

	cds_lfht_lookup(by_name, hash_name(&name), match_name, &name, &iter);
	node = cds_lfht_iter_get_node(&iter);
	if (!node)
		return NULL;
	return __atomic_load_n(&caa_container_of(node, struct ticket, node)->inbound,
			       __ATOMIC_ACQUIRE);
}

void ticket_set_inbound(struct ticket *ticket, struct inbound *inbound)
{
	__atomic_store_n(&ticket->inbound, inbound, __ATOMIC_RELEASE);
}

static void enter(struct ticket *ticket, const struct container *container)
{
	struct name name = {
		.container_id = container->id, .family = ticket->family, .port = ticket->port,
	};

	socklen_t len = sizeof(ticket->cookie);

	getsockopt(ticket->fd, SOL_SOCKET, SO_COOKIE, &ticket->cookie, &len);
	ticket->container_id = container->id;
	cds_lfht_add(by_name, hash_name(&name), &ticket->node);
}

static void free_rcu(struct rcu_head *head)
{
	free(caa_container_of(head, struct ticket, rcu));
}

static void destroy(struct ticket *ticket)
{
	rcu_read_lock();
	cds_lfht_del(by_name, &ticket->node);
	rcu_read_unlock();
	close(ticket->fd);
	call_rcu(&ticket->rcu, free_rcu);
}

static struct ticket *pool_take(struct container *container, int family)
{
	struct ticket **slots = container->tickets[pool_index(family)];
	uint64_t now = now_ms();

	for (unsigned int i = 0; i < CONTAINER_TICKETS; i++) {
		struct ticket *ticket = take_slot(&slots[i]);

		if (ticket && ticket->rested_at <= now)
			return ticket;
		if (ticket && !pool_add(container, ticket))
			destroy(ticket);
	}
	return NULL;
}

void tickets_trim(struct container *container)
{
	uint64_t before = now_ms() - TICKET_IDLE;

	for (int family = 0; family < 2; family++)
		for (unsigned int i = TICKET_KEPT; i < CONTAINER_TICKETS; i++) {
			struct ticket *ticket = take_slot(&container->tickets[family][i]);

			if (!ticket)
				continue;
			if (ticket->rested_at < before || !pool_add(container, ticket))
				destroy(ticket);
		}
}

static int bind_port(int fd, int family, uint16_t port)
{
	struct in6_addr addr = family == AF_INET6 ? ticket_addr6 :
			       addr_map4(htonl(SLIM_TICKET_ADDR4));
	struct slim_endpoint name = endpoint_make(&addr, port);
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(&name, family, &sa);

	return bind(fd, (struct sockaddr *)&sa, len) < 0 ? -errno : 0;
}

/* Bound to a port that is given, it keeps that port when it is disconnected. */
static int bind_somewhere(struct container *container, struct ticket *ticket)
{
	for (int i = 0; i < TICKET_BIND_TRIES; i++) {
		unsigned int next = __atomic_fetch_add(&container->ticket_port, 1,
						       __ATOMIC_RELAXED);
		int err;

		/* Scattered, so as not to meet whole runs of those that are in use. */
		ticket->port = (uint16_t)(TICKET_PORT_FIRST +
					  (unsigned long)next * TICKET_STRIDE %
					  TICKET_PORT_NUM);
		err = bind_port(ticket->fd, ticket->family, ticket->port);
		if (err != -EADDRINUSE)
			return err;
	}
	return -EADDRINUSE;
}

/* In the container's namespace now. */
static struct ticket *create(struct container *container, int family)
{
	struct ticket *ticket = calloc(1, sizeof(*ticket));
	struct linger reset = { .l_onoff = 1 };
	int one = 1, err;

	if (!ticket)
		return NULL;
	ticket->family = family;
	ticket->fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (ticket->fd < 0) {
		err = errno;
		free(ticket);
		errno = err;
		return NULL;
	}
	/* However it ends, it must not stay in TIME_WAIT. */
	setsockopt(ticket->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	setsockopt(ticket->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	err = bind_somewhere(container, ticket);
	if (!err) {
		/*
		 * A server may bind our port on all addresses if it likes. Not before: two
		 * tickets must not share a port.
		 */
		setsockopt(ticket->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
		enter(ticket, container);
		return ticket;
	}
	close(ticket->fd);
	free(ticket);
	errno = -err;
	return NULL;
}

static struct ticket *create_batch(struct container *container, int family)
{
	struct ticket *first;
	int err = namespace_enter(container->netns_fd);

	if (err) {
		errno = -err;
		return NULL;
	}
	first = create(container, family);
	err = errno;
	for (int i = 1; first && i < TICKET_BATCH; i++) {
		struct ticket *more = create(container, family);

		if (!more)
			break;
		if (!pool_add(container, more)) {
			destroy(more);
			break;
		}
	}
	namespace_leave();
	errno = err;
	return first;
}

struct ticket *ticket_get(struct container *container, int family)
{
	struct ticket *ticket = pool_take(container, family);

	if (!ticket)
		ticket = create_batch(container, family);
	if (!ticket)
		return NULL;
	if (!container_get(container)) {
		destroy(ticket);
		errno = ESHUTDOWN;
		return NULL;
	}
	ticket->container = container;
	return ticket;
}

struct ticket *ticket_adopt(struct container *container, int fd, int family, uint16_t port)
{
	struct ticket *ticket = calloc(1, sizeof(*ticket));

	if (!ticket || !container_get(container)) {
		free(ticket);
		return NULL;
	}
	ticket->fd = fd;
	ticket->family = family;
	ticket->port = port;
	ticket->container = container;
	enter(ticket, container);
	return ticket;
}

int ticket_connect(struct ticket *ticket, const struct slim_endpoint *listener)
{
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(listener, ticket->family, &sa);

	/* It says EINPROGRESS even where the handshake is done. */
	if (connect(ticket->fd, (struct sockaddr *)&sa, len) < 0 && errno != EINPROGRESS)
		return -errno;
	return 0;
}

static int disconnect(const struct ticket *ticket)
{
	struct sockaddr none = { .sa_family = AF_UNSPEC };

	return connect(ticket->fd, &none, sizeof(none)) < 0 ? -errno : 0;
}

int ticket_again(struct ticket *ticket, const struct slim_endpoint *listener)
{
	int err = disconnect(ticket);

	return err ? err : ticket_connect(ticket, listener);
}

int ticket_check(const struct ticket *ticket)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	if (getsockopt(ticket->fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0)
		return -errno;
	if (info.tcpi_state == TCP_SYN_SENT)
		return -EALREADY;
	return info.tcpi_state == TCP_CLOSE ? -ECONNREFUSED : 0;
}

void ticket_finish(const struct ticket *ticket)
{
	static const struct linger linger;

	setsockopt(ticket->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

void ticket_put(struct ticket *ticket, bool reusable)
{
	struct container *container = ticket->container;

	ticket_set_inbound(ticket, NULL);
	ticket->container = NULL;
	ticket->rested_at = now_ms() + TICKET_REST;
	if (!reusable || disconnect(ticket) ||
	    __atomic_load_n(&container->dead, __ATOMIC_ACQUIRE) ||
	    !pool_add(container, ticket))
		destroy(ticket);
	container_put(container);
}

void tickets_close(struct container *container)
{
	for (int family = 0; family < 2; family++)
		for (unsigned int i = 0; i < CONTAINER_TICKETS; i++)
			if (container->tickets[family][i])
				destroy(container->tickets[family][i]);
}
