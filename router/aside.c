/* SPDX-License-Identifier: MIT */
/* aside.c - slow work for the control thread, done by a thread of its own */
#include "aside.h"

#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <time.h>
#include <urcu.h>

#include "slice.h"

#define EXIT_TRIES	100
#define EXIT_WAIT	10	/* ms */

static struct loop *loop;
static unsigned int running;	/* atomic */
static bool ended;

static void done_run(struct loop_task *task)
{
	struct aside *aside = caa_container_of(task, struct aside, task);

	aside->done(aside);
}

static void *run(void *arg)
{
	struct aside *aside = arg;

	slice_be_long();
	rcu_register_thread();
	aside->run(aside);
	rcu_unregister_thread();
	aside->task.run = done_run;
	loop_post(loop, &aside->task);
	__atomic_sub_fetch(&running, 1, __ATOMIC_RELEASE);
	return NULL;
}

void aside_init(struct loop *control)
{
	loop = control;
}

int aside_start(struct aside *aside)
{
	pthread_t thread;
	int err;

	if (ended)
		return -ESHUTDOWN;
	__atomic_add_fetch(&running, 1, __ATOMIC_RELAXED);
	err = pthread_create(&thread, NULL, run, aside);
	if (err)
		__atomic_sub_fetch(&running, 1, __ATOMIC_RELAXED);
	else
		pthread_detach(thread);
	/* It says so where there are no more threads or no memory. */
	return err == EAGAIN ? -ENOMEM : -err;
}

bool aside_exit(void)
{
	const struct timespec wait = { .tv_nsec = EXIT_WAIT * 1000000 };

	ended = true;
	for (int i = 0; i < EXIT_TRIES; i++) {
		if (!__atomic_load_n(&running, __ATOMIC_ACQUIRE))
			return true;
		nanosleep(&wait, NULL);
	}
	return false;
}
