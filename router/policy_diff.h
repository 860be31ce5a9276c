/* SPDX-License-Identifier: MIT */
/* policy_diff.h - what another policy would change, and which live connections it would cut */
#ifndef POLICY_DIFF_H
#define POLICY_DIFF_H

#include <jansson.h>

#include "config.h"

/* @config outlives all that follows. */
void policy_diff_init(const struct config *config);

/*
 * An inquiry (inquiry.h). @fd: a file in memory (memfd_create(2)), sealed against all changes, with what
 * policy_pack_write() writes. Nothing is put in force.
 */
json_t *policy_diff(int fd);

#endif
