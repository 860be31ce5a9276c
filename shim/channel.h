/* SPDX-License-Identifier: MIT */
/*
 * channel.h - this process's connections to the host's router
 */
#ifndef SHIM_CHANNEL_H
#define SHIM_CHANNEL_H

#include <stdbool.h>
#include <stdint.h>

#include <slim/channel.h>

/* What HELLO_REPLY said, and where we are. */
struct channel_world {
	uint64_t netns_cookie;		/* of the container's namespace */
	struct slim_hello_reply hello;
};

/*
 * The world as the router described it; opens a channel on first use. NULL where no
 * router answers (for now).
 */
const struct channel_world *channel_world(void);

/* The same, as it was a second ago at the most, where a router answers. */
const struct channel_world *channel_world_recent(void);

/* Asks the router anew, who may be another one by now; the world is then as it says. */
void channel_refresh(void);

/* The same without asking anybody: NULL where no channel was opened yet. */
const struct channel_world *channel_world_known(void);

/* Namespaces may differ between this process's sockets from now on. */
void channel_namespaces_differ(void);
bool channel_namespaces_may_differ(void);

/**
 * channel_ask() - one request and its reply, with which no fd may come
 * @request:	a whole frame; its first fields are filled in
 * @reply:	the whole frame that comes back
 *
 * Signals are blocked meanwhile; waits SLIM_CHANNEL_DEADLINE ms at the most.
 * Returns 0, or -errno: there is no router to talk to, do without.
 */
int channel_ask(void *request, uint32_t len, unsigned int type, void *reply,
		uint32_t reply_len, unsigned int reply_type);

/*
 * The same for what must be told even so: where the router is late, or has gone away meanwhile, the request
 * is left on a channel of its own, for it to read when it is back (the error is the same all the same).
 */
int channel_ask_or_leave(void *request, uint32_t len, unsigned int type, void *reply,
			 uint32_t reply_len, unsigned int reply_type);

/**
 * channel_ask_fd() - the same, for a reply with which an fd may come
 * @fd:		where it goes (-1: none came); NULL: none may. Where it would find no room, a CLAIM
 *		becomes one to KEEP, and all else is not sent
 * @last:	a reply that comes too late must not come at all (CLAIM): on a
 *		time-out the channel is shut down first, then looked at once more
 *
 * The caller holds the signals, until the fd is where it belongs.
 */
int channel_ask_fd(void *request, uint32_t len, unsigned int type, void *reply,
		   uint32_t reply_len, unsigned int reply_type, int *fd, bool last);

/*
 * All signals are blocked until they are let go: a handler may leap away, and would leave behind
 * what its thread was about to use.
 */
uint64_t channel_hold_signals(void);
void channel_let_signals(uint64_t held);

/*
 * The program has no descriptor left: gives back those of channels that nobody uses now. Returns
 * whether there were any; errno is left alone.
 */
bool channel_make_room(void);

/* One request that has no reply; not sent where no channel is open. */
void channel_tell(void *request, uint32_t len, unsigned int type);

#endif
