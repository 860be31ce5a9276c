/* SPDX-License-Identifier: MIT */
/*
 * state.h - the directory of the state files
 *
 * What the router must know again after a crash: containers, listeners, connections, keys,
 * open files. Each module keeps its own file there (see statefile.h); where the directory
 * cannot be used, the router works all the same, and forgets all when it ends.
 */
#ifndef STATE_H
#define STATE_H

#include "config.h"

/* Makes the directory, for root alone; logs what is wrong with it. Always 0. */
int state_init(const struct config *config);

/* Its path, or NULL: there is none to be had. */
const char *state_directory(void);

#endif
