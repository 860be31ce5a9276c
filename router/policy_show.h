/* SPDX-License-Identifier: MIT */
/* policy_show.h - what a policy says, as JSON for operators */
#ifndef POLICY_SHOW_H
#define POLICY_SHOW_H

#include <jansson.h>

#include "policy.h"

/* All: any thread; new references, NULL: no memory. */

/* "FILE:LINE" */
json_t *policy_show_place(const struct policy *policy, const struct policy_place *place);

/* Its line. Takes long far down in a large file. */
json_t *policy_show_line(const struct policy *policy, const struct policy_place *place);

/* The texts of the files of the policy in force. Read lock held. */
json_t *policy_show_files(void);

#endif
