/* SPDX-License-Identifier: MIT */
/*
 * listener.h - listening sockets of this host's containers
 *
 * Theory of operation: a shim names a listening socket by its cookie; the control
 * thread asks sock_diag in the container's namespace what it is, and
 * registers it. Each address and port that it serves (one for each attached address, where it
 * listens on all) is an endpoint, which is announced once however many sockets share
 * it (SO_REUSEPORT). Sockets close without telling: a hint (UNLISTEN, a refused
 * ticket, a closed channel) or the periodic sweep compares the registered ones with
 * what sock_diag shows. Nothing about the socket itself is ever touched.
 *
 * A look at a container's sockets takes long where there are many, and the container decides how many
 * there are and how often it gives cause to look. So a look is made aside (aside.h), one at a time
 * for each container; it answers all requests and hints that came before it; and all looks of a container
 * together take no more than a fifth of a processor, after the first half second.
 */
#ifndef LISTENER_H
#define LISTENER_H

#include <stdbool.h>
#include <stdint.h>
#include <urcu.h>
#include <urcu/list.h>
#include <urcu/rculfhash.h>

#include "../include/slim/endpoint.h"
#include "loop.h"

struct statefile_layout;

/* Of its state file */
extern const struct statefile_layout listener_layout;

struct container;
struct look;

/* A container's looks; control thread */
struct listener_looks {
	struct cds_list_head requests;	/* to be answered by the next one */
	bool under_way, wanted;
	uint64_t due;			/* us of CLOCK_MONOTONIC: paid for until then */
	struct loop_timer timer;
	struct loop_timer again;	/* a program has ended, or is about to */
};

/* What workers read. */
struct listener_endpoint {
	struct container *container;
	uint32_t vni;
	uint32_t serial;		/* tells it from one of the same name before or after */
	uint16_t domain;		/* AF_INET or AF_INET6: of its (first) socket */
	struct slim_endpoint name;	/* virtual */
	unsigned int flags;		/* SLIM_LISTEN_*: of any of its sockets */
	uint64_t options;		/* of all its sockets together */
	bool shared;			/* atomic: several sockets have it (SO_REUSEPORT) */
	unsigned int held;		/* atomic: tickets that wait for room in its queue */
	bool busy;			/* atomic: said to be */

	unsigned int sockets;		/* control thread */
	struct cds_lfht_node node;
	struct rcu_head rcu;
};

int listeners_init(struct loop *control);

/*
 * Keeps records in @directory from now on, and registers anew what is recorded there of
 * containers that are. Control thread, after containers were restored. Returns how many listeners,
 * or -errno (logged); where files or memory are wanting, all is left to another start.
 */
int listeners_restore(const char *directory);

/* What is withdrawn from now on stays recorded. */
void listeners_keep(void);

/* Any thread, under the read lock. */
struct listener_endpoint *listener_find(uint32_t vni, const struct slim_endpoint *name);

/*
 * Any thread: no slim connection goes there, because of what the container is (packet_only), or of what one of
 * the sockets that share it is (SLIM_LISTEN_PACKET): a ticket could be any one's of them.
 */
bool listener_keeps_packet(const struct listener_endpoint *endpoint);

/*
 * Any thread: a ticket waits for room at the endpoint with that name and number, or waits no
 * longer. Tells the peers when that begins and ends. Returns how many wait.
 */
unsigned int listener_held(uint32_t vni, const struct slim_endpoint *name, uint32_t serial,
			   int change);

/*
 * Any thread: look soon whether the container's listeners are all still there. @ending: and once more a moment later, for a
 * program that ends closes its channel before its listeners (what a task owes is done last first)
 */
void listener_check_soon(struct container *container, bool ending);

/* --- control thread --- */

/**
 * struct listener_request - a shim has named a listening socket
 * @cookie:	its SO_COOKIE
 * @flags:	SLIM_LISTEN_*
 * @options:	opaque, for claims
 * @done:	called in the control thread, once; owns the request from then on. @err: 0, -ENOENT
 *		(no such listening socket in the container's namespace), -ENOSPC (limit),
 *		-EADDRNOTAVAIL (on none of its attached addresses), -ESHUTDOWN (detached), -EOPNOTSUPP
 *		(the container was attached to the packet path)
 */
struct listener_request {
	struct cds_list_head node;
	uint64_t cookie, options;
	unsigned int flags;
	void (*done)(struct listener_request *request, int err);
};

/* Again for the same cookie: flags and options are updated. @done may be called at once. */
void listener_register(struct container *container, struct listener_request *request);

/* Compares with sock_diag soon, and withdraws what is gone. */
void listener_sweep(struct container *container);

/* The container's @packet_only has changed: peers are told of its listeners, or not any more. */
void listener_follow_path(struct container *container);

/* Withdraws all (detach); the container is dead. */
void listener_withdraw_all(struct container *container);

/* Calls back for each endpoint. */
void listener_each(void (*each)(const struct listener_endpoint *endpoint, void *data),
		   void *data);

#endif
