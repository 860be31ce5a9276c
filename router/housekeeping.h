/* SPDX-License-Identifier: MIT */
/*
 * housekeeping.h - the ledger's sweep, now and then
 */
#ifndef HOUSEKEEPING_H
#define HOUSEKEEPING_H

#include "loop.h"

/* Control thread; the peers are there. 0 or -errno, logged. */
int housekeeping_start(struct loop *control);
void housekeeping_stop(void);

/* A connection was set up, so one may end soon: no sweep is far off any more. Any thread. */
void housekeeping_set_up(void);

/* Somebody waits for a connection to be known as closed: sweep soon. Any thread. */
void housekeeping_hurry(void);

#endif
