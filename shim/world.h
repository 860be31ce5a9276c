/* SPDX-License-Identifier: MIT */
/*
 * world.h - where this process is, as the router has said it
 */
#ifndef SHIM_WORLD_H
#define SHIM_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include <slim/channel.h>

struct state;

/* What HELLO_REPLY said, and where we are. */
struct world {
	uint64_t netns_cookie;		/* of the container's namespace */
	struct slim_hello_reply hello;
};

/* What is known, without asking anybody: NULL where no channel was opened yet. Good for as long as the program runs */
const struct world *world_known(void);

/*
 * The router has said so. What makes no sense is not learnt, nor what is known, nor what another thread is just
 * about to learn. The caller holds the signals.
 */
void world_learn(struct state *state, const struct slim_hello_reply *hello, uint64_t netns_cookie);

/* Namespaces may differ between this process's sockets from now on. */
void world_namespaces_differ(void);
bool world_namespaces_may_differ(void);

#endif
