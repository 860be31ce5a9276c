/* SPDX-License-Identifier: MIT */
/*
 * order.h - what coordinator and actors say to each other, over a SOCK_SEQPACKET socket pair
 */
#ifndef RANDOM_ORDER_H
#define RANDOM_ORDER_H

#include <stdint.h>
#include <sys/types.h>

#include "step.h"

#define CONTROL_FD	900	/* an actor's end of the pair: this, and its number */
#define FD_LAST		511	/* the shim's own are above, and so are the pairs */

struct order {
	struct step step;
	int fd[STEP_ARGS];	/* of those arguments that are slots */
	uint16_t ports;		/* p0 */
};

#define REPLY_TEXT	256

struct reply {
	int ret, error;
	pid_t pid, tid;
	char text[REPLY_TEXT];	/* what is compared; ~N: a port that the kernel chose */
};

/* Sends @len bytes with descriptor @fd, unless that is -1. 0 or -errno */
int order_send(int socket, const void *data, size_t len, int fd);

/*
 * Receives at most @len bytes, and a descriptor or -1 in @fd. Returns the length, 0 at the end,
 * or -errno.
 */
ssize_t order_receive(int socket, void *data, size_t len, int *fd, int flags);

#endif
