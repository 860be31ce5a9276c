/* SPDX-License-Identifier: MIT */
/* dial.c - waiting for a host socket to be connected */
#include "dial.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <urcu/compiler.h>

#include "worker.h"

static void end(struct dial *dial, int err)
{
	/* Ended earlier in this batch */
	if (cds_list_empty(&dial->node))
		return;
	cds_list_del_init(&dial->node);
	loop_timer_clear(dial->worker->loop, &dial->timer);
	loop_remove(dial->worker->loop, &dial->event);
	dial->done(dial, err);
}

static void event_handle(struct loop_event *event, uint32_t events)
{
	struct dial *dial = caa_container_of(event, struct dial, event);
	socklen_t len = sizeof(int);
	int err = 0;

	(void)events;
	getsockopt(event->fd, SOL_SOCKET, SO_ERROR, &err, &len);
	end(dial, -err);
}

static void timer_handle(struct loop_timer *timer)
{
	end(caa_container_of(timer, struct dial, timer), -ETIMEDOUT);
}

int dial_start(struct dial *dial, struct worker *worker, int fd, unsigned int ms,
	       void (*done)(struct dial *dial, int err))
{
	int err;

	dial->worker = worker;
	dial->done = done;
	dial->event.fd = fd;
	dial->event.handle = event_handle;
	dial->timer.handle = timer_handle;
	err = loop_add(worker->loop, &dial->event, EPOLLOUT);
	if (err)
		return err;
	cds_list_add(&dial->node, &worker->dials);
	loop_timer_set(worker->loop, &dial->timer, ms);
	return 0;
}

void dial_cancel(struct dial *dial)
{
	end(dial, -ECANCELED);
}
