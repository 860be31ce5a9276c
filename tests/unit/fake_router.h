/* SPDX-License-Identifier: MIT */
/*
 * fake_router.h - a router that answers the shim as a test wants it to
 *
 * It is a process of its own, in the network namespace of its caller; orders and counts
 * are in memory that both share.
 */
#ifndef TESTS_UNIT_FAKE_ROUTER_H
#define TESTS_UNIT_FAKE_ROUTER_H

#include <stdint.h>
#include <sys/types.h>

#include "../../include/slim/channel.h"

enum manner {
	MANNER_ANSWER,
	MANNER_HOLD,		/* answer when @release says so */
	MANNER_DELAY,		/* answer after @delay */
	MANNER_CLOSE,
	MANNER_STOP,		/* stop the asking process, let it go on, then answer */
	MANNER_ID,		/* what is wrong with the reply */
	MANNER_MAGIC,
	MANNER_VERSION,
	MANNER_TYPE,
	MANNER_LENGTH,
	MANNER_SHORT,
	MANNER_LONG,
	MANNER_EMPTY,
	MANNER_NUM
};

/*
 * Orders, which the test writes, and what happened, which it reads. Atomic.
 *
 * @manner:	of replies to requests of a type in @types (1 << type)
 * @times:	that many requests; then MANNER_ANSWER
 * @fds:	that many descriptors go with each reply to such a request
 * @delay:	microseconds
 * @release:	held replies to requests of these types are sent; set back when they have been
 * @hold_for:	not 0: as soon as that many are held
 * @error:	of each LISTEN_REPLY
 */
struct fake_router {
	uint32_t manner, types, times, fds, delay, release, hold_for;
	uint32_t generation, prefixes, error;

	uint32_t opened, closed;		/* channels */
	uint32_t requests[SLIM_FRAME_NUM];
	uint32_t held;
	uint32_t sent[SLIM_FRAME_NUM];		/* replies that the kernel took, by request */
	uint32_t strangers;	/* requests of another process than the one that connected */
	uint32_t garbage;	/* requests that are none */
	pid_t pid;
};

#define ORDER(router, field, value)	__atomic_store_n(&(router)->field, value, __ATOMIC_SEQ_CST)
#define COUNT(router, field)		__atomic_load_n(&(router)->field, __ATOMIC_SEQ_CST)

/* Orders and counts; no process yet. */
struct fake_router *fake_router_new(void);

/* It listens when this returns. @uid: whose process it is */
void fake_router_start(struct fake_router *router, uid_t uid);
void fake_router_stop(struct fake_router *router);

/* The next @times requests of @type are answered in this manner. */
void fake_router_order(struct fake_router *router, enum manner manner,
		       enum slim_frame_type type, uint32_t times);

/* Held replies are sent; returns when they have been. */
void fake_router_release(struct fake_router *router);

/* The same for those to requests of @type alone. */
void fake_router_release_type(struct fake_router *router, enum slim_frame_type type);

#endif
