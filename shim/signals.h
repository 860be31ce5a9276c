/* SPDX-License-Identifier: MIT */
/*
 * signals.h - none is handled for a while
 */
#ifndef SHIM_SIGNALS_H
#define SHIM_SIGNALS_H

#include <stdint.h>

#include "sys.h"

#define SIGNALS_BLOCK	0
#define SIGNALS_SETMASK	2

/*
 * All signals are blocked until they are let go: a handler may leap away, and would leave behind
 * what its thread was about to use. Returns what signals_let() wants.
 */
static inline uint64_t signals_hold(void)
{
	uint64_t all = ~0ull, before = 0;

	sys_sigprocmask(SIGNALS_BLOCK, &all, &before);
	return before;
}

static inline void signals_let(uint64_t held)
{
	sys_sigprocmask(SIGNALS_SETMASK, &held, NULL);
}

#endif
