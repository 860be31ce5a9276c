/* SPDX-License-Identifier: MIT */
/*
 * call.h - a step's call, made by the actor itself
 */
#ifndef RANDOM_CALL_H
#define RANDOM_CALL_H

#include "order.h"

/*
 * Makes the call, and fills in @reply: ret, error and text. Not for those that change who acts
 * (actor.c).
 */
void call_make(const struct order *order, struct reply *reply);

/* Puts result and errno of a call to @reply. */
void call_say(struct reply *reply, long ret);

#endif
