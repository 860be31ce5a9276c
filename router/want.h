/* SPDX-License-Identifier: MIT */
/*
 * want.h - errors that say "not now": files or memory are wanting
 */
#ifndef WANT_H
#define WANT_H

#include <errno.h>
#include <stdbool.h>

/* @error: an errno, positive or negative. True: the same may succeed in a moment. */
static inline bool want_is(int error)
{
	error = error < 0 ? -error : error;
	return error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS;
}

#endif
