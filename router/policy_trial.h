/* SPDX-License-Identifier: MIT */
/*
 * policy_trial.h - which rule decides, on each of the hosts that judge a connection
 *
 * Control thread, as all of these, read lock held.
 */
#ifndef POLICY_TRIAL_H
#define POLICY_TRIAL_H

#include <jansson.h>
#include <stddef.h>

#include "config.h"

struct policy_trial;

/* @done: called once, with the reply (NULL: no memory); nothing here is used after that */
struct policy_trial_waiter {
	void (*done)(struct policy_trial_waiter *waiter, json_t *reply);
	struct policy_trial *trial;
};

/* @config outlives all that follows. */
void policy_trial_init(const struct config *config);

/**
 * policy_trial_ask() - ask this host's policy, and those of the hosts that have the two ends
 * @args:	source and destination (containers' names, or addresses), port; optional protocol
 *		(default tcp) and tenant
 * @error:	filled where it cannot be asked
 *
 * Returns the reply; or NULL: either with @error filled, or @waiter will hear of it within
 * CONSULTATION_WAIT.
 */
json_t *policy_trial_ask(json_t *args, struct policy_trial_waiter *waiter, char *error, size_t size);
void policy_trial_forget(struct policy_trial_waiter *waiter);

#endif
