/* SPDX-License-Identifier: MIT */
/* guard_live.c - what slim.ko knows of live connections */
#include "guard_live.h"

#include <errno.h>
#include <netlink/socket.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "container.h"
#include "counters.h"
#include "guard_link.h"
#include "ledger.h"
#include "log.h"

static struct {
	struct loop *loop;
	struct loop_event event;
	struct nl_sock *sock;
} live;

/* --- events --- */

static const char *operation_name(enum slim_operation operation)
{
	static const char *const names[] = {
		[SLIM_OPERATION_UNSPEC] = "something",
		[SLIM_OPERATION_BIND] = "bind",
		[SLIM_OPERATION_LISTEN] = "listen",
		[SLIM_OPERATION_CONNECT] = "connect",
		[SLIM_OPERATION_SETSOCKOPT] = "setsockopt",
		[SLIM_OPERATION_GETSOCKOPT] = "getsockopt",
		[SLIM_OPERATION_IOCTL] = "ioctl",
		[SLIM_OPERATION_SENDMSG] = "sendmsg",
		[SLIM_OPERATION_CHOWN] = "fchown",
	};

	return operation < sizeof(names) / sizeof(names[0]) && names[operation] ? names[operation] :
	       names[SLIM_OPERATION_UNSPEC];
}

static void say_attack(const struct guard_event *event)
{
	static struct log_limit limit = { .burst = 5 };
	const struct container *container = container_by_id(event->container);

	__atomic_fetch_add(&counters.guard_attacks, 1 + event->missed, __ATOMIC_RELAXED);
	if (!log_limit_ok(&limit))
		return;
	log_warning("container %s: process %u tried what a connection of a container's must not: %s (%u, %u), refused; "
		    "%u more were not told", container ? container->name : "?", event->pid,
		    operation_name(event->operation), event->level, event->number, event->missed);
}

static void take_event(const struct guard_event *event)
{
	struct ledger_entry *entry;

	if (event->event == SLIM_EVENT_ATTACK)
		say_attack(event);
	if (event->event != SLIM_EVENT_GONE)
		return;
	entry = ledger_find(event->cookie);
	if (entry)
		ledger_remove(entry);
}

static void live_handle(struct loop_event *event, uint32_t unused)
{
	(void)event, (void)unused;
	guard_link_read(live.sock, take_event);
}

void guard_live_begin(struct loop *control)
{
	guard_live_end();
	live.loop = control;
	/* Without it, the ledger's sweep finds out a little later. */
	if (guard_link_listen(&live.sock))
		return;
	live.event.fd = nl_socket_get_fd(live.sock);
	live.event.handle = live_handle;
	if (!loop_add(live.loop, &live.event, EPOLLIN))
		return;
	nl_socket_free(live.sock);
	live.sock = NULL;
}

void guard_live_end(void)
{
	if (!live.sock)
		return;
	loop_remove(live.loop, &live.event);
	nl_socket_free(live.sock);
	live.sock = NULL;
}

/* --- after a start --- */

struct restoring {
	unsigned int num;
	int err;
};

static struct slim_endpoint endpoint_of(const struct slim_address *address)
{
	struct slim_endpoint endpoint = { .port = address->port };

	memcpy(endpoint.addr, address->addr, sizeof(endpoint.addr));
	return endpoint;
}

static void restore(const struct guard_socket *socket, void *data)
{
	struct restoring *restoring = data;
	struct ledger_entry *entry;

	if (ledger_find(socket->cookie) || !container_by_id(socket->container))
		return;
	entry = calloc(1, sizeof(*entry));
	if (!entry) {
		restoring->err = -ENOMEM;
		return;
	}
	entry->cookie = socket->cookie;
	entry->vni = socket->vni;
	entry->peer_vni = socket->peer_vni;
	entry->container_id = socket->container;
	entry->local = endpoint_of(&socket->local);
	entry->peer = endpoint_of(&socket->peer);
	entry->direction = socket->flags & SLIM_SEAL_ACCEPTED ? LEDGER_IN : LEDGER_OUT;
	entry->domain = socket->flags & SLIM_SEAL_IPV4 ? AF_INET : AF_INET6;
	entry->created_at = loop_now(live.loop);
	if (!ledger_add(entry))
		restoring->num++;
}

int guard_live_restore(struct guard_link *link)
{
	struct restoring restoring = { 0 };
	int err = guard_link_each(link, restore, &restoring);

	if (err)
		log_warning("slim.ko cannot say which connections there are: %s", strerror(-err));
	if (restoring.num)
		log_info("slim.ko knows %u connections that the state files do not", restoring.num);
	return restoring.err;
}
