/* SPDX-License-Identifier: MIT */
/*
 * world.h - two namespaces and the actors in them: one world is plain, the other has Slim
 *
 * Theory of operation: a seat is an actor's place in a world. Orders go out to a seat, and it is busy
 * until its reply is there, which may be long after: an actor may be blocked in a call. Of the sockets
 * that actors hold, the coordinator takes descriptors of its own for a moment (pidfd_getfd), to
 * see what state they are in: the actors make no call for that, so the shim learns nothing of it.
 */
#ifndef RANDOM_WORLD_H
#define RANDOM_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "order.h"
#include "place.h"

struct seat {
	bool alive;
	bool busy;
	bool died;			/* without having been told to */
	pid_t pid, tid;
	int pidfd;
	int control;
	int passed;			/* the descriptor that came with the reply, or -1 */
	struct reply reply;
};

/* What one sees of a socket without changing anything of it */
struct sight {
	bool open, socket;
	uint8_t state;			/* of TCP */
	short events;
	int readable;			/* bytes */
};

#define WORLD_EPHEMERAL	64

struct world {
	const char *name;
	const char *spaces[2];		/* namespaces of A and B; a path */
	const char *preload;		/* the shim, or NULL */
	bool preloaded[2];		/* at the ends of A and B */
	char **addresses;
	struct seat seats[ACTORS];
	uint16_t ephemeral[WORLD_EPHEMERAL];	/* ports that the kernel chose, in the order of their appearance */
	int ephemeral_num;
};

/* Starts the four actors that every script begins with. 0 or -errno */
int world_start(struct world *world);

/* Ends all actors. */
void world_stop(struct world *world);

/* An order to an actor; the seat is busy then. @fd goes with it, or -1. */
void world_order(struct world *world, int actor, const struct order *order, int fd);

/* Makes a seat for a new actor, which is busy until that greets. Returns the end that is to be
 * passed to it, or -errno. */
int world_seat(struct world *world, int actor);

/* Waits for at most @ms until a busy seat of either world has a reply, and takes all that are there. */
void world_collect(struct world *worlds, int ms);

/* Waits until the seat is not busy. False: it took too long. */
bool world_wait(struct world *world, int actor, int ms);

void world_signal(struct world *world, int actor, int signal);

/*
 * Waits until the seat's process has ended, and all its descriptors are closed. False: it took
 * too long.
 */
bool world_wait_end(const struct world *world, int actor, int ms);

/* Ends a seat whose actor has gone. */
void world_leave(struct world *world, int actor);

struct sight world_look(const struct world *world, int actor, int fd);

/* Replaces ports that the kernel chose (~N) by names that count from the script's beginning; @alike: by
 * one name for all */
void world_name_ports(struct world *world, char *text, bool alike);

/*
 * Brings all to the state in which a script begins; new actors where old ones do not answer.
 * False: some did not.
 */
bool world_reset(struct world *world);

#endif
