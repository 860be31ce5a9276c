/* SPDX-License-Identifier: MIT */
/*
 * worker.h - the threads on the way of a connection
 *
 * Each has a loop of its own, in which it serves channels, slim ports and
 * tickets. What a worker made (a channel, an inbound connection, a relay) is freed
 * by it alone; others reach it over atomics or by a task.
 */
#ifndef WORKER_H
#define WORKER_H

#include <pthread.h>
#include <stdint.h>
#include <urcu/list.h>

#include "config.h"
#include "loop.h"
#include "mac.h"
#include "preambles.h"
#include "share.h"

struct container;

struct worker {
	unsigned int index;
	pthread_t thread;
	struct loop *loop;
	struct loop *control;
	struct mac *mac;
	const struct config *config;
	struct shares shares;
	struct cds_list_head channels;	/* struct channel */
	struct cds_list_head claims;	/* of claim.c */
	struct cds_list_head dials;	/* struct dial */
	struct cds_list_head inbounds;	/* struct inbound */
	struct preambles preambles;	/* ... in PREAMBLE */
};

/* Makes config->workers of them, running. 0 or -errno. */
int workers_start(const struct config *config, struct loop *control);
/* Stops and frees them and all that they have. */
void workers_stop(void);

/* The next one in turn, for something new. */
struct worker *worker_next(void);

/* NULL behind the last one. */
struct worker *worker_at(unsigned int index);

/* Every worker drops what it holds of a dead container. Control thread. */
void workers_drop_container(struct container *container);

#endif
