/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* replay.c - which sequence numbers of a key were seen */
#include "replay.h"

bool replay_accept(struct replay *replay, uint64_t sequence)
{
	uint64_t block = sequence / 32 + 1, bit = 1ull << sequence % 32;
	uint64_t *word = &replay->words[sequence / 32 % REPLAY_WORDS];
	uint64_t old = __atomic_load_n(word, __ATOMIC_RELAXED), next;

	if (sequence >= SLIM_WIRE_SEQUENCE_MAX)
		return false;
	do {
		if (old >> 32 > block || (old >> 32 == block && old & bit))
			return false;
		next = old >> 32 == block ? old | bit : block << 32 | bit;
	} while (!__atomic_compare_exchange_n(word, &old, next, true, __ATOMIC_RELAXED,
					      __ATOMIC_RELAXED));
	return true;
}
