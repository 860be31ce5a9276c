/* SPDX-License-Identifier: MIT */
/*
 * shaping_live.h - changes the rate, TOS, priority and mark of connections that live
 *
 * Theory of operation: the router has no descriptor of a connection that it has handed over, and
 * could not use one: whoever holds a socket's lock makes setsockopt(2) wait. So a BPF program does it,
 * in the socket's own context, when an acknowledgement comes: it looks the cookie up among the
 * changes that the router has left for it. Of an idle connection nothing need change; it does with the
 * first bytes that it sends.
 *
 * The program is called for all sockets of the host when they are established, and asks to be called
 * for acknowledgements by those that carry the mark of slim connections (ruleset_rates.h), which is why
 * slim ports carry it, too. It is attached to the root of the cgroups, since a socket belongs for ever
 * to the cgroup of the router that made it, which may be gone. It ends with the router; sockets that
 * were established while none ran are not changed.
 *
 * Where the kernel or a filter of system calls refuses any of that (or a cgroup's owner), live
 * connections keep what they have.
 */
#ifndef SHAPING_LIVE_H
#define SHAPING_LIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "shaping.h"

/* Once. What is refused is logged. Ends with the router. */
void shaping_live_init(void);

/* Can connections be changed? Else the functions below do nothing. */
bool shaping_live_is_possible(void);

/*
 * The connection of that host socket is to have @now; it had @before. Any one thread at a time, as
 * below. 0, -ENOMEM, or -E2BIG: too many changes wait
 */
int shaping_live_change(uint64_t cookie, const struct shaping *before, const struct shaping *now);

/* The same for its mark: it is to be that container's. */
int shaping_live_mark(uint64_t cookie, uint32_t container_id);

/* Forgets changes that are done, and those of sockets that @lives is false of. */
void shaping_live_tidy(bool (*lives)(uint64_t cookie));

#endif
