/* SPDX-License-Identifier: MIT */
/* worker.c - the threads on the way of a connection */
#include "worker.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <urcu.h>

#include "channel.h"
#include "claim.h"
#include "container.h"
#include "dial.h"
#include "inbound.h"

struct drop_task {
	struct loop_task task;
	struct worker *worker;
	struct container *container;	/* reference held */
};

static struct worker *workers;
static unsigned int workers_num, next_worker;

static void *run(void *arg)
{
	struct worker *worker = arg;

	rcu_register_thread();
	loop_run(worker->loop);
	rcu_unregister_thread();
	return NULL;
}

static int start(struct worker *worker)
{
	char name[16];
	int err;

	CDS_INIT_LIST_HEAD(&worker->channels);
	CDS_INIT_LIST_HEAD(&worker->claims);
	CDS_INIT_LIST_HEAD(&worker->dials);
	CDS_INIT_LIST_HEAD(&worker->inbounds);
	preambles_init(&worker->preambles);
	worker->loop = loop_new();
	worker->mac = mac_new();
	if (!worker->loop || !worker->mac)
		return -ENOMEM;
	shares_init(&worker->shares, worker->loop);
	err = pthread_create(&worker->thread, NULL, run, worker);
	if (err)
		return -err;
	workers_num++;
	snprintf(name, sizeof(name), "worker %u", worker->index);
	pthread_setname_np(worker->thread, name);
	return 0;
}

int workers_start(const struct config *config, struct loop *control)
{
	int err = 0;

	workers = calloc(config->workers, sizeof(*workers));
	if (!workers)
		return -ENOMEM;
	for (unsigned int i = 0; i < config->workers && !err; i++) {
		workers[i].index = i;
		workers[i].config = config;
		workers[i].control = control;
		err = start(&workers[i]);
	}
	return err;
}

static void drop(struct worker *worker, struct container *container)
{
	struct channel *channel, *next_channel;
	struct inbound *inbound, *next_inbound;
	struct dial *dial, *next_dial;

	cds_list_for_each_entry_safe(channel, next_channel, &worker->channels, node)
		if (!container || channel->container == container)
			channel_close(channel);
	cds_list_for_each_entry_safe(inbound, next_inbound, &worker->inbounds, node)
		if (!container || inbound->container == container)
			inbound_abort(inbound);
	/* Those are not anybody's yet, or end soon by themselves. */
	if (container)
		return;
	claims_drop(worker);
	cds_list_for_each_entry_safe(dial, next_dial, &worker->dials, node)
		dial_cancel(dial);
	cds_list_for_each_entry_safe(inbound, next_inbound, &worker->preambles.list, entry.node)
		inbound_abort(inbound);
}

void workers_stop(void)
{
	for (unsigned int i = 0; i < workers_num; i++) {
		loop_stop(workers[i].loop);
		pthread_join(workers[i].thread, NULL);
	}
	for (unsigned int i = 0; i < workers_num; i++) {
		rcu_read_lock();
		/* What was still on its way to it is its own too. */
		loop_run_tasks(workers[i].loop);
		drop(&workers[i], NULL);
		rcu_read_unlock();
	}
	/* What was dropped may still be looked at by nobody: but free in order. */
	rcu_barrier();
	for (unsigned int i = 0; i < workers_num; i++) {
		loop_free(workers[i].loop);
		mac_free(workers[i].mac);
	}
	free(workers);
	workers = NULL;
	workers_num = 0;
}

struct worker *worker_next(void)
{
	return &workers[__atomic_fetch_add(&next_worker, 1, __ATOMIC_RELAXED) % workers_num];
}

struct worker *worker_at(unsigned int index)
{
	return index < workers_num ? &workers[index] : NULL;
}

static void drop_run(struct loop_task *task)
{
	struct drop_task *work = caa_container_of(task, struct drop_task, task);

	drop(work->worker, work->container);
	container_put(work->container);
	free(work);
}

void workers_drop_container(struct container *container)
{
	for (unsigned int i = 0; i < workers_num; i++) {
		struct drop_task *work = calloc(1, sizeof(*work));

		if (!work || !container_get(container)) {
			free(work);
			continue;
		}
		work->worker = &workers[i];
		work->container = container;
		work->task.run = drop_run;
		loop_post(workers[i].loop, &work->task);
	}
}
