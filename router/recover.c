/* SPDX-License-Identifier: MIT */
/* recover.c - slim connections that an earlier router had in its hands */
#include "recover.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <urcu.h>

#include "inbound.h"
#include "inflight.h"
#include "inherited.h"
#include "ledger.h"
#include "log.h"
#include "loop.h"
#include "manager.h"
#include "worker.h"

#define GIFT_FDS	128	/* in a message */

/* One of them, on its way to a worker. */
struct recover_task {
	struct loop_task task;
	struct worker *worker;
	struct inflight *record;	/* or NULL: nothing of it was read */
	struct inherited_tcp tcp;	/* of a record: its descriptor alone */
	bool peers;			/* it came to the first slim port */
};

static unsigned int recovered;

static void run(struct loop_task *task)
{
	struct recover_task *work = caa_container_of(task, struct recover_task, task);

	if (work->record)
		inbound_recover(work->worker, work->record, work->tcp.fd);
	else
		inbound_start(work->worker, work->tcp.fd, &work->tcp.peer, work->tcp.local.port,
			      work->peers);
	free(work);
}

/* What ends while nobody has it must not look whole; what lives on must not be reset at its end. */
static void set_reset(int fd, bool reset)
{
	struct linger linger = { .l_onoff = reset };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

static void forget_reset(int fd)
{
	set_reset(fd, false);
}

static struct recover_task *task_new(void)
{
	struct recover_task *work = calloc(1, sizeof(*work));

	if (!work)
		return NULL;
	work->worker = worker_next();
	work->task.run = run;
	return work;
}

/*
 * Takes the files that a record names, wherever they are now; -1 for those that are not there, and for
 * an answer that is not.
 */
static void take_files(struct inflight *record)
{
	if (record->phase == INFLIGHT_JUDGED)
		return;
	record->ticket_fd = inherited_take(record->ticket_fd, record->ticket_cookie);
	if (record->phase == INFLIGHT_HANDED &&
	    !inherited_is_unread(record->answer_fd, record->answer_cookie))
		record->answer_fd = -1;
	for (int i = 0; i < inflight_pipes(record); i++)
		record->pipes[i].fd = inherited_take_pipe(record->pipes[i].fd,
							  record->pipes[i].inode, i % 2 == 0);
}

/* A ticket that is gone is made anew; a pipe that is gone had bytes. */
static void downgrade(struct inflight *record)
{
	if (record->phase == INFLIGHT_TICKET && record->ticket_fd < 0)
		record->phase = INFLIGHT_JUDGED;
}

/* @starved: says that there was no memory for one, which nobody has taken then */
static void take_record(struct inflight *record, void *starved)
{
	struct recover_task *work = task_new();
	int fd = work ? inherited_take(record->fd, record->cookie) : -1;

	if (!work) {
		*(bool *)starved = true;
		return;
	}
	if (fd < 0) {
		free(work);
		inflight_drop(record);
		return;
	}
	recovered++;
	forget_reset(fd);
	take_files(record);
	downgrade(record);
	work->record = record;
	work->tcp.fd = fd;
	loop_post(work->worker->loop, &work->task);
}

static bool is_fresh(const struct inherited_tcp *tcp, const struct config *config)
{
	return !tcp->listening && tcp->untouched && tcp->peer.port &&
	       tcp->local.port >= config->port_first && tcp->local.port <= config->port_last;
}

struct fresh {
	const struct config *config;
	bool starved;
};

/* Accepted, and not yet looked at: what has been handed over is in the ledger. */
static bool take_fresh(const struct inherited_tcp *tcp, void *data)
{
	struct fresh *fresh = data;
	const struct config *config = fresh->config;
	struct recover_task *work;

	if (!is_fresh(tcp, config) || ledger_find(tcp->cookie))
		return false;
	work = task_new();
	if (!work) {
		fresh->starved = true;
		return false;
	}
	recovered++;
	forget_reset(tcp->fd);
	work->tcp = *tcp;
	work->peers = tcp->local.port == config->port_first;
	loop_post(work->worker->loop, &work->task);
	return true;
}

int recover_connections(const struct config *config)
{
	struct fresh fresh = { .config = config };
	unsigned int closed;

	inflight_each(take_record, &fresh.starved);
	if (!fresh.starved)
		inherited_each_tcp(take_fresh, &fresh);
	if (fresh.starved)
		return -ENOMEM;
	closed = inherited_close();
	manager_forget(RECOVER_NAME);
	if (recovered || closed)
		log_info("took up %u connections that were being set up or carried, closed %u "
			 "other files", recovered, closed);
	return 0;
}

/* --- to the service manager --- */

struct gift {
	const struct config *config;
	int fds[GIFT_FDS];
	size_t num;
	unsigned int connections, given;
};

static void gift_send(struct gift *gift)
{
	if (gift->num && !manager_store(RECOVER_NAME, gift->fds, gift->num))
		gift->given += (unsigned int)gift->num;
	gift->num = 0;
}

static void gift_add(struct gift *gift, int fd)
{
	if (fd < 0)
		return;
	gift->fds[gift->num++] = fd;
	if (gift->num == GIFT_FDS)
		gift_send(gift);
}

/*
 * An application may have one that was handed over, and could make its last close wait as long as
 * it likes, in the service manager (stray.h): such a one we do not give away.
 */
static void give_record(struct inflight *record, void *data)
{
	struct gift *gift = data;
	int fd;

	if (record->phase == INFLIGHT_HANDED)
		return;
	fd = inherited_take(record->fd, record->cookie);
	if (fd < 0)
		return;
	set_reset(fd, true);
	take_files(record);
	gift->connections++;
	gift_add(gift, fd);
	if (record->phase == INFLIGHT_JUDGED)
		return;
	gift_add(gift, record->ticket_fd);
	for (int i = 0; i < inflight_pipes(record); i++)
		gift_add(gift, record->pipes[i].fd);
}

static bool give_fresh(const struct inherited_tcp *tcp, void *data)
{
	struct gift *gift = data;

	if (!is_fresh(tcp, gift->config))
		return false;
	set_reset(tcp->fd, true);
	gift->connections++;
	gift_add(gift, tcp->fd);
	return true;
}

void recover_give_away(const struct config *config)
{
	struct gift gift = { .config = config };

	inflight_each(give_record, &gift);
	inherited_each_tcp(give_fresh, &gift);
	gift_send(&gift);
	manager_flush();
	log_info("left %u connections that were being set up or carried to the service manager, in "
		 "%u descriptors", gift.connections, gift.given);
}
