/* SPDX-License-Identifier: MIT */
/* claim.c - a shim asks for the connection behind a ticket */
#include "claim.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "channel.h"
#include "container.h"
#include "counters.h"
#include "endpoint.h"
#include "guard.h"
#include "inbound.h"
#include "inflight.h"
#include "inherited.h"
#include "ticket.h"
#include "waiting.h"
#include "worker.h"

/* A claim on its way to the owner of an inbound connection, and then in its container's share there */
struct claim_task {
	struct loop_task task;
	struct share_job job;
	struct cds_list_head node;	/* worker->claims, while it is a job */
	struct worker *worker;		/* owner */
	struct channel *channel;	/* reference held */
	struct slim_claim request;
	struct rcu_head rcu;
};

static struct slim_claim_reply reply_for(const struct channel *channel,
					 enum slim_verdict verdict, const struct inbound *inbound)
{
	struct slim_claim_reply reply;

	memset(&reply, 0, sizeof(reply));
	reply.generation = channel_generation(channel);
	reply.verdict = (uint16_t)verdict;
	if (!inbound)
		return reply;
	reply.cookie = verdict == SLIM_VERDICT_SLIM ? inbound->cookie : inbound->ticket_cookie;
	reply.options = inbound->options;
	reply.local = inbound->local;
	reply.peer = inbound->peer;
	return reply;
}

static int reply_claim(struct channel *channel, const struct slim_claim *request,
		       enum slim_verdict verdict, const struct inbound *inbound)
{
	struct slim_claim_reply reply = reply_for(channel, verdict, inbound);

	return channel_reply(channel, &reply, sizeof(reply), SLIM_FRAME_CLAIM_REPLY,
			     request->frame.id);
}

/*
 * In CLAIMING, or OWNED by this worker. 0: it has changed hands; -errno: the shim has
 * given up and keeps the ticket, so the connection goes on waiting (to be spliced).
 */
static int hand_over(struct channel *channel, struct inbound *inbound,
		     const struct slim_claim *request)
{
	struct slim_claim_reply reply = reply_for(channel, SLIM_VERDICT_SLIM, inbound);
	int by = channel_passing(channel);
	int err;

	inbound_unwatch(inbound);
	inflight_hand_over(inbound->record, by, inherited_cookie(by));
	err = channel_hand_over(channel, &reply, sizeof(reply), SLIM_FRAME_CLAIM_REPLY,
				request->frame.id, inbound->event.fd);
	if (err) {
		inflight_enter(inbound->record, INFLIGHT_TICKET);
		return err;
	}
	counter_inc(claims);
	inbound_end_ticket(inbound);
	return 0;
}

/* It is the container's from now on, or must not be: 0, or the guard's -errno. */
static int guarded(const struct inbound *inbound, const struct slim_claim *request)
{
	const struct guard_seal asked = {
		.container = inbound->container->id,
		.vni = inbound->container->vni, .peer_vni = inbound->fields.src_vni,
		.local = inbound->local, .peer = inbound->peer,
		.domain = request->domain, .accepted = true,
	};

	return guard_seal(inbound->event.fd, &asked);
}

static void free_rcu(struct rcu_head *head)
{
	free(caa_container_of(head, struct claim_task, rcu));
}

static void forget(struct claim_task *work)
{
	share_cancel(&work->job);
	cds_list_del(&work->node);
	channel_put(work->channel);
	call_rcu(&work->rcu, free_rcu);
}

/*
 * By its owner: handed over, or carried by the router, if the shim or the guard want that, or ended, if the guard's policy
 * denies it. It may be freed by and by. Returns whether that was answered.
 */
static bool settle(struct claim_task *work, struct inbound *inbound)
{
	bool keep = work->request.flags & SLIM_CLAIM_KEEP;
	int err = inbound->unguarded;

	if (!keep && !err)
		err = guarded(inbound, &work->request);
	if (err == -EACCES) {
		inbound_reset(inbound);
		return false;
	}
	if (keep || err) {
		waiting_splice(inbound);
		return false;
	}
	if (hand_over(work->channel, inbound, &work->request) == 0)
		inbound_free(inbound);
	return true;
}

/* In the owner's thread. */
static bool job_run(struct share_job *job)
{
	struct claim_task *work = caa_container_of(job, struct claim_task, job);
	struct inbound *inbound = ticket_inbound(work->channel->container,
						 &work->request.ticket);
	bool answered = false;

	channel_request_end(work->channel);
	if (inbound && inbound->worker == work->worker && inbound_own(inbound))
		answered = settle(work, inbound);
	if (!answered && inbound && inbound_state(inbound) == INBOUND_SPLICED)
		(void)reply_claim(work->channel, &work->request, SLIM_VERDICT_SPLICED, inbound);
	else if (!answered)
		(void)reply_claim(work->channel, &work->request, SLIM_VERDICT_PACKET, NULL);
	forget(work);
	return false;
}

static void task_run(struct loop_task *task)
{
	struct claim_task *work = caa_container_of(task, struct claim_task, task);
	struct worker *worker = work->worker;

	cds_list_add(&work->node, &worker->claims);
	share_add(&worker->shares, &work->channel->container->shares[worker->index], &work->job);
}

void claims_drop(struct worker *worker)
{
	struct claim_task *work, *next;

	cds_list_for_each_entry_safe(work, next, &worker->claims, node)
		forget(work);
}

static bool forward_claim(struct channel *channel, struct inbound *inbound,
			  const struct slim_claim *request)
{
	struct claim_task *work = calloc(1, sizeof(*work));

	if (!work)
		return false;
	channel_get(channel);
	channel_request_begin(channel);
	work->channel = channel;
	work->worker = inbound->worker;
	work->request = *request;
	work->task.run = task_run;
	work->job.run = job_run;
	loop_post(inbound->worker->loop, &work->task);
	return true;
}

/* In CLAIMING, which it leaves. False: nothing was answered, and its owner has to go on. */
static bool claim(struct channel *channel, struct inbound *inbound, const struct slim_claim *request)
{
	inbound->unguarded = guarded(inbound, request);
	if (inbound->unguarded) {
		inbound_set_state(inbound, INBOUND_WAITING);
		return false;
	}
	if (hand_over(channel, inbound, request)) {
		inbound_set_state(inbound, INBOUND_WAITING);
		channel_close(channel);
		return true;
	}
	/* The last touch: its owner may free it from here on. */
	inbound_set_state(inbound, INBOUND_TAKEN);
	if (inbound->worker == channel->worker)
		inbound_free(inbound);
	return true;
}

void claim_answer(struct channel *channel, const struct slim_claim *request)
{
	struct inbound *inbound = ticket_inbound(channel->container, &request->ticket);
	int err;

	if (inbound && !(request->flags & SLIM_CLAIM_KEEP) &&
	    inbound_take(inbound, INBOUND_CLAIMING) && claim(channel, inbound, request))
		return;
	if (inbound && forward_claim(channel, inbound, request))
		return;
	counter_inc(claims_unknown);
	err = reply_claim(channel, request, SLIM_VERDICT_PACKET, NULL);
	if (err)
		channel_close(channel);
}
