/* SPDX-License-Identifier: MIT */
/*
 * share.h - what containers ask of a worker, served in turns
 *
 * Theory of operation: epoll names descriptors one after the other, so that a container with a
 * thousand channels would be served a thousand times before a neighbour with one. So what a
 * container asks of a worker (requests on channels, claims that another worker passes on, bytes of
 * spliced connections) is not done when it is named: it becomes a job in the container's share of
 * that worker. After each batch of events the shares that have jobs are served in rounds (deficit
 * round-robin, Shreedhar and Varghese 1995), each for SHARE_QUANTUM of processor time, whatever a job costs: what a
 * share took beyond its turn it has less in the next ones. One that has nothing to do saves
 * nothing up.
 *
 * Descriptors are watched edge-triggered, and a job says whether there may be more. Jobs and
 * shares are their worker's alone.
 */
#ifndef SHARE_H
#define SHARE_H

#include <stdbool.h>
#include <stdint.h>
#include <urcu/list.h>

#include "loop.h"

#define SHARE_QUANTUM	50000		/* ns */

/* A worker's: the shares that have jobs */
struct shares {
	struct loop_turn turn;
	struct loop *loop;
	struct cds_list_head busy;
	unsigned int busy_num;
};

/* One container's in one worker; zero-filled at first. */
struct share {
	struct shares *of;		/* NULL until its first job */
	struct cds_list_head node;	/* of->busy, while there are jobs */
	struct cds_list_head jobs, delayed;
	int64_t left;			/* ns */
	struct loop_timer timer;	/* of the delayed ones */
};

enum share_state { SHARE_IDLE, SHARE_QUEUED, SHARE_DELAYED };

/**
 * struct share_job - something that a container wants done now and then
 * @run:	does a bounded piece of it, in its worker, inside the read section. Returns whether
 *		there may be more. May cancel and, by call_rcu(), free its own job.
 *
 * Zero-filled but for @run.
 */
struct share_job {
	struct cds_list_head node;
	struct share *share;
	enum share_state state;
	bool (*run)(struct share_job *job);
};

/* Serves the shares in @loop's turns, from now on. */
void shares_init(struct shares *shares, struct loop *loop);

/* There may be something to do. A job that is queued or delayed stays what it is. */
void share_add(struct shares *shares, struct share *share, struct share_job *job);

/* From its own run(), which then returns false: not before @delay ms. */
void share_delay(struct share_job *job, unsigned int delay);

/* Whatever it is, it is that no more. */
void share_cancel(struct share_job *job);

#endif
