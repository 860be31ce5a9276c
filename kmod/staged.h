/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * staged.h - a policy that is being told, part by part, and built when all of it is there
 *
 * Under the host's lock, all of it.
 */
#ifndef KMOD_STAGED_H
#define KMOD_STAGED_H

#include <linux/slim.h>
#include <linux/types.h>

struct force;
struct staged;

/*
 * @members:	the dynamic sets of @base's policy alone
 * @base:	in force now, or NULL
 * Returns what staged_free() frees, or ERR_PTR: -E2BIG, -EINVAL, -ENODATA (there is no policy with members), -ENOMEM.
 */
struct staged *staged_begin(u64 generation, u32 flags, const struct slim_policy_counts *counts,
			    const struct force *base);

/* 0, -EINVAL (no whole structs), -E2BIG (more than was said), -EALREADY (it has been built) */
int staged_add(struct staged *staged, enum slim_part part, const void *data, size_t len);

/* Builds: 0, -ENODATA, -EALREADY, -EINVAL, -E2BIG, -ENOMEM. After an error it is of no more use. */
int staged_build(struct staged *staged);

/*
 * What was built under @generation, to be put in force, and the caller's from now on. ERR_PTR: -ENODATA: there is
 * nothing of that number. Members are of the policy in force: nothing else comes in force without being staged itself,
 * in their place.
 */
struct force *staged_take(struct staged *staged, u64 generation);

/* NULL is allowed. */
void staged_free(struct staged *staged);

#endif
