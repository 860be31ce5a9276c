/* SPDX-License-Identifier: MIT */
/*
 * keeper.h - the parent that outlives the router
 *
 * Theory of operation: the router runs in a child that shares its parent's table of
 * open files (clone(2), CLONE_FILES), and nothing else. However the child ends, everything
 * that it had open stays open: connections that wait for their applications, tickets,
 * spliced connections, slim ports. The keeper starts another child, which takes up
 * what the state files name and closes the rest. The keeper itself opens nothing,
 * allocates nothing and listens to nothing but signals.
 *
 * A child that exits ends the keeper too, with the same status; only one that was killed is
 * replaced, and one that asks for something with its exit status: KEEPER_STORE, that another
 * child gives what is open to the service manager before all ends; KEEPER_UPGRADE, that another
 * program takes its place. While there is no memory or no process for a child that follows another,
 * it is tried again, until the keeper is told to stop.
 *
 * For an upgrade the keeper executes the other program, and leaves it everything that is open, the
 * old program's file among it. The other program is on trial until its router says
 * keeper_ready(): if that exits, is killed or makes no progress for KEEPER_TRIAL_MS, its
 * keeper executes the old program again. Both come as a crash does, for their routers: the
 * way that is taken at every restart is the only one that there is. What could keep the other
 * program from getting as far as its keeper is found out before (rehearsal.h).
 */
#ifndef KEEPER_H
#define KEEPER_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#define KEEPER_TRIAL_MS		10000
#define KEEPER_VERSION_MAX	32
#define KEEPER_ERROR_MAX	256

/* Exit status of a router */
#define KEEPER_UPGRADE	75
#define KEEPER_STORE	76

/* What a child is for */
enum keeper_task {
	KEEPER_SERVE,		/* to be the router */
	KEEPER_GIVE_AWAY,	/* after KEEPER_STORE */
};

/**
 * struct keeper_start - what a child should know of those before it
 * @resumed:	there was one, whose files are open still
 * @deaths:	so many were killed one soon after the other, perhaps by what they left
 */
struct keeper_start {
	enum keeper_task task;
	bool resumed;
	unsigned int deaths;
};

/**
 * struct keeper_upgrade - a move to another program, while it is under way
 * @path:	of the other program
 * @dev, @inode:	what it was when it was looked at
 * @client_fd, @client_cookie:	who asked for it, and waits for an answer; -1: nobody
 * @began_at:	ms of CLOCK_MONOTONIC
 * @from:	the old program's version
 * @error:	why the old program runs again; empty: it does not
 */
struct keeper_upgrade {
	char path[PATH_MAX];
	uint64_t dev, inode;
	int client_fd;
	uint64_t client_cookie;
	uint64_t began_at;
	char from[KEEPER_VERSION_MAX];
	char error[KEEPER_ERROR_MAX];
};

/**
 * keeper_begin() - before anything else in main()
 *
 * Finds out whether this program has been put into another one's place. 0 or -errno.
 */
int keeper_begin(char **argv);

/**
 * keeper_run() - run the router until it ends
 * @router:	what runs in the child, in a thread of its own; returns an exit status
 *
 * Returns the exit status of this process. No other threads may exist.
 */
int keeper_run(int (*router)(const struct keeper_start *start));

/*
 * main() cannot go on. If this program is on trial, the old one is executed; else returns
 * EXIT_FAILURE.
 */
int keeper_give_up(const char *why);

/* Does what keeper_run() does, with a child that does nothing. 0 or -errno. */
int keeper_rehearse(void);

/* --- in the child --- */

/* Its start goes on, however long it takes. */
void keeper_progress(void);

/* The router serves: it is on trial no more. */
void keeper_ready(void);

/* Ends the process at once, and has @upgrade done. */
void keeper_exit_for(const struct keeper_upgrade *upgrade) __attribute__((noreturn));

/* The upgrade that has just been made, or has failed; NULL: none, or it is settled. */
const struct keeper_upgrade *keeper_upgraded(void);
void keeper_upgrade_settled(void);

/* Its own: not to be touched. */
bool keeper_has_file(int fd);

#endif
