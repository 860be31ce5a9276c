/* SPDX-License-Identifier: MIT */
/* enforcer_guard.h - a policy in slim.ko, which asks it when a socket is sealed, and cuts what it denies */
#ifndef ENFORCER_GUARD_H
#define ENFORCER_GUARD_H

#include <stdbool.h>

struct guard_link;

/*
 * Control thread, as all of these. @link, which outlives enforcer_guard_detach(), owns the module, which has what a
 * router before us told it. False: a reload is under way; to be said again.
 */
bool enforcer_guard_attach(struct guard_link *link);

/* There is no module any more. False: a reload is under way, and uses the link still. */
bool enforcer_guard_detach(void);

/*
 * Tells the module what is in force here, where it does not have that: it has come while we run, a
 * reload has failed half-way, or peers have told at last who is called how. (Names and labels of other hosts'
 * containers that are not known yet may allow what lives; so what a router before us had told stays so long.)
 */
void enforcer_guard_follow(void);

/* Who is called how has changed: tells that. Before it is in force here. */
void enforcer_guard_members(void);

void enforcer_guard_exit(void);

#endif
