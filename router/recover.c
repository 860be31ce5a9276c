/* SPDX-License-Identifier: MIT */
/* recover.c - slim connections that an earlier router had in its hands */
#include "recover.h"

#include <stdlib.h>
#include <urcu.h>

#include "inbound.h"
#include "inflight.h"
#include "inherited.h"
#include "ledger.h"
#include "log.h"
#include "loop.h"
#include "worker.h"

/* One of them, on its way to a worker. */
struct recover_task {
	struct loop_task task;
	struct worker *worker;
	struct inflight *record;	/* or NULL: nothing of it was read */
	struct inherited_tcp tcp;
	bool peers;			/* it came to the first slim port */
};

static unsigned int recovered;

static void run(struct loop_task *task)
{
	struct recover_task *work = caa_container_of(task, struct recover_task, task);

	if (work->record)
		inbound_recover(work->worker, work->record);
	else
		inbound_start(work->worker, work->tcp.fd, &work->tcp.peer, work->tcp.local.port,
			      work->peers);
	free(work);
}

static struct recover_task *task_new(void)
{
	struct recover_task *work = calloc(1, sizeof(*work));

	if (!work)
		return NULL;
	work->worker = worker_next();
	work->task.run = run;
	recovered++;
	return work;
}

/* Takes the files that a record names; -1 for those that are not there, and for an answer that is not. */
static void take_files(struct inflight *record)
{
	if (record->phase == INFLIGHT_JUDGED)
		return;
	if (!inherited_take(record->ticket_fd, record->ticket_cookie))
		record->ticket_fd = -1;
	if (record->phase == INFLIGHT_HANDED &&
	    !inherited_is_unread(record->answer_fd, record->answer_cookie))
		record->answer_fd = -1;
	for (int i = 0; i < INFLIGHT_PIPES; i++)
		if (record->phase == INFLIGHT_SPLICED &&
		    !inherited_take_pipe(record->pipes[i].fd, record->pipes[i].inode))
			record->pipes[i].fd = -1;
}

/* A ticket that is gone is made anew; a pipe that is gone had bytes. */
static void downgrade(struct inflight *record)
{
	if (record->phase == INFLIGHT_TICKET && record->ticket_fd < 0)
		record->phase = INFLIGHT_JUDGED;
}

static void take_record(struct inflight *record, void *unused)
{
	struct recover_task *work;

	(void)unused;
	if (!inherited_take(record->fd, record->cookie)) {
		inflight_drop(record);
		return;
	}
	take_files(record);
	downgrade(record);
	work = task_new();
	if (!work) {
		inflight_drop(record);
		return;
	}
	work->record = record;
	loop_post(work->worker->loop, &work->task);
}

/* Accepted, and not yet looked at: what has been handed over is in the ledger. */
static bool take_fresh(const struct inherited_tcp *tcp, void *data)
{
	const struct config *config = data;
	struct recover_task *work;

	if (tcp->listening || !tcp->untouched || !tcp->peer.port || tcp->local.port < config->port_first ||
	    tcp->local.port > config->port_last || ledger_find(tcp->cookie))
		return false;
	work = task_new();
	if (!work)
		return false;
	work->tcp = *tcp;
	work->peers = tcp->local.port == config->port_first;
	loop_post(work->worker->loop, &work->task);
	return true;
}

void recover_connections(const struct config *config)
{
	unsigned int closed;

	inflight_each(take_record, NULL);
	inherited_each_tcp(take_fresh, (void *)config);
	closed = inherited_close();
	if (recovered || closed)
		log_info("took up %u connections that were being set up or carried, closed %u "
			 "other files", recovered, closed);
}
