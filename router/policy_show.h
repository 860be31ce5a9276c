/* SPDX-License-Identifier: MIT */
/* policy_show.h - what a policy says, as JSON for operators */
#ifndef POLICY_SHOW_H
#define POLICY_SHOW_H

#include <jansson.h>

#include <stdbool.h>

#include "policy.h"

/* @config outlives all that follows. */
void policy_show_init(const struct config *config);

/* The rest: any thread; new references, NULL: no memory. */

/* "FILE:LINE" */
json_t *policy_show_place(const struct policy *policy, const struct policy_place *place);

/* The statement that begins there, as its line has it; lines that backslashes join are one. */
json_t *policy_show_line(const struct policy *policy, const struct policy_place *place);

/* Appends @item, which it owns. False: without memory there is no list any more, rather than one that leaves
 * something out. */
bool policy_show_append(json_t **array, json_t *item);

/* What is in force: "generation", "file" (null: none), "path" (where it is, or would be) and "closed". Read lock
 * held. */
json_t *policy_show_force(void);

/* The same, and the texts of its files; an inquiry (inquiry.h), which no descriptor belongs to. */
json_t *policy_show_files(int fd);

#endif
