/* SPDX-License-Identifier: MIT */
/* shaping.h - what an allowing rule says of a connection's traffic: rate, TOS, priority */
#ifndef SHAPING_H
#define SHAPING_H

#include <stdbool.h>
#include <stdint.h>

#include "policy.h"

/* As in struct policy_rule. @known: else nobody knows what the connection has */
struct shaping {
	uint64_t rate;
	int16_t tos;
	int8_t priority;
	bool known;
};

/* What @rule says; NULL: nothing. */
struct shaping shaping_of(const struct policy_rule *rule);

bool shaping_equal(const struct shaping *a, const struct shaping *b);

/*
 * Before the connection @fd is handed over; @rule: or NULL. The kernel paces what its end sends
 * (SO_MAX_PACING_RATE), whatever the queueing discipline is. Never fails: what the kernel refuses is
 * left out.
 */
void shaping_apply(int fd, const struct policy_rule *rule);

/*
 * Also before that: whose connection it is, so that the container's limit is its own (ruleset_rates.h). The
 * kernel forgets the route of a connected socket by that: until it sends, IP_MTU is ENOTCONN.
 */
void shaping_mark(int fd, uint32_t container_id);

#endif
