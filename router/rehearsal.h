/* SPDX-License-Identifier: MIT */
/*
 * rehearsal.h - could this program take over from the router that runs?
 *
 * What a router asks of the program that is to take its place, before it gives itself
 * up (upgrade.h): goes the way of a start as far as nothing is touched. All of main(), the
 * configuration, the host, the state files, whose forms must be those that this program
 * reads, and the keeper with a child of it.
 */
#ifndef REHEARSAL_H
#define REHEARSAL_H

#include "config.h"

/* What it says when all is well, on a line of its own, before the version */
#define REHEARSAL_WORD	"ready to take over: slimrouter "

/* Returns an exit status; says on standard error what is wrong. */
int rehearsal_run(const struct config *config);

#endif
