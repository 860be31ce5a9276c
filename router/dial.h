/* SPDX-License-Identifier: MIT */
/*
 * dial.h - waiting for a host socket to be connected
 *
 * For the connections whose preamble cannot go in the SYN. A worker's; it goes on with others
 * meanwhile.
 */
#ifndef DIAL_H
#define DIAL_H

#include <stdint.h>
#include <urcu.h>
#include <urcu/list.h>

#include "loop.h"

struct worker;

struct dial {
	struct cds_list_head node;	/* worker->dials */
	struct loop_event event;	/* its descriptor is the caller's */
	struct loop_timer timer;
	struct worker *worker;
	void (*done)(struct dial *dial, int err);
};

/*
 * @fd, of O_NONBLOCK, is connecting: says @done, once, with 0 or what connect(2) came to (as -errno), or
 * -ETIMEDOUT after @ms, or -ECANCELED when the worker stops. What is in @dial must not be freed
 * before the present batch of events is over (call_rcu()). 0 or -errno, and @done is not said.
 */
int dial_start(struct dial *dial, struct worker *worker, int fd, unsigned int ms,
	       void (*done)(struct dial *dial, int err));

/* The worker stops. */
void dial_cancel(struct dial *dial);

#endif
