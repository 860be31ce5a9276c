/* SPDX-License-Identifier: MIT */
/*
 * allowance.h - how much somebody may do: at once, and each second (a token bucket)
 */
#ifndef ALLOWANCE_H
#define ALLOWANCE_H

#include <stdbool.h>
#include <stdint.h>

/* One thread's. Zero-filled but for @burst and @rate, it is full. */
struct allowance {
	uint32_t burst;			/* at once */
	uint32_t rate;			/* each second */
	uint64_t spent;			/* thousandths, not yet made up for */
	uint64_t at;			/* ms, when that was so */
};

/* Takes @cost at @now (ms, never less than before). False: it is not there yet, nothing is taken. */
static inline bool allowance_take(struct allowance *allowance, uint32_t cost, uint64_t now)
{
	uint64_t made_up = (now - allowance->at) * allowance->rate;
	uint64_t spent = allowance->spent > made_up ? allowance->spent - made_up : 0;

	allowance->spent = spent;
	allowance->at = now;
	if (spent + cost * 1000ull > allowance->burst * 1000ull)
		return false;
	allowance->spent += cost * 1000ull;
	return true;
}

#endif
