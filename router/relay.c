/* SPDX-License-Identifier: MIT */
/* relay.c - the router carries a connection's bytes */
#include "relay.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <urcu.h>

#include "container.h"
#include "inbound.h"
#include "inflight.h"
#include "inherited.h"
#include "loop.h"
#include "worker.h"

#define RELAY_CHUNK	(64 * 1024)
/* Rounds of one direction in one job */
#define RELAY_ROUNDS	4

/* One direction. */
struct flow {
	int in, out;			/* sockets */
	int pipe_in, pipe_out;		/* write end, read end */
	size_t piped;			/* bytes in the pipe */
	unsigned int skip;
	bool ended;			/* nothing more comes in */
	bool shut;			/* ... and the other side was told */
};

struct relay {
	struct worker *worker;
	struct inbound *inbound;
	struct flow flows[2];
	struct loop_event events[2];
	struct share_job job;		/* moves bytes */
	bool reset;
	bool over, unwatched;
	struct rcu_head rcu;
};

static int flow_open(struct flow *flow, int in, int out)
{
	int fds[2], one = 1;

	setsockopt(in, SOL_SOCKET, SO_OOBINLINE, &one, sizeof(one));
	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	flow->in = in;
	flow->out = out;
	flow->pipe_in = fds[1];
	flow->pipe_out = fds[0];
	return 0;
}

/* The pipe of an earlier router's, with what is in it */
static int flow_resume(struct flow *flow, int in, int out, const struct inflight_pipe *pipes)
{
	int piped = 0;

	flow->in = in;
	flow->out = out;
	flow->pipe_in = pipes[0].fd;
	flow->pipe_out = pipes[1].fd;
	if (ioctl(flow->pipe_out, FIONREAD, &piped) < 0)
		return -errno;
	flow->piped = (size_t)piped;
	return 0;
}

static void flow_record(const struct flow *flow, struct inflight_pipe *pipes)
{
	pipes[0].fd = flow->pipe_in;
	pipes[0].inode = inherited_inode(flow->pipe_in);
	pipes[1].fd = flow->pipe_out;
	pipes[1].inode = inherited_inode(flow->pipe_out);
}

static void flow_close(struct flow *flow)
{
	if (flow->pipe_in == flow->pipe_out)
		return;		/* never opened */
	close(flow->pipe_in);
	close(flow->pipe_out);
}

/* Reads and drops what the ticket was given before. */
static int flow_skip(struct flow *flow)
{
	char byte;
	ssize_t ret;

	while (flow->skip) {
		ret = recv(flow->in, &byte, 1, MSG_DONTWAIT);
		if (ret < 0)
			return -errno;
		if (ret == 0)
			return 0;
		flow->skip--;
	}
	return 0;
}

/*
 * Nothing to splice, and not because nothing has come: the end of the stream, or its urgent mark. That
 * byte is read (once it is in line) and sent on by hand, when all before it is out. Returns
 * whether it was: then there may be more.
 */
static bool at_mark(struct flow *flow)
{
	char byte;
	ssize_t ret = recv(flow->in, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	if (ret == 0)
		flow->ended = true;
	return ret == 1 && !flow->piped &&
	       send(flow->out, &byte, 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 1 &&
	       recv(flow->in, &byte, 1, MSG_DONTWAIT) == 1;
}

/* One round: 1 there may be more, 0 it would block, or -errno. */
static int flow_round(struct flow *flow)
{
	bool moved = false;
	ssize_t ret;

	if (!flow->ended && flow->piped < RELAY_CHUNK) {
		ret = splice(flow->in, NULL, flow->pipe_in, NULL, RELAY_CHUNK - flow->piped,
			     SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
		if (ret < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		if (ret == 0)
			moved = at_mark(flow);
		if (ret > 0) {
			flow->piped += (size_t)ret;
			moved = true;
		}
	}
	if (flow->piped) {
		ret = splice(flow->pipe_out, NULL, flow->out, NULL, flow->piped,
			     SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
		if (ret < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		if (ret > 0) {
			flow->piped -= (size_t)ret;
			moved = true;
		}
	}
	if (flow->ended && !flow->piped && !flow->shut) {
		flow->shut = true;
		shutdown(flow->out, SHUT_WR);
	}
	return moved && !flow->shut;
}

/* 1: stopped for fairness; 0 or -errno */
static int flow_run(struct flow *flow)
{
	int ret = flow_skip(flow);

	if (ret == -EAGAIN)
		return 0;
	for (int i = 0; !ret && i < RELAY_ROUNDS; i++) {
		ret = flow_round(flow);
		if (ret <= 0)
			return ret;
		ret = 0;
	}
	return ret ? ret : 1;
}

static bool job_run(struct share_job *job)
{
	struct relay *relay = caa_container_of(job, struct relay, job);
	bool more = false;

	for (int i = 0; i < 2; i++) {
		int ret = flow_run(&relay->flows[i]);

		if (ret < 0)
			relay->reset = true;
		if (ret > 0)
			more = true;
	}
	if (!relay->reset && !(relay->flows[0].shut && relay->flows[1].shut))
		return more;
	relay->over = true;
	inbound_relay_done(relay->inbound);
	return false;
}

static void event_run(struct relay *relay, uint32_t events)
{
	struct worker *worker = relay->worker;

	if (relay->over)
		return;
	/* Both directions at their end by FINs is HUP as well; an error is a reset. */
	if (events & EPOLLERR)
		relay->reset = true;
	share_add(&worker->shares, &relay->inbound->container->shares[worker->index],
		  &relay->job);
}

static void slim_handle(struct loop_event *event, uint32_t events)
{
	event_run(caa_container_of(event, struct relay, events[0]), events);
}

static void ticket_handle(struct loop_event *event, uint32_t events)
{
	event_run(caa_container_of(event, struct relay, events[1]), events);
}

static int flows_open(struct relay *relay, int slim_fd, int ticket_fd,
		      const struct inflight *resumed)
{
	int err;

	if (resumed) {
		int first = flow_resume(&relay->flows[0], slim_fd, ticket_fd, &resumed->pipes[0]);

		/* The second one's pipe is ours to close, whatever became of the first. */
		err = flow_resume(&relay->flows[1], ticket_fd, slim_fd, &resumed->pipes[2]);
		return first ? first : err;
	}
	err = flow_open(&relay->flows[0], slim_fd, ticket_fd);
	return err ? err : flow_open(&relay->flows[1], ticket_fd, slim_fd);
}

struct relay *relay_start(struct worker *worker, struct inbound *inbound, int slim_fd,
			  int ticket_fd, unsigned int skip, struct inflight *record, bool resume)
{
	const uint32_t edges = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
	struct relay *relay = calloc(1, sizeof(*relay));
	int err;

	if (!relay) {
		if (resume)
			inflight_close_pipes(record);
		errno = ENOMEM;
		return NULL;
	}
	/* splice(2) heeds the socket's own flag; the socket is nobody else's. */
	fcntl(slim_fd, F_SETFL, O_RDWR | O_NONBLOCK);
	relay->worker = worker;
	relay->inbound = inbound;
	relay->job.run = job_run;
	relay->events[0] = (struct loop_event){ .fd = slim_fd, .handle = slim_handle };
	relay->events[1] = (struct loop_event){ .fd = ticket_fd, .handle = ticket_handle };
	err = flows_open(relay, slim_fd, ticket_fd, resume ? record : NULL);
	if (err)
		goto close_flows;
	if (record && !resume) {
		flow_record(&relay->flows[0], &record->pipes[0]);
		flow_record(&relay->flows[1], &record->pipes[2]);
		inflight_enter(record, INFLIGHT_SPLICED);
	}
	relay->flows[0].skip = skip;
	err = loop_add(worker->loop, &relay->events[0], edges);
	if (err)
		goto close_flows;
	err = loop_add(worker->loop, &relay->events[1], edges);
	if (err)
		goto remove_slim;
	return relay;

remove_slim:
	loop_remove(worker->loop, &relay->events[0]);
close_flows:
	flow_close(&relay->flows[0]);
	flow_close(&relay->flows[1]);
	free(relay);
	errno = -err;
	return NULL;
}

bool relay_was_reset(const struct relay *relay)
{
	return relay->reset;
}

static void free_rcu(struct rcu_head *head)
{
	free(caa_container_of(head, struct relay, rcu));
}

void relay_unwatch(struct relay *relay)
{
	if (relay->unwatched)
		return;
	relay->unwatched = true;
	relay->over = true;
	share_cancel(&relay->job);
	loop_remove(relay->worker->loop, &relay->events[0]);
	loop_remove(relay->worker->loop, &relay->events[1]);
}

void relay_stop(struct relay *relay)
{
	relay_unwatch(relay);
	flow_close(&relay->flows[0]);
	flow_close(&relay->flows[1]);
	call_rcu(&relay->rcu, free_rcu);
}
