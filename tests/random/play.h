/* SPDX-License-Identifier: MIT */
/*
 * play.h - one script, step by step, in both worlds
 */
#ifndef RANDOM_PLAY_H
#define RANDOM_PLAY_H

#include "model.h"
#include "world.h"

/* How a difference showed */
enum difference {
	DIFFERENT_RESULT,	/* of a call */
	DIFFERENT_LOOK,		/* of a socket, afterwards */
	DIFFERENT_RETURN,	/* in one world it has, in the other it has not */
	DIFFERENT_END,		/* an actor hangs or has died */
};

struct sort {
	int op;			/* enum op of the step at which it showed */
	enum difference kind;
};

struct play {
	struct world worlds[2];		/* the plain one, and Slim's */
	bool near;			/* one container */
	bool apart;			/* two hosts */
	bool both;			/* both sides have the shim */
	int patience_ms;		/* so long the worlds may take to become the same */
	uint16_t ports;			/* p0 */
	struct model model;
	struct script done;		/* what has been played */
	char difference[512];		/* empty: there was none */
	struct sort sort;
	unsigned long scripts, steps, blocked;
	bool verbose;
};

/* Gives the next step; false: the script is over. */
typedef bool play_source(void *context, struct model *model, struct step *step);

/* Plays what @source gives, until a difference. Returns whether there was one. */
bool play_run(struct play *play, play_source *source, void *context);

/* Plays a script; steps that make no sense at their point are left out. */
bool play_script(struct play *play, const struct script *script);

#endif
