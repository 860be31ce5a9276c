/* SPDX-License-Identifier: MIT */
/*
 * reload.h - the policy is read: at start, on SIGHUP, and when `slimctl reload` asks for it
 *
 * Read, checked, compiled and staged with all enforcers in a thread of its own; then put in force by the
 * control thread, all or nothing. With an error the former policy stays. Who asks while one is under way
 * gets the next, since files may have changed meanwhile. Control thread.
 */
#ifndef RELOAD_H
#define RELOAD_H

#include <stdbool.h>
#include <stdint.h>
#include <urcu/list.h>

#include "config.h"
#include "loop.h"

/*
 * @error:	why nothing has changed, lines with their ends; NULL: it has
 * @file:	that was read; NULL: there is none, at @path
 * @rules:	in force now
 * @generation:	of the policy in force
 * @took:	us, from the beginning until it was in force
 */
struct reload_outcome {
	const char *error;
	const char *file;
	const char *path;
	uint32_t rules;
	uint64_t generation;
	uint64_t took;
};

/* Zero-filled but for @done, which is called once; nothing here is used after that. */
struct reload_waiter {
	struct cds_list_head node;
	void (*done)(struct reload_waiter *waiter, const struct reload_outcome *outcome);
};

/*
 * Reads the policy for the first time, before there are any connections to judge. @resumed: another
 * router ended a moment ago, and connections go on: what that one had in force stays so; where that cannot
 * be had, and the policy has errors or is gone, nothing is allowed until it is reloaded, and nothing is cut.
 * Otherwise the file is read; with errors in it, the policy that an earlier router had in force stays, if there was one. 0, or -EINVAL: it has
 * errors, which have been logged, and there is none. A file that is not there is no policy.
 */
int reload_init(const struct config *config, struct loop *control, bool resumed);

/* What the router took over may be what the policy denies. */
void reload_begin(void);

/* @waiter: or NULL */
void reload_ask(struct reload_waiter *waiter);
void reload_forget(struct reload_waiter *waiter);

/* The control thread is out of its loop, and no reader is left. */
void reload_exit(void);

#endif
