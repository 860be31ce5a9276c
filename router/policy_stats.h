/* SPDX-License-Identifier: MIT */
/* policy_stats.h - how often each rule has decided, and which ones never can */
#ifndef POLICY_STATS_H
#define POLICY_STATS_H

#include <jansson.h>

/* Of the policy in force; an inquiry (inquiry.h), which no descriptor belongs to. */
json_t *policy_stats(int fd);

#endif
