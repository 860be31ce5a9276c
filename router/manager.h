/* SPDX-License-Identifier: MIT */
/*
 * manager.h - the service manager that started us, where there is one
 *
 * What systemd offers to a service, and nothing where it (or whoever speaks its protocols,
 * sd_notify(3) and sd_listen_fds(3)) is not there: it is told how we are, gives us sockets
 * that it has opened, and keeps descriptors for the router after this one ("fd store").
 *
 * Whatever it hands over at the start is found by what it is and not by its name or place
 * (inherited.h), so that a descriptor too many does no harm.
 */
#ifndef MANAGER_H
#define MANAGER_H

#include <stdbool.h>
#include <stddef.h>

#include "config.h"
#include "loop.h"

/*
 * Reads what it has told us; before there are threads, in the process that it started. Returns how many
 * descriptors it has handed over, from 3 on; they are not inherited by what we execute.
 */
int manager_init(const struct config *config);

/* Did it open the control socket itself? Then that stays where it is. */
bool manager_has_control(void);

/* Is there one that wants to be told? */
bool manager_listens(void);

/* The router serves; from now on the manager is told in time that @loop still runs, where it asked
 * for that (WatchdogSec). */
void manager_ready(struct loop *loop, const char *status);
void manager_stopping(const char *status);

/* Has it keep @fds as @name; they stay ours as well. 0 or -errno (-ENOTCONN: there is none) */
int manager_store(const char *name, const int *fds, size_t num);

/* It need not keep any longer what it has as @name. */
void manager_forget(const char *name);

/* Waits, not for long, until it has heard all that it was told. */
void manager_flush(void);

#endif
