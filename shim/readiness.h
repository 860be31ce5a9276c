/* SPDX-License-Identifier: MIT */
/*
 * readiness.h - registrations in epoll sets, which belong to a socket and not to its fd
 */
#ifndef SHIM_READINESS_H
#define SHIM_READINESS_H

#include "fdtable.h"

#define READINESS_MAX	16

struct readiness {
	unsigned int num;
	struct fdtable_watch watches[READINESS_MAX];
};

/*
 * Removes @fd's registrations from the epoll sets of this process and remembers them.
 * @entry: what is known of its socket; NULL: /proc/self tells, slowly.
 */
void readiness_take(struct readiness *out, int fd, const struct fdtable_entry *entry);

/* Registers @fd again, as it was. */
void readiness_give(const struct readiness *watches, int fd);

#endif
