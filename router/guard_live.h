/* SPDX-License-Identifier: MIT */
/*
 * guard_live.h - what slim.ko knows of live connections
 *
 * It tells when a sealed socket is gone, and what was refused to whoever holds one; and which there are, to a
 * router that has just started. Control thread.
 */
#ifndef GUARD_LIVE_H
#define GUARD_LIVE_H

#include "loop.h"

struct guard_link;

/* There is a module from now on; or there is none. What was begun is ended first. */
void guard_live_begin(struct loop *control);
void guard_live_end(void);

/*
 * Enters connections in the ledger that are not there: an earlier router could not write down all of them. After
 * ledger_restore(). 0 or -ENOMEM.
 */
int guard_live_restore(struct guard_link *link);

#endif
