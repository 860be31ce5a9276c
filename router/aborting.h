/* SPDX-License-Identifier: MIT */
/*
 * aborting.h - the connections of a container that is detached
 *
 * Its address may be another container's tomorrow: nothing may live on. So what cannot be
 * aborted for want of files or memory is tried again until it is.
 */
#ifndef ABORTING_H
#define ABORTING_H

#include <stdint.h>

#include "aside.h"
#include "loop.h"

struct container;

/* Part of each container; zero-filled at first. */
struct aborting {
	struct aside aside;
	struct loop_timer again;
	struct loop *control;
	uint64_t *cookies;
	size_t num;
	int error;			/* of the last try */
};

/*
 * Aborts all of @container's connections, by and by, in a thread of its own; holds a
 * reference until then. @container is withdrawn already, and gets no more of them. Control
 * thread (@control), under the read lock.
 */
void aborting_start(struct container *container, struct loop *control);

#endif
