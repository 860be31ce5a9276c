/* SPDX-License-Identifier: MIT */
/* policy_pack.h - all files of a policy as one file */
#ifndef POLICY_PACK_H
#define POLICY_PACK_H

#include <stdio.h>

#include "policy_source.h"

/* 0 or -EIO */
int policy_pack_write(FILE *out, const struct policy_sources *sources);

/*
 * Fills @sources, to be freed by policy_sources_free(), from what policy_pack_write() wrote and nothing
 * behind it. 0, -EPROTO (it is something else, or not whole), -ENOMEM, or -EFBIG; then there is nothing to
 * free.
 */
int policy_pack_read(FILE *in, struct policy_sources *sources);

#endif
