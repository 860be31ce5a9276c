/* SPDX-License-Identifier: MIT */
/* loop.c - one thread's event loop */
#include "loop.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>
#include <urcu.h>

#define LOOP_BATCH	64	/* events in a turn */
#define LOOP_TASKS	64	/* tasks in a turn */

struct loop {
	int epoll_fd;
	struct loop_event wake;		/* eventfd: tasks or stop */
	bool stop;			/* atomic */
	uint64_t now;
	struct loop_timer *timers;	/* the one that expires first */
	unsigned int timers_num;
	struct cds_wfcq_head tasks_head;
	struct cds_wfcq_tail tasks_tail;
	struct loop_turn *turn;		/* or NULL */
	bool more;			/* ... it has more to do */
};

static uint64_t clock_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void wake_handle(struct loop_event *event, uint32_t events)
{
	uint64_t count;

	(void)events;
	/* Nothing to do with a failure: the tasks are looked at anyway. */
	if (read(event->fd, &count, sizeof(count)) < 0)
		return;
}

struct loop *loop_new(void)
{
	struct loop *loop = calloc(1, sizeof(*loop));

	if (!loop)
		return NULL;
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll_fd < 0)
		goto free_loop;
	loop->wake.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (loop->wake.fd < 0)
		goto close_epoll;
	loop->wake.handle = wake_handle;
	if (loop_add(loop, &loop->wake, EPOLLIN) < 0)
		goto close_wake;
	cds_wfcq_init(&loop->tasks_head, &loop->tasks_tail);
	loop->now = clock_ms();
	return loop;

close_wake:
	close(loop->wake.fd);
close_epoll:
	close(loop->epoll_fd);
free_loop:
	free(loop);
	return NULL;
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	close(loop->wake.fd);
	close(loop->epoll_fd);
	cds_wfcq_destroy(&loop->tasks_head, &loop->tasks_tail);
	free(loop);
}

uint64_t loop_now(const struct loop *loop)
{
	return loop->now;
}

static int control(struct loop *loop, int op, struct loop_event *event, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = event };

	return epoll_ctl(loop->epoll_fd, op, event->fd, &ev) < 0 ? -errno : 0;
}

int loop_add(struct loop *loop, struct loop_event *event, uint32_t events)
{
	return control(loop, EPOLL_CTL_ADD, event, events);
}

int loop_modify(struct loop *loop, struct loop_event *event, uint32_t events)
{
	return control(loop, EPOLL_CTL_MOD, event, events);
}

void loop_remove(struct loop *loop, struct loop_event *event)
{
	control(loop, EPOLL_CTL_DEL, event, 0);
}

/*
 * The timers are a pairing heap (Fredman, Sedgewick, Sleator, Tarjan 1986), which needs no
 * memory but theirs: setting one cannot fail. Of two trees, the one whose root expires
 * later becomes the other root's first child.
 */
static struct loop_timer *heap_join(struct loop_timer *a, struct loop_timer *b)
{
	if (!a || !b)
		return a ? a : b;
	if (b->expires < a->expires) {
		struct loop_timer *later = a;

		a = b;
		b = later;
	}
	b->next = a->child;
	b->before = a;
	if (b->next)
		b->next->before = b;
	a->child = b;
	return a;
}

/* Joins siblings: by twos as they come, and those from the last to the first. */
static struct loop_timer *heap_join_all(struct loop_timer *first)
{
	struct loop_timer *pairs = NULL, *root = NULL;

	while (first) {
		struct loop_timer *second = first->next;
		struct loop_timer *rest = second ? second->next : NULL;
		struct loop_timer *pair = heap_join(first, second);

		pair->next = pairs;
		pairs = pair;
		first = rest;
	}
	while (pairs) {
		struct loop_timer *rest = pairs->next;

		root = heap_join(root, pairs);
		pairs = rest;
	}
	if (root) {
		root->next = NULL;
		root->before = NULL;
	}
	return root;
}

/* Out of the list of siblings that it is in */
static void heap_cut(struct loop_timer *timer)
{
	if (timer->before->child == timer)
		timer->before->child = timer->next;
	else
		timer->before->next = timer->next;
	if (timer->next)
		timer->next->before = timer->before;
}

void loop_timer_clear(struct loop *loop, struct loop_timer *timer)
{
	struct loop_timer *below;

	if (!timer->expires)
		return;
	below = heap_join_all(timer->child);
	if (timer == loop->timers) {
		loop->timers = below;
	} else {
		heap_cut(timer);
		loop->timers = heap_join(loop->timers, below);
	}
	timer->expires = 0;
	timer->child = NULL;
	timer->next = NULL;
	timer->before = NULL;
	loop->timers_num--;
}

void loop_timer_set(struct loop *loop, struct loop_timer *timer, unsigned int delay)
{
	loop_timer_clear(loop, timer);
	timer->expires = loop->now + delay;
	if (!timer->expires)
		timer->expires = 1;
	loop->timers = heap_join(loop->timers, timer);
	loop->timers_num++;
}

static void run_timers(struct loop *loop)
{
	/* One that is set anew with no delay waits for the next turn. */
	for (unsigned int left = loop->timers_num; left && loop->timers &&
	     loop->timers->expires <= loop->now; left--) {
		struct loop_timer *timer = loop->timers;

		loop_timer_clear(loop, timer);
		timer->handle(timer);
	}
}

static int wait_ms(struct loop *loop)
{
	uint64_t now;

	/* Left over from the last turn: nobody rings the bell for these again. */
	if (loop->more || !cds_wfcq_empty(&loop->tasks_head, &loop->tasks_tail))
		return 0;
	if (!loop->timers)
		return -1;
	now = clock_ms();
	if (loop->timers->expires <= now)
		return 0;
	return (int)(loop->timers->expires - now);
}

void loop_post(struct loop *loop, struct loop_task *task)
{
	uint64_t one = 1;

	cds_wfcq_node_init(&task->node);
	/* Where tasks were waiting already, somebody has rung the bell. */
	if (cds_wfcq_enqueue(&loop->tasks_head, &loop->tasks_tail, &task->node))
		return;
	while (write(loop->wake.fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

/* False: there was none. */
static bool run_task(struct loop *loop)
{
	struct cds_wfcq_node *node =
		__cds_wfcq_dequeue_blocking(&loop->tasks_head, &loop->tasks_tail);
	struct loop_task *task;

	if (!node)
		return false;
	task = caa_container_of(node, struct loop_task, node);
	task->run(task);
	return true;
}

static void run_tasks(struct loop *loop)
{
	for (int i = 0; i < LOOP_TASKS && run_task(loop); i++)
		;
}

void loop_run_tasks(struct loop *loop)
{
	while (run_task(loop))
		;
}

void loop_turn_set(struct loop *loop, struct loop_turn *turn)
{
	loop->turn = turn;
	loop->more = true;
}

void loop_stop(struct loop *loop)
{
	uint64_t one = 1;

	__atomic_store_n(&loop->stop, true, __ATOMIC_RELEASE);
	while (write(loop->wake.fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

void loop_run(struct loop *loop)
{
	struct epoll_event events[LOOP_BATCH];

	while (!__atomic_load_n(&loop->stop, __ATOMIC_ACQUIRE)) {
		int num = epoll_wait(loop->epoll_fd, events, LOOP_BATCH, wait_ms(loop));

		loop->now = clock_ms();
		rcu_read_lock();
		for (int i = 0; i < num; i++) {
			struct loop_event *event = events[i].data.ptr;

			event->handle(event, events[i].events);
		}
		run_tasks(loop);
		run_timers(loop);
		if (loop->turn)
			loop->more = loop->turn->run(loop->turn);
		rcu_read_unlock();
	}
}
