/* SPDX-License-Identifier: MIT */
/*
 * policy_archive.h - the files of the policy in force, for the router after this one
 *
 * Theory of operation: files are put in force by who reloads, and not by a router that dies. So their
 * texts are kept in the state directory, in one file that is replaced as a whole, and the next router
 * reads these. A policy without any files stands for none.
 */
#ifndef POLICY_ARCHIVE_H
#define POLICY_ARCHIVE_H

#include <stdbool.h>

#include "policy_source.h"

/* Both: any thread, one at a time; @directory: NULL: nothing is kept. */

/* Writes @sources beside what is kept. 0 or -errno */
int policy_archive_write(const char *directory, const struct policy_sources *sources);

/*
 * What was written last takes its place. 0, or -errno (logged), and nothing is kept any more but that there
 * was a policy (@any).
 */
int policy_archive_commit(const char *directory, bool any);

/*
 * Fills @sources, to be freed by policy_sources_free(). 0, -ENOENT (nobody had a policy), -EPROTO (it was not
 * kept, or it is no such file), -ENOMEM or another -errno.
 */
int policy_archive_read(const char *directory, struct policy_sources *sources);

#endif
