/* SPDX-License-Identifier: MIT */
/*
 * test_share.c - whoever asks for much does not keep the others waiting
 * links: router/share.c router/loop.c
 * libs: urcu urcu-cds urcu-common
 */
#include <check.h>
#include <stdlib.h>
#include <time.h>
#include <urcu.h>

#include "../../router/share.h"
#include "suite.h"

#define CROWD	1000
#define ROUNDS	200

struct counted {
	struct share_job job;
	unsigned int runs, cost;	/* us */
	unsigned int left;		/* runs until there is nothing more */
};

static struct loop *loop;
static struct shares shares;
static struct share greedy, modest;
static unsigned int runs_greedy, runs_modest;
static struct loop_timer deadline;

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static bool spend(struct share_job *job)
{
	struct counted *counted = caa_container_of(job, struct counted, job);
	uint64_t end = now_us() + counted->cost;

	while (now_us() < end)
		;
	*(job->share == &greedy ? &runs_greedy : &runs_modest) += 1;
	counted->runs++;
	if (runs_modest == ROUNDS)
		loop_stop(loop);
	return --counted->left > 0;
}

static void out_of_time(struct loop_timer *timer)
{
	(void)timer;
	loop_stop(loop);
}

static void setup(void)
{
	rcu_register_thread();
	loop = loop_new();
	shares_init(&shares, loop);
	greedy = modest = (struct share){ 0 };
	runs_greedy = runs_modest = 0;
	deadline = (struct loop_timer){ .handle = out_of_time };
}

static void teardown(void)
{
	loop_free(loop);
	rcu_unregister_thread();
}

static void add(struct share *share, struct counted *counted, unsigned int cost,
		unsigned int times)
{
	*counted = (struct counted){ .job.run = spend, .cost = cost, .left = times };
	share_add(&shares, share, &counted->job);
}

static void run_for(unsigned int ms)
{
	loop_timer_set(loop, &deadline, ms);
	loop_run(loop);
}

/* The bounds leave room for a thread that is not run for a while. */
START_TEST(a_crowd_gets_no_more_than_one)
{
	static struct counted crowd[CROWD], one;

	for (int i = 0; i < CROWD; i++)
		add(&greedy, &crowd[i], 20, ~0u);
	add(&modest, &one, 20, ~0u);
	run_for(5000);
	ck_assert_uint_ge(runs_modest, ROUNDS);
	ck_assert_uint_ge(runs_greedy, ROUNDS / 4);
	ck_assert_uint_le(runs_greedy, ROUNDS * 4);
	/* ... and each of the crowd has had its turn before any has a second one. */
	for (int i = 0; i < CROWD; i++)
		ck_assert_uint_le(crowd[i].runs, 1);
}
END_TEST

START_TEST(time_counts_not_jobs)
{
	static struct counted dear, cheap;

	add(&greedy, &dear, 400, ~0u);
	add(&modest, &cheap, 10, ~0u);
	run_for(5000);
	ck_assert_uint_ge(runs_modest, ROUNDS);
	/* 200 of 10 us against as much time in pieces of 400 us; 40, if each began without debts */
	ck_assert_uint_le(runs_greedy, 20);
	ck_assert_uint_ge(runs_greedy, 1);
}
END_TEST

START_TEST(nothing_is_saved_up)
{
	static struct counted first, second;

	add(&greedy, &first, 0, 1);
	ck_assert(!shares.turn.run(&shares.turn));
	ck_assert_int_le(greedy.left, 0);
	ck_assert_uint_eq(shares.busy_num, 0);
	ck_assert_int_eq(first.job.state, SHARE_IDLE);
	add(&greedy, &second, 0, 3);
	share_add(&shares, &greedy, &second.job);
	while (shares.turn.run(&shares.turn))
		;
	ck_assert_uint_eq(second.runs, 3);
}
END_TEST

static unsigned int delayed_runs;

static bool delay(struct share_job *job)
{
	delayed_runs++;
	share_delay(job, 30);
	return false;
}

START_TEST(a_delayed_job_waits_and_others_do_not)
{
	struct share_job late = { .run = delay };
	static struct counted other;

	delayed_runs = 0;
	share_add(&shares, &modest, &late);
	add(&modest, &other, 0, 50);
	while (shares.turn.run(&shares.turn))
		;
	share_add(&shares, &modest, &late);
	ck_assert(!shares.turn.run(&shares.turn));
	ck_assert_uint_eq(delayed_runs, 1);
	ck_assert_uint_eq(other.runs, 50);
	run_for(100);
	ck_assert_uint_ge(delayed_runs, 2);
	ck_assert_uint_le(delayed_runs, 5);
	share_cancel(&late);
	ck_assert_int_eq(late.state, SHARE_IDLE);
	ck_assert_uint_eq(modest.timer.expires, 0);
}
END_TEST

static struct counted *victim;

static bool cancel_other(struct share_job *job)
{
	share_cancel(&victim->job);
	share_cancel(job);
	return true;
}

START_TEST(a_job_may_cancel_itself_and_others)
{
	static struct counted other;
	struct share_job job = { .run = cancel_other };

	victim = &other;
	share_add(&shares, &modest, &job);
	add(&modest, &other, 0, ~0u);
	run_for(10);
	ck_assert_uint_eq(other.runs, 0);
	ck_assert_uint_eq(shares.busy_num, 0);
	ck_assert_int_eq(job.state, SHARE_IDLE);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("share");
	TCase *tc = tcase_create("share");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, a_crowd_gets_no_more_than_one);
	tcase_add_test(tc, time_counts_not_jobs);
	tcase_add_test(tc, nothing_is_saved_up);
	tcase_add_test(tc, a_delayed_job_waits_and_others_do_not);
	tcase_add_test(tc, a_job_may_cancel_itself_and_others);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
