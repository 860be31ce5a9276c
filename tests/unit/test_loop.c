/* SPDX-License-Identifier: MIT */
/*
 * test_loop.c - the event loop: order of timers, tasks from other threads, descriptors
 * links: router/loop.c
 * libs: urcu urcu-cds urcu-common
 */
#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <urcu.h>

#include "../../router/loop.h"
#include "suite.h"

#define TIMERS	200
#define TASKS	10000
#define THREADS	4

static struct loop *loop;

struct numbered {
	struct loop_timer timer;
	unsigned int delay;
	uint64_t due;			/* ms */
};

static struct numbered timers[TIMERS];
static unsigned int fired, last_delay;

static void fire(struct loop_timer *timer)
{
	struct numbered *numbered = caa_container_of(timer, struct numbered, timer);

	ck_assert_uint_ge(numbered->delay, last_delay);
	last_delay = numbered->delay;
	ck_assert_uint_eq(timer->expires, 0);
	if (++fired == TIMERS / 2)
		loop_stop(loop);
}

START_TEST(timers_in_order)
{
	srand(7);
	loop = loop_new();
	for (int i = 0; i < TIMERS; i++) {
		timers[i].delay = 1 + (unsigned int)rand() % 40;
		timers[i].timer.handle = fire;
		loop_timer_set(loop, &timers[i].timer, 1000);
		loop_timer_set(loop, &timers[i].timer, timers[i].delay);
	}
	/* Every other one never fires; clearing twice does no harm. */
	for (int i = 0; i < TIMERS; i += 2) {
		loop_timer_clear(loop, &timers[i].timer);
		loop_timer_clear(loop, &timers[i].timer);
	}
	loop_run(loop);
	ck_assert_uint_eq(fired, TIMERS / 2);
	loop_free(loop);
}
END_TEST

static uint64_t last_fired;

static void fire_later(struct loop_timer *timer)
{
	static unsigned int left = 2000;
	struct numbered *timed = caa_container_of(timer, struct numbered, timer);
	unsigned int other = (unsigned int)rand() % TIMERS;

	ck_assert_uint_ge(timed->due, last_fired);
	last_fired = timed->due;
	if (!left || !--left) {
		loop_stop(loop);
		return;
	}
	/* Some are taken out of the middle, some set anew from there. */
	loop_timer_clear(loop, &timers[other].timer);
	other = (unsigned int)rand() % TIMERS;
	timers[other].due = loop_now(loop) + 1 + (unsigned int)rand() % 4;
	loop_timer_set(loop, &timers[other].timer, (unsigned int)(timers[other].due - loop_now(loop)));
	timed->due = loop_now(loop) + 1 + (unsigned int)rand() % 4;
	loop_timer_set(loop, timer, (unsigned int)(timed->due - loop_now(loop)));
}

START_TEST(timers_set_and_cleared_by_others)
{
	srand(11);
	loop = loop_new();
	last_fired = 0;
	for (int i = 0; i < TIMERS; i++) {
		timers[i].due = loop_now(loop) + 1 + (unsigned int)rand() % 20;
		timers[i].timer = (struct loop_timer){ .handle = fire_later };
		loop_timer_set(loop, &timers[i].timer,
			       (unsigned int)(timers[i].due - loop_now(loop)));
	}
	loop_run(loop);
	for (int i = 0; i < TIMERS; i++)
		loop_timer_clear(loop, &timers[i].timer);
	loop_free(loop);
}
END_TEST

struct counted {
	struct loop_task task;
	unsigned int thread, number;
};

static unsigned int next_number[THREADS], tasks_run;

static void count(struct loop_task *task)
{
	struct counted *counted = caa_container_of(task, struct counted, task);

	/* Those of one thread come in its order. */
	ck_assert_uint_eq(counted->number, next_number[counted->thread]++);
	free(counted);
	if (++tasks_run == THREADS * TASKS)
		loop_stop(loop);
}

static void *post_all(void *arg)
{
	unsigned int thread = (unsigned int)(unsigned long)arg;

	for (unsigned int i = 0; i < TASKS; i++) {
		struct counted *counted = calloc(1, sizeof(*counted));

		counted->task.run = count;
		counted->thread = thread;
		counted->number = i;
		loop_post(loop, &counted->task);
	}
	return NULL;
}

START_TEST(tasks_from_threads)
{
	pthread_t threads[THREADS];

	loop = loop_new();
	for (unsigned long i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, post_all, (void *)i);
	loop_run(loop);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	ck_assert_uint_eq(tasks_run, THREADS * TASKS);
	loop_free(loop);
}
END_TEST

static uint32_t seen_events;

static void see(struct loop_event *event, uint32_t events)
{
	seen_events = events;
	loop_remove(loop, event);
	loop_stop(loop);
}

START_TEST(descriptors)
{
	struct loop_event event = { .handle = see };
	int fds[2];

	ck_assert_int_eq(pipe(fds), 0);
	loop = loop_new();
	event.fd = fds[0];
	ck_assert_int_eq(loop_add(loop, &event, EPOLLIN), 0);
	ck_assert_int_lt(loop_add(loop, &event, EPOLLIN), 0);
	ck_assert_int_eq(write(fds[1], "x", 1), 1);
	loop_run(loop);
	ck_assert_uint_eq(seen_events & EPOLLIN, EPOLLIN);
	ck_assert_int_lt(loop_modify(loop, &event, EPOLLIN), 0);
	loop_free(loop);
	close(fds[0]);
	close(fds[1]);
}
END_TEST

static unsigned int endless_run;

/* Somebody who always has more to do */
static void endless(struct loop_task *task)
{
	endless_run++;
	loop_post(loop, task);
}

static void stop_fire(struct loop_timer *timer)
{
	(void)timer;
	loop_stop(loop);
}

START_TEST(tasks_leave_room_for_others)
{
	static struct loop_task task = { .run = endless };
	static struct loop_timer timer = { .handle = stop_fire };

	loop = loop_new();
	loop_post(loop, &task);
	loop_timer_set(loop, &timer, 20);
	loop_run(loop);
	/* They went on all the time, too. */
	ck_assert_uint_gt(endless_run, 1000);
	loop_free(loop);
}
END_TEST

static unsigned int late_run;

static void late(struct loop_task *task)
{
	if (++late_run == 1)
		loop_post(loop, task);
}

START_TEST(tasks_of_a_stopped_loop)
{
	static struct loop_task task = { .run = late };

	loop = loop_new();
	loop_stop(loop);
	loop_run(loop);
	loop_post(loop, &task);
	rcu_read_lock();
	loop_run_tasks(loop);
	rcu_read_unlock();
	ck_assert_uint_eq(late_run, 2);
	loop_free(loop);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("loop");
	TCase *tc = tcase_create("userspace");
	int failed;

	tcase_add_test(tc, tasks_leave_room_for_others);
	tcase_add_test(tc, tasks_of_a_stopped_loop);
	tcase_add_test(tc, timers_in_order);
	tcase_add_test(tc, timers_set_and_cleared_by_others);
	tcase_add_test(tc, tasks_from_threads);
	tcase_add_test(tc, descriptors);
	suite_add_tcase(suite, tc);
	rcu_register_thread();
	failed = suite_run(suite);
	rcu_unregister_thread();
	return failed;
}
