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
	struct loop_timer **heap;	/* binary heap by expires; slots from 1 */
	unsigned int heap_num, heap_size;
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
	free(loop->heap);
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

static void heap_put(struct loop *loop, unsigned int slot, struct loop_timer *timer)
{
	loop->heap[slot] = timer;
	timer->slot = slot;
}

static void heap_up(struct loop *loop, unsigned int slot, struct loop_timer *timer)
{
	while (slot > 1 && loop->heap[slot / 2]->expires > timer->expires) {
		heap_put(loop, slot, loop->heap[slot / 2]);
		slot /= 2;
	}
	heap_put(loop, slot, timer);
}

static void heap_down(struct loop *loop, unsigned int slot, struct loop_timer *timer)
{
	for (;;) {
		unsigned int child = 2 * slot;

		if (child > loop->heap_num)
			break;
		if (child < loop->heap_num &&
		    loop->heap[child + 1]->expires < loop->heap[child]->expires)
			child++;
		if (loop->heap[child]->expires >= timer->expires)
			break;
		heap_put(loop, slot, loop->heap[child]);
		slot = child;
	}
	heap_put(loop, slot, timer);
}

static bool heap_grow(struct loop *loop)
{
	unsigned int size = loop->heap_size ? loop->heap_size * 2 : 64;
	struct loop_timer **heap = realloc(loop->heap, size * sizeof(*heap));

	if (!heap)
		return false;
	loop->heap = heap;
	loop->heap_size = size;
	return true;
}

void loop_timer_clear(struct loop *loop, struct loop_timer *timer)
{
	unsigned int slot = timer->slot;
	struct loop_timer *last;

	if (!timer->expires)
		return;
	timer->expires = 0;
	last = loop->heap[loop->heap_num--];
	if (last == timer)
		return;
	if (slot > 1 && loop->heap[slot / 2]->expires > last->expires)
		heap_up(loop, slot, last);
	else
		heap_down(loop, slot, last);
}

void loop_timer_set(struct loop *loop, struct loop_timer *timer, unsigned int delay)
{
	loop_timer_clear(loop, timer);
	if (loop->heap_num + 1 >= loop->heap_size && !heap_grow(loop))
		abort();	/* no memory for 8 bytes: nothing can be kept working */
	timer->expires = loop->now + delay;
	if (!timer->expires)
		timer->expires = 1;
	heap_up(loop, ++loop->heap_num, timer);
}

static void run_timers(struct loop *loop)
{
	/* One that is set anew with no delay waits for the next turn. */
	for (unsigned int left = loop->heap_num; left && loop->heap_num &&
	     loop->heap[1]->expires <= loop->now; left--) {
		struct loop_timer *timer = loop->heap[1];

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
	if (!loop->heap_num)
		return -1;
	now = clock_ms();
	if (loop->heap[1]->expires <= now)
		return 0;
	return (int)(loop->heap[1]->expires - now);
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
