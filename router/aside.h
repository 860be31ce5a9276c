/* SPDX-License-Identifier: MIT */
/*
 * aside.h - slow work for the control thread, done by a thread of its own
 *
 * A dump of all sockets takes long where there are many. And what the kernel says of a
 * socket's traffic, or does to it (SOCK_DESTROY), waits until nobody else has the socket
 * locked; a container can have it locked for as long as it likes, by a write(2) of memory
 * that a FUSE file is behind. So neither is for a thread that others wait for.
 */
#ifndef ASIDE_H
#define ASIDE_H

#include <stdbool.h>

#include "loop.h"

/**
 * struct aside - one such work
 * @run:	called in the new thread, which is registered with RCU, outside of any read section
 * @done:	called in the control thread after that; owns @aside from then on
 */
struct aside {
	struct loop_task task;
	void (*run)(struct aside *aside);
	void (*done)(struct aside *aside);
};

/* Whose thread it is that `done` is called in */
void aside_init(struct loop *control);

/* Control thread. 0, or -errno: it will not run. */
int aside_start(struct aside *aside);

/*
 * The control thread is out of its loop. Gives those that run a moment to end; what has
 * ended is left in the loop (loop_run_tasks()). False: some go on, and may still use whatever
 * they use.
 */
bool aside_exit(void);

#endif
