/* SPDX-License-Identifier: MIT */
/*
 * slot.h - the channels that a process keeps, and who uses one at this moment
 */
#ifndef SHIM_SLOT_H
#define SHIM_SLOT_H

#include <stdbool.h>
#include <stdint.h>

#define SLOTS		32

/* But for what is atomic, of the thread that has taken it */
struct slot {
	uint32_t taken;			/* atomic */
	int fd;
	uint64_t cookie;		/* 0: no channel */
	int passing_fd;			/* by which descriptors come */
	uint64_t passing_cookie;	/* 0: they come with the replies */
	uint32_t next_id;
	uint32_t late;			/* atomic: a reply is still owed */
	uint32_t probe;			/* ... and it is of no other use than to come */
	uint32_t pid;			/* whose it is */
};

/* What this process alone has: emptied by fork. Slots first, all else is of those who are named. */
struct state {
	struct slot slots[SLOTS];
	uint32_t opened;		/* atomic: the inherited ones are closed */
	uint32_t world_writing;		/* world.c; atomic */
	uint64_t ask_at;		/* late.c; ms; atomic: it is slow, and asked anew then; 0: it answers */
	uint64_t recent_until;		/* channel.c; ms; atomic: as long the world is not asked for again */
};

/* NULL: there is no memory */
struct state *slot_state(void);

/* The same, where there is one already; NULL: nothing was ever asked */
struct state *slot_state_known(void);

/* Is it one of @state's, and not one for the occasion? */
bool slot_is_kept(const struct state *state, const struct slot *slot);

/* A vforked child shares the slots with its parent, though not the descriptors: is it that one's? */
bool slot_is_parents(const struct slot *slot);

/*
 * slot_take() - one that nobody else uses
 * @late:	one that is owed an answer if there is one; else another one first
 *
 * The caller holds the signals until it gives it back. NULL: all are taken; does not wait.
 */
struct slot *slot_take(struct state *state, bool late);

/* The same with this one. Returns whether it is the caller's now. */
bool slot_try(struct slot *slot);
void slot_give(struct slot *slot);

/* Its channel is @fd from now on, and has no other socket yet. */
void slot_open(const struct state *state, struct slot *slot, int fd);

/* Descriptors come by @fd from now on. What cannot be told from a file of the program's, or is one too many, is closed. */
void slot_open_passing(const struct state *state, struct slot *slot, int fd);

/* There is none any more. What the program has closed, or put another file in the place of, is forgotten. */
void slot_close(struct slot *slot);

/* Is the channel what @slot->fd names still? One system call */
bool slot_is_there(const struct slot *slot);

/* The same of its passing socket; not where there is none */
bool slot_has_passing(const struct slot *slot);

/* A request's, never 0 */
uint32_t slot_next_id(struct slot *slot);

/* What fork left us of the parent's channels is closed, the first time. */
void slot_close_inherited(struct state *state);

/*
 * Closes the channels that nobody uses, and that count against the limit of descriptors as it is now. Returns whether
 * there were any. The caller holds the signals.
 */
bool slot_make_room(void);

/* Has this process a channel? */
bool slot_any_open(void);

#endif
