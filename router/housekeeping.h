/* SPDX-License-Identifier: MIT */
/*
 * housekeeping.h - the ledger's sweep, now and then
 */
#ifndef HOUSEKEEPING_H
#define HOUSEKEEPING_H

#include "config.h"
#include "loop.h"

/* Control thread. 0 or -errno. */
int housekeeping_start(const struct config *config, struct loop *control);
void housekeeping_stop(void);

#endif
