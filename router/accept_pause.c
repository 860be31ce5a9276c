/* SPDX-License-Identifier: MIT */
/* accept_pause.c - a listening socket that cannot be served for want of fds or memory */
#include "accept_pause.h"

#include <string.h>
#include <sys/epoll.h>
#include <urcu/compiler.h>

#include "log.h"
#include "want.h"

#define PAUSE_MS	100

static struct log_limit limit = { .burst = 1 };

static void over(struct loop_timer *timer)
{
	struct accept_pause *pause = caa_container_of(timer, struct accept_pause, timer);

	/* It can want for memory too. */
	if (loop_add(pause->loop, pause->event, pause->events))
		loop_timer_set(pause->loop, timer, PAUSE_MS);
}

void accept_wait(struct loop *loop, struct accept_pause *pause, struct loop_event *event,
		 uint32_t events)
{
	pause->timer.handle = over;
	pause->loop = loop;
	pause->event = event;
	pause->events = events;
	/* Removed rather than modified: EPOLLEXCLUSIVE cannot be modified. */
	loop_remove(loop, event);
	loop_timer_set(loop, &pause->timer, PAUSE_MS);
}

void accept_pause(struct loop *loop, struct accept_pause *pause, struct loop_event *event,
		  uint32_t events, int error)
{
	if (!want_is(error))
		return;
	if (log_limit_ok(&limit))
		log_warning("cannot accept a connection: %s; raise the limit on open files "
			    "(LimitNOFILE) if this goes on", strerror(error));
	accept_wait(loop, pause, event, events);
}

void accept_resume(struct loop *loop, struct accept_pause *pause)
{
	loop_timer_clear(loop, &pause->timer);
}
