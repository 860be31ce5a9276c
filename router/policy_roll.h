/* SPDX-License-Identifier: MIT */
/*
 * policy_roll.h - keeps the policy in force up to date with who is called how
 *
 * Containers come, go, and get other labels. Nothing of a new container is announced, and no attach is
 * answered, before the policy counts it among those that it speaks of. Control thread, but where
 * something else is said.
 */
#ifndef POLICY_ROLL_H
#define POLICY_ROLL_H

#include <stdint.h>

#include "loop.h"

/* Watches the directory, which is there already. */
void policy_roll_init(struct loop *control);
/* What an earlier router had is there: from now on peers have half a minute to tell what they have. */
void policy_roll_begin(void);
void policy_roll_exit(void);

/* How often the directory has changed. Any thread */
uint64_t policy_roll_changes(void);

/* Puts the same policy in force with members as they are now, and begins to cut what is no longer
 * allowed. */
void policy_roll(void);

/* The same if there is need. */
void policy_roll_settle(void);

#endif
