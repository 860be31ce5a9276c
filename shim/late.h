/* SPDX-License-Identifier: MIT */
/*
 * late.h - a router that does not answer in time
 */
#ifndef SHIM_LATE_H
#define SHIM_LATE_H

#include <stdbool.h>

struct slot;
struct state;

/* The router has answered somebody. */
void late_answered(struct state *state);

/* An answer is still owed on the slot's channel. */
void late_owe(struct state *state, struct slot *slot);

/*
 * A new channel in the slot: an answer on it says that the router is back. Where there can be none
 * (its queue is full), it is no less slow.
 */
void late_probe(struct state *state, struct slot *slot);

/*
 * Whether an answer is still owed on this channel; what has come is thrown away. -ECHILD: a vforked child has closed
 * what its parent still has. The slot is the caller's, and may have no channel afterwards.
 */
int late_look(struct state *state, struct slot *slot);

/* Is it of no use to ask the router now? Asks it anew, once a second. The caller holds the signals, and no slot. */
bool late_is_slow(struct state *state);

#endif
