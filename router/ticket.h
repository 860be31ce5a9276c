/* SPDX-License-Identifier: MIT */
/*
 * ticket.h - local connections that tell a listener that a slim connection waits
 *
 * Theory of operation: a ticket is a socket inside the container's namespace,
 * bound to the reserved loopback address and a port of its own above the range that
 * programs get theirs from. It is used again and again: connect to the listener; when
 * the slim connection has been claimed or given up, connect to AF_UNSPEC, which resets the
 * connection (so that neither end lingers in TIME_WAIT) and leaves the socket as it was. Where
 * several sockets listen (SO_REUSEPORT) it is used once: the kernel chooses among them by the
 * port, and a few ports would always choose the same few.
 */
#ifndef TICKET_H
#define TICKET_H

#include <stdbool.h>
#include <stdint.h>
#include <urcu.h>
#include <urcu/rculfhash.h>

#include "../include/slim/endpoint.h"

struct container;
struct inbound;

struct ticket {
	int fd;
	int family;
	uint16_t port;			/* source port: what claims it */
	uint64_t cookie;
	uint64_t rested_at;		/* ms of CLOCK_MONOTONIC: may be used again */
	struct container *container;	/* reference held while out of the pool */
	uint32_t container_id;
	struct inbound *inbound;	/* atomic: what it stands for */
	struct cds_lfht_node node;
	struct rcu_head rcu;
};

int tickets_init(void);

/* From the pool or new ones; holds a reference on @container. NULL with errno set. */
struct ticket *ticket_get(struct container *container, int family);

/*
 * One that an earlier router connected: owns @fd, holds a reference on @container. NULL: no memory,
 * or the container goes (then @fd is the caller's).
 */
struct ticket *ticket_adopt(struct container *container, int fd, int family, uint16_t port);

/*
 * Connect to a listener of the container's. 0: on its way (over loopback it has as a rule arrived
 * when this returns); else -errno.
 */
int ticket_connect(struct ticket *ticket, const struct slim_endpoint *listener);

/*
 * One that waits for room tries again at once, rather than when TCP would (after seconds, and
 * all of them at the same time). 0 or -errno.
 */
int ticket_again(struct ticket *ticket, const struct slim_endpoint *listener);

/* 0: it is in the accept queue, accepted, or deferred; -EALREADY: still on its way, the queue
 * is full; -ECONNREFUSED: it came to nothing. */
int ticket_check(const struct ticket *ticket);

/* What it stands for, for those who know its name. */
void ticket_set_inbound(struct ticket *ticket, struct inbound *inbound);

/*
 * What the ticket that a container's program has accepted from @name stands for; NULL: nothing.
 * Read lock held.
 */
struct inbound *ticket_inbound(const struct container *container,
			       const struct slim_endpoint *name);

/*
 * Both streams have come to their ends: when it is given back, its connection is not reset, and what the program has
 * yet to read reaches it.
 */
void ticket_finish(const struct ticket *ticket);

/*
 * Resets its connection, if any, and gives it back: it stands for nothing any more. Not to be watched
 * by any loop now. @reusable: false if a program may still come with a claim of it, having
 * slept since it accepted it, or if it should have another port the next time; then its port
 * is not soon used again.
 */
void ticket_put(struct ticket *ticket, bool reusable);

/* Closes those that a burst has left and nobody needs. Any thread. */
void tickets_trim(struct container *container);

/* Closes a container's idle tickets; nobody else uses it any more. */
void tickets_close(struct container *container);

#endif
