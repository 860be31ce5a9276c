/* SPDX-License-Identifier: MIT */
/*
 * channel.h - this process's connections to the host's router
 */
#ifndef SHIM_CHANNEL_H
#define SHIM_CHANNEL_H

#include <stdbool.h>

#include "question.h"
#include "world.h"

/*
 * The world as the router described it; opens a channel on first use. NULL where no
 * router answers (for now).
 */
const struct world *channel_world(void);

/* The same, as it was a second ago at the most, where a router answers. */
const struct world *channel_world_recent(void);

/* Asks the router anew, who may be another one by now; the world is then as it says. */
void channel_refresh(void);

/**
 * channel_ask() - one question and its answer, with which no fd may come
 *
 * Signals are blocked meanwhile; waits SLIM_CHANNEL_DEADLINE ms at the most.
 * Returns 0, or -errno: there is no router to talk to, do without.
 */
int channel_ask(const struct question *question);

/*
 * The same for what must be told even so: where the router is late, or has gone away meanwhile, the request
 * is left on a channel of its own, for it to read when it is back (the error is the same all the same).
 */
int channel_ask_or_leave(const struct question *question);

/* The same, for an answer with which an fd may come. The caller holds the signals, until the fd is where it belongs. */
int channel_ask_fd(const struct question *question);

/* A request that has no reply; not sent where no channel is open. */
void channel_tell(const struct question *question);

/*
 * The program has no descriptor left: gives back those of channels that nobody uses now. Returns
 * whether there were any; errno is left alone.
 */
bool channel_make_room(void);

#endif
