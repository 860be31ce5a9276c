/* SPDX-License-Identifier: MIT */
/*
 * world.c - where this process is, as the router has said it
 *
 * There are no locks for readers: a world that is known is not written again before some others were. Who writes
 * is one thread, which another process must not wait for: that is noted where fork empties it.
 */
#include <stddef.h>

#include "slot.h"
#include "world.h"

#define WORLDS		4

/* Written in turn, so that a reader of an older one is not disturbed. */
static struct world worlds[WORLDS];
static struct world *current;		/* atomic; NULL: nothing known */
static bool namespaces_differ;

void world_namespaces_differ(void)
{
	__atomic_store_n(&namespaces_differ, true, __ATOMIC_RELAXED);
}

bool world_namespaces_may_differ(void)
{
	return __atomic_load_n(&namespaces_differ, __ATOMIC_RELAXED);
}

const struct world *world_known(void)
{
	return __atomic_load_n(&current, __ATOMIC_ACQUIRE);
}

void world_learn(struct state *state, const struct slim_hello_reply *hello, uint64_t netns_cookie)
{
	struct world *old = __atomic_load_n(&current, __ATOMIC_ACQUIRE), *new;

	if (hello->prefixes_num > SLIM_CHANNEL_PREFIXES ||
	    hello->addresses_num > SLIM_CHANNEL_ADDRESSES ||
	    (old && old->hello.generation == hello->generation) ||
	    __atomic_exchange_n(&state->world_writing, 1, __ATOMIC_ACQUIRE))
		return;
	new = &worlds[old ? (old - worlds + 1) % WORLDS : 0];
	new->hello = *hello;
	new->netns_cookie = netns_cookie;
	__atomic_store_n(&current, new, __ATOMIC_RELEASE);
	__atomic_store_n(&state->world_writing, 0, __ATOMIC_RELEASE);
}
