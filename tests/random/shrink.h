/* SPDX-License-Identifier: MIT */
/*
 * shrink.h - a script with a difference becomes as short as can be
 */
#ifndef RANDOM_SHRINK_H
#define RANDOM_SHRINK_H

#include "play.h"

/*
 * Plays the script again, at most so many times, until it shows a difference of
 * that sort. Returns how many times it
 * was played, or 0 if it never did.
 */
int shrink_confirm(struct play *play, const struct script *script, struct sort sort, int times);

/* Leaves out of @script what a difference of that sort does not need. */
void shrink_script(struct play *play, struct script *script, struct sort sort, int times);

#endif
