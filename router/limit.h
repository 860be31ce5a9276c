/* SPDX-License-Identifier: MIT */
/*
 * limit.h - what one container may have of the router, and what it was refused
 *
 * All is counted for each container by cause, shown by `slimctl containers`, and said in the log:
 * once a minute at most for each container and limit.
 */
#ifndef LIMIT_H
#define LIMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "config.h"

struct container;

/* By the names of the configuration, and what happens beyond */
#define LIMITS(X)							\
	X(channels, "further ones are closed at once")			\
	X(listeners, "further ones have the packet path alone")	\
	X(connections, "further ones take the packet path or are reset") \
	X(pending, "further ones are reset")				\
	X(unadmitted, "further ones are reset")				\
	X(spliced, "further ones are reset")				\
	X(requests, "further ones in this second wait")

enum limit {
#define X(name, beyond) LIMIT_##name,
	LIMITS(X)
#undef X
	LIMIT_NUM
};

/* A container's; atomic */
struct limit_refusals {
	uint64_t num[LIMIT_NUM];
	uint64_t said_at[LIMIT_NUM];	/* s of CLOCK_MONOTONIC; 0: never */
};

const char *limit_name(enum limit limit);
unsigned int limit_most(const struct config_limits *limits, enum limit limit);

/* Counts and says that @container wanted more. Any thread. */
void limit_refuse(struct container *container, enum limit limit);

/*
 * Has it all the connections that it may have? (Counted and said.) From three quarters on, those that
 * are over are looked for at once. Any thread.
 */
bool limit_has_all_connections(struct container *container);

/*
 * May the container's next request be looked at? 0, or for how many ms not (counted and said).
 * Any thread. It has a tenth of a second's requests to spare.
 */
unsigned int limit_request_wait(struct container *container);
/* One was. */
void limit_request_done(struct container *container);

#endif
