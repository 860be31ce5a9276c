/* SPDX-License-Identifier: MIT */
/*
 * accept_pause.h - a listening socket that cannot be served for want of fds or memory
 *
 * It stays readable; without a pause its thread would spin.
 */
#ifndef ACCEPT_PAUSE_H
#define ACCEPT_PAUSE_H

#include "loop.h"

/* Zero-filled at first. */
struct accept_pause {
	struct loop_timer timer;
	struct loop *loop;
	struct loop_event *event;
	uint32_t events;
};

/* accept() failed with @error: pauses @event (watched for @events) for a moment if that is
 * for want of something. */
void accept_pause(struct loop *loop, struct accept_pause *pause, struct loop_event *event,
		  uint32_t events, int error);

/* The same for a reason of the caller's own. */
void accept_wait(struct loop *loop, struct accept_pause *pause, struct loop_event *event,
		 uint32_t events);

/* Before the event is removed for good. */
void accept_resume(struct loop *loop, struct accept_pause *pause);

#endif
