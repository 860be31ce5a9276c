/* SPDX-License-Identifier: MIT */
/* share.c - what containers ask of a worker, served in turns */
#include "share.h"

#include <time.h>
#include <urcu/compiler.h>

#define SHARE_DEBT	(10 * SHARE_QUANTUM)

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static void queue(struct share *share, struct share_job *job)
{
	if (cds_list_empty(&share->jobs)) {
		cds_list_add_tail(&share->node, &share->of->busy);
		share->of->busy_num++;
	}
	cds_list_add_tail(&job->node, &share->jobs);
	job->state = SHARE_QUEUED;
}

static void unqueue(struct share *share, struct share_job *job)
{
	cds_list_del(&job->node);
	job->state = SHARE_IDLE;
	if (!cds_list_empty(&share->jobs))
		return;
	cds_list_del(&share->node);
	share->of->busy_num--;
	if (share->left > 0)
		share->left = 0;
}

static void delay_is_over(struct loop_timer *timer)
{
	struct share *share = caa_container_of(timer, struct share, timer);
	struct share_job *job, *next;

	cds_list_for_each_entry_safe(job, next, &share->delayed, node) {
		cds_list_del(&job->node);
		queue(share, job);
	}
}

static void share_begin(struct share *share, struct shares *shares)
{
	share->of = shares;
	share->timer.handle = delay_is_over;
	CDS_INIT_LIST_HEAD(&share->jobs);
	CDS_INIT_LIST_HEAD(&share->delayed);
}

void share_add(struct shares *shares, struct share *share, struct share_job *job)
{
	if (job->state != SHARE_IDLE)
		return;
	if (!share->of)
		share_begin(share, shares);
	job->share = share;
	queue(share, job);
}

void share_delay(struct share_job *job, unsigned int delay)
{
	struct share *share = job->share;

	unqueue(share, job);
	job->state = SHARE_DELAYED;
	cds_list_add_tail(&job->node, &share->delayed);
	if (!share->timer.expires)
		loop_timer_set(share->of->loop, &share->timer, delay);
}

void share_cancel(struct share_job *job)
{
	struct share *share = job->share;

	if (job->state == SHARE_QUEUED)
		unqueue(share, job);
	if (job->state != SHARE_DELAYED)
		return;
	cds_list_del(&job->node);
	job->state = SHARE_IDLE;
	if (cds_list_empty(&share->delayed))
		loop_timer_clear(share->of->loop, &share->timer);
}

/* One turn: until its time is over, or it has nothing to do. */
static void serve(struct share *share)
{
	int64_t then = now_ns();

	share->left += SHARE_QUANTUM;
	while (share->left > 0 && !cds_list_empty(&share->jobs)) {
		struct share_job *job =
			cds_list_first_entry(&share->jobs, struct share_job, node);
		int64_t now;

		cds_list_del(&job->node);
		cds_list_add_tail(&job->node, &share->jobs);
		if (!job->run(job) && job->state == SHARE_QUEUED)
			unqueue(share, job);
		now = now_ns();
		share->left -= now - then;
		then = now;
	}
	/* Longer than that it was not a job's work: the thread did not run meanwhile. */
	if (share->left < -SHARE_DEBT)
		share->left = -SHARE_DEBT;
	if (cds_list_empty(&share->jobs) && share->left > 0)
		share->left = 0;
}

/* One round */
static bool run_turn(struct loop_turn *turn)
{
	struct shares *shares = caa_container_of(turn, struct shares, turn);

	for (unsigned int i = shares->busy_num; i && shares->busy_num; i--) {
		struct share *share =
			cds_list_first_entry(&shares->busy, struct share, node);

		cds_list_del(&share->node);
		cds_list_add_tail(&share->node, &shares->busy);
		serve(share);
	}
	return shares->busy_num;
}

void shares_init(struct shares *shares, struct loop *loop)
{
	CDS_INIT_LIST_HEAD(&shares->busy);
	shares->busy_num = 0;
	shares->loop = loop;
	shares->turn.run = run_turn;
	loop_turn_set(loop, &shares->turn);
}
