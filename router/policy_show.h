/* SPDX-License-Identifier: MIT */
/* policy_show.h - what operators ask about the policy in force, answered as JSON */
#ifndef POLICY_SHOW_H
#define POLICY_SHOW_H

#include <jansson.h>
#include <stddef.h>

#include "config.h"

/* Control thread, as all of these. @config outlives them. */
void policy_show_init(const struct config *config);

/* The texts of its files. NULL: no memory. */
json_t *policy_show_files(void);

/* How often each rule has decided, and which ones never can. NULL: no memory. */
json_t *policy_show_stats(void);

/**
 * policy_show_test() - which rule decides
 * @args:	source and destination (containers' names, or addresses), port; optional protocol
 *		(default tcp) and tenant
 * @error:	filled where the result is NULL
 */
json_t *policy_show_test(json_t *args, char *error, size_t size);

#endif
