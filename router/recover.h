/* SPDX-License-Identifier: MIT */
/*
 * recover.h - slim connections that an earlier router had in its hands
 */
#ifndef RECOVER_H
#define RECOVER_H

#include "config.h"

/* Of its descriptors at the service manager */
#define RECOVER_NAME	"inflight"

/*
 * Takes up what inherited.h has and inflight.h describes, and closes the rest. After containers, listeners,
 * ledger and workers are there. Read lock held. 0 or -ENOMEM: what has not been taken up is left to
 * another start.
 */
int recover_connections(const struct config *config);

/*
 * Gives the same to the service manager (manager.h), and leaves the records as they are. No router
 * runs: in a child that the keeper starts for it. What the manager does not keep is reset.
 */
void recover_give_away(const struct config *config);

#endif
