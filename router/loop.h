/* SPDX-License-Identifier: MIT */
/*
 * loop.h - one thread's event loop: descriptors, timers, tasks from other threads
 *
 * Theory of operation: a loop belongs to the thread that runs it. Only
 * loop_post() and loop_stop() may be called from another one. While a batch of
 * events is handled the thread holds the RCU read lock, and it waits outside of it;
 * so what is freed by call_rcu() outlives every event of the batch
 * that could still name it. Handlers never block. Of each kind of work a turn does a bounded
 * amount, so that whoever makes much of one does not keep the others waiting.
 */
#ifndef LOOP_H
#define LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <urcu/list.h>
#include <urcu/wfcqueue.h>

struct loop;

/**
 * struct loop_event - a descriptor that a loop watches
 * @fd:		the descriptor; owned by whoever embeds this
 * @handle:	called with EPOLL* bits
 */
struct loop_event {
	int fd;
	void (*handle)(struct loop_event *event, uint32_t events);
};

/**
 * struct loop_timer - fires once, not before its time
 *
 * Zero-filled apart from @handle; set again by its own handler if wished. May be cleared or
 * set from its own handler.
 */
struct loop_timer {
	void (*handle)(struct loop_timer *timer);
	uint64_t expires;		/* loop_now() ms; 0: not set */
	/* In the loop's heap (loop.c): first child, next sibling, the sibling or parent before it */
	struct loop_timer *child, *next, *before;
};

/**
 * struct loop_task - something for another thread's loop to do, once
 *
 * @run is called in the loop's thread, inside the read section; it
 * owns @task from then on (frees it, if it was allocated).
 */
struct loop_task {
	struct cds_wfcq_node node;
	void (*run)(struct loop_task *task);
};

/**
 * struct loop_turn - what a loop does after each batch of events
 *
 * @run is called inside the read section, and returns whether there is more to do: then
 * the loop does not wait for events.
 */
struct loop_turn {
	bool (*run)(struct loop_turn *turn);
};

/* Returns NULL with errno set when descriptors or memory run out. */
struct loop *loop_new(void);
void loop_free(struct loop *loop);

/* Runs until loop_stop(). The thread must be registered with RCU. */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

/* Milliseconds of CLOCK_MONOTONIC, as of the start of this batch. */
uint64_t loop_now(const struct loop *loop);

/* As epoll_ctl(2) with EPOLL_CTL_ADD, MOD, DEL; 0 or -errno. add and modify
 * may be called from any thread. */
int loop_add(struct loop *loop, struct loop_event *event, uint32_t events);
int loop_modify(struct loop *loop, struct loop_event *event, uint32_t events);
void loop_remove(struct loop *loop, struct loop_event *event);

/* @delay: ms from loop_now(); sets it anew if it is set already. Never fails. Loop's thread only. */
void loop_timer_set(struct loop *loop, struct loop_timer *timer, unsigned int delay);
void loop_timer_clear(struct loop *loop, struct loop_timer *timer);

/* Before the loop runs; @turn outlives it. */
void loop_turn_set(struct loop *loop, struct loop_turn *turn);

/* From any thread: run @task in the loop's thread. Never fails. */
void loop_post(struct loop *loop, struct loop_task *task);

/* Runs all that was posted and those that this posts, once nobody runs the loop any more.
 * Read lock held. */
void loop_run_tasks(struct loop *loop);

#endif
