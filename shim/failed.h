/* SPDX-License-Identifier: MIT */
/*
 * failed.h - host sockets that are not connected, or no more
 */
#ifndef SHIM_FAILED_H
#define SHIM_FAILED_H

#include <stdbool.h>

#include "fdtable.h"

/*
 * What the kernel still has to say of an earlier attempt on the socket, which is thereby said; -EINVAL:
 * nothing, and the socket is neither connecting nor connected. Where that was the error of an attempt, the socket
 * is such a one from then on.
 */
int failed_owed(int fd);

/* May there be such a host socket under a number of which there is no note? A connect has failed, or was undone. */
bool failed_any(void);
void failed_note(void);

/* Was the host socket that @fd names shut down while it was connecting? Then it is as good as a new one. */
bool failed_undone(int fd, const struct fdtable_entry *entry);

/*
 * A connect on the host socket that @fd names has failed, or it was dissolved; natively it is used anew. So @fd gets a
 * socket of the container's with the same options, bound to what the application bound it to (but for a port that
 * the kernel chose). 0 or -errno.
 */
int failed_return(int fd, const struct fdtable_entry *entry);

/* What the container's own bind says to @addr where the socket cannot be bound any more. -errno */
int failed_bind(uint16_t domain, const void *addr, uint32_t len);

#endif
