/* SPDX-License-Identifier: MIT */
/* policy_show.h - what a policy says, as JSON for operators */
#ifndef POLICY_SHOW_H
#define POLICY_SHOW_H

#include <jansson.h>

#include "policy.h"

/* All: any thread; new references, NULL: no memory. */

/* "FILE:LINE" */
json_t *policy_show_place(const struct policy *policy, const struct policy_place *place);

/* The statement that begins there, as its line has it; lines that backslashes join are one. */
json_t *policy_show_line(const struct policy *policy, const struct policy_place *place);

/* The texts of the files of the policy in force. Read lock held. */
json_t *policy_show_files(void);

#endif
