/* SPDX-License-Identifier: MIT */
/*
 * recover.h - slim connections that an earlier router had in its hands
 */
#ifndef RECOVER_H
#define RECOVER_H

#include "config.h"

/*
 * Takes up what inherited.h has and inflight.h describes, and closes the rest. After containers, listeners,
 * ledger and workers are there. Read lock held.
 */
void recover_connections(const struct config *config);

#endif
