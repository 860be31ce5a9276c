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

#include <stdbool.h>

#include "config.h"

/*
 * Makes the directory, for root alone; logs what is wrong with it. 0, or -EBUSY: another router
 * uses it. @deaths: so many
 * routers were killed soon after they had begun (keeper.h). Whatever it is that kills them, it may lie
 * there: connections under way are forgotten first; if that does not help, everything is.
 */
int state_init(const struct config *config, unsigned int deaths);

/* Does a router that runs keep its state there? */
bool state_is_in_use(const struct config *config);

/* Removes it and what is in it. */
void state_remove(void);

/* Its path, or NULL: there is none to be had. */
const char *state_directory(void);

#endif
