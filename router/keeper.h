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
 * replaced, and one that asks for it (KEEPER_UPGRADE): then the keeper executes its
 * program file anew, which by then may be another version, and leaves it everything that is open.
 */
#ifndef KEEPER_H
#define KEEPER_H

#include <stdbool.h>

/* Exit status of a router that wants to be replaced by what its program file is now. */
#define KEEPER_UPGRADE	75

/**
 * keeper_run() - run the router until it ends
 * @argv:	the program's own arguments, for an upgrade
 * @router:	what runs in the child, in a thread of its own. @resumed: there was one before
 *		whose files are open still. @deaths: so many before it were killed one soon after
 *		the other, perhaps by what they left to it. Returns an exit status.
 *
 * Returns the exit status of this process. No other threads may exist.
 */
int keeper_run(char **argv, int (*router)(bool resumed, unsigned int deaths));

#endif
