/* SPDX-License-Identifier: MIT */
/* limit.c - what one container may have of the router, and what it was refused */
#include "limit.h"

#include <time.h>

#include "container.h"
#include "counters.h"
#include "housekeeping.h"
#include "log.h"

#define SAY_AGAIN	60		/* s */
#define SECOND		1000000000ull	/* ns */
#define SPARE		(SECOND / 10)

static const struct {
	const char *name, *beyond;
} texts[LIMIT_NUM] = {
#define X(name, beyond) { #name, beyond },
	LIMITS(X)
#undef X
};

const char *limit_name(enum limit limit)
{
	return texts[limit].name;
}

unsigned int limit_most(const struct config_limits *limits, enum limit limit)
{
	const unsigned int most[LIMIT_NUM] = {
#define X(name, beyond) limits->name,
		LIMITS(X)
#undef X
	};

	return most[limit];
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	return (uint64_t)ts.tv_sec * SECOND + (uint64_t)ts.tv_nsec;
}

static bool may_say(uint64_t *said_at)
{
	uint64_t now = now_ns() / SECOND + 1;
	uint64_t before = __atomic_load_n(said_at, __ATOMIC_RELAXED);

	return (!before || now - before >= SAY_AGAIN) &&
	       __atomic_compare_exchange_n(said_at, &before, now, false, __ATOMIC_RELAXED,
					   __ATOMIC_RELAXED);
}

void limit_refuse(struct container *container, enum limit limit)
{
	counter_inc(limit_reached);
	__atomic_add_fetch(&container->refusals.num[limit], 1, __ATOMIC_RELAXED);
	if (may_say(&container->refusals.said_at[limit]))
		log_warning("container %s: has reached its limit of %s (%u): %s; "
			    "see `slimctl containers -v`", container->name, texts[limit].name,
			    limit_most(container->limits, limit), texts[limit].beyond);
}

bool limit_has_all_connections(struct container *container)
{
	unsigned int most = container->limits->connections;
	unsigned int num = __atomic_load_n(&container->connections, __ATOMIC_RELAXED);

	if (num >= most - most / 4)
		housekeeping_hurry();
	if (num < most)
		return false;
	limit_refuse(container, LIMIT_connections);
	return true;
}

unsigned int limit_request_wait(struct container *container)
{
	uint64_t due = __atomic_load_n(&container->requests_due, __ATOMIC_RELAXED);
	uint64_t now = now_ns();

	if (due <= now + SPARE)
		return 0;
	limit_refuse(container, LIMIT_requests);
	return (unsigned int)((due - now - SPARE) / 1000000) + 1;
}

void limit_request_done(struct container *container)
{
	uint64_t due = __atomic_load_n(&container->requests_due, __ATOMIC_RELAXED);
	uint64_t now = now_ns(), next;

	do {
		next = (due > now ? due : now) + SECOND / container->limits->requests;
	} while (!__atomic_compare_exchange_n(&container->requests_due, &due, next, true,
					      __ATOMIC_RELAXED, __ATOMIC_RELAXED));
}
