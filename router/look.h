/* SPDX-License-Identifier: MIT */
/*
 * look.h - which of some sockets listen
 *
 * The kernel names listening sockets all at once only, and takes the longer the more
 * there are. So all that is to be known of a container's is asked in one go.
 */
#ifndef LOOK_H
#define LOOK_H

#include <stddef.h>
#include <stdint.h>

#include "diag.h"

struct container;

struct look_socket {
	uint64_t cookie;
	struct diag_socket socket;	/* family 0: it does not listen */
};

/* @sockets: by cookie, once it has run */
struct look {
	size_t num, max;
	struct look_socket sockets[];
};

/* To be freed with free(3). NULL: no memory. @max: sockets that may be added */
struct look *look_new(size_t max);
void look_add(struct look *look, uint64_t cookie);

/*
 * Asks the kernel. Any thread outside of read sections, or before there are any; waits for whoever
 * else asks about the container. 0 or -errno.
 */
int look_run(struct look *look, struct container *container);

/* What became of one that was added (or else NULL). */
const struct diag_socket *look_find(const struct look *look, uint64_t cookie);

#endif
