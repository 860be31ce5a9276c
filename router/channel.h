/* SPDX-License-Identifier: MIT */
/*
 * channel.h - shims' connections to the router
 *
 * Theory of operation: for every container the control thread listens on an
 * abstract UNIX socket inside the container's namespace and deals the channels that are
 * opened there to the workers. A channel belongs to one worker. Whatever is wrong with a
 * frame costs the sender its channel. A request that another thread answers (LISTEN,
 * some CLAIMs) keeps a reference, since the channel may end meanwhile; until it is answered
 * there may be no other.
 *
 * Descriptors in frames are never received, since whoever receives one has to close it.
 * Newer kernels (SO_PASSRIGHTS, Linux 6.16) do not let them be sent; elsewhere a frame is
 * looked at before it is taken. What an ended channel still holds is the closers' (stray.h).
 */
#ifndef CHANNEL_H
#define CHANNEL_H

#include <stdbool.h>
#include <stdint.h>
#include <urcu.h>
#include <urcu/list.h>

#include "../include/slim/channel.h"
#include "loop.h"
#include "share.h"
#include "stray.h"

struct container;
struct worker;

struct channel {
	struct loop_event event;
	struct loop_task start;
	struct share_job job;		/* takes what was sent */
	struct worker *worker;
	struct container *container;	/* reference held */
	int passing_fd;			/* our end of the passing socket, or -1; channel_passing() */
	struct cds_list_head node;	/* worker->channels */
	bool closed;			/* worker only */
	bool listened;			/* has registered listeners */
	bool sealed;			/* the kernel lets no descriptor in */
	bool asking;			/* atomic: another thread is to answer */
	struct stray stray;		/* at the end */
	unsigned long refs;
	struct rcu_head rcu;
};

/* Opens @container's channel socket in its namespace and listens in the control
 * thread's loop. 0 or -errno. */
int channel_listen(struct container *container, struct loop *control);

/* The same with the socket that an earlier router opened: owns @fd, also when it fails. */
int channel_adopt(struct container *container, struct loop *control, int fd);
void channel_unlisten(struct container *container, struct loop *control);

/* Worker only: ends it. */
void channel_close(struct channel *channel);

/* Of what HELLO_REPLY says now; in every reply. Read lock held, or control thread. */
uint32_t channel_generation(const struct channel *channel);

/* Any thread that holds a reference. */
void channel_get(struct channel *channel);
void channel_put(struct channel *channel);

/*
 * A request is given to another thread: while it is under way, a further one costs the shim
 * its channel. That thread says end() before it replies.
 */
void channel_request_begin(struct channel *channel);
void channel_request_end(struct channel *channel);

/**
 * channel_reply() - answer a request
 * @reply:	the whole frame; its first fields are filled in here
 * @type:	SLIM_FRAME_*_REPLY
 * @id:		the request's
 *
 * 0, or -errno where the shim is gone or does not read (-EAGAIN).
 */
int channel_reply(struct channel *channel, void *reply, size_t len, unsigned int type,
		  uint32_t id);

/* By what host sockets go to the shim: its passing socket, or the channel where there is none */
static inline int channel_passing(const struct channel *channel)
{
	return channel->passing_fd >= 0 ? channel->passing_fd : channel->event.fd;
}

/**
 * channel_hand_over() - answer a request with a host socket
 * @fd:		closed when it has been passed
 *
 * The shim learns of it when our own descriptor is closed, so that the application's is the last
 * one. -errno: it was not passed, and @fd is still open.
 */
int channel_hand_over(struct channel *channel, void *reply, size_t len, unsigned int type,
		      uint32_t id, int fd);

#endif
