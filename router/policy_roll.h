/* SPDX-License-Identifier: MIT */
/*
 * policy_roll.h - keeps the policy in force up to date with who is called how
 *
 * Containers come, go, and get other labels. Nothing of a new container is announced, and no attach is
 * answered, before the policy counts it among those that it speaks of. Of other hosts' containers so
 * much is taken up at once as takes a fifth of the time in the long run; beyond that (a peer that changes
 * its mind all the time) it waits, and goes in one go. Control thread, but where something else is said.
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

/* The same if a container of this host has changed. */
void policy_roll_settle(void);

#endif
