/* SPDX-License-Identifier: MIT */
/* enforcer_rates.h - a policy's limits: HTB trees and the marks of packets follow what is in force */
#ifndef ENFORCER_RATES_H
#define ENFORCER_RATES_H

#include "config.h"
#include "loop.h"

/* Control thread, as all of these. @config outlives it. */
void enforcer_rates_init(const struct config *config, struct loop *control);

/* All containers of an earlier router are there, and the policy in force is known: it may follow from
 * now on. */
void enforcer_rates_begin(void);

/* The containers here or their labels have changed: begins to follow. */
void enforcer_rates_follow(void);

void enforcer_rates_exit(void);

#endif
