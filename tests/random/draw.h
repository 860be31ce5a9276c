/* SPDX-License-Identifier: MIT */
/*
 * draw.h - steps by chance
 */
#ifndef RANDOM_DRAW_H
#define RANDOM_DRAW_H

#include "model.h"

#define PLAN_MAX	24

/* A source of steps for play_run() */
struct draw {
	uint64_t random;		/* the state that a seed begins */
	int left;			/* steps until the script ends */
	struct step plan[PLAN_MAX];	/* what is to come, between other steps */
	int planned, at;
};

/* A script of so many steps, by that seed */
void draw_init(struct draw *draw, uint64_t seed, int steps);

bool draw_next(void *draw, struct model *model, struct step *step);

#endif
