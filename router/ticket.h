/* SPDX-License-Identifier: MIT */
/*
 * ticket.h - local connections that tell a listener that a slim connection waits
 *
 * Theory of operation: a ticket is a socket inside the container's namespace,
 * bound to the reserved loopback address and a port of its own above the range that
 * programs get theirs from. It is used again and again: connect to the listener; when
 * the slim connection has been claimed or given up, connect to AF_UNSPEC, which resets the
 * connection (so that neither end lingers in TIME_WAIT) and leaves the socket as it was.
 */
#ifndef TICKET_H
#define TICKET_H

#include <stdint.h>

#include "../include/slim/endpoint.h"

struct container;

struct ticket {
	int fd;
	int family;
	uint16_t port;			/* source port: what claims it */
	uint64_t rested_at;		/* ms of CLOCK_MONOTONIC: may be used again */
	struct container *container;	/* reference held while out of the pool */
};

/* From the pool or new ones; holds a reference on @container. NULL with errno set. */
struct ticket *ticket_get(struct container *container, int family);

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

/* Resets its connection, if any, and gives it back. Not to be watched by any loop now. */
void ticket_put(struct ticket *ticket);

/* Closes those that a burst has left and nobody needs. Any thread. */
void tickets_trim(struct container *container);

/* Closes a container's idle tickets; nobody else uses it any more. */
void tickets_close(struct container *container);

#endif
