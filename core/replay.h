/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * replay.h - which sequence numbers of a key were seen
 *
 * Theory of operation: sequence numbers come in blocks of 32. A ring of words
 * remembers the last REPLAY_WORDS blocks; a word holds the number of its block plus one in
 * the upper half (so that an all-zero ring is an empty window) and a bit for each number in
 * the lower. A number whose word belongs to a later block already is too old; a later block
 * takes the word over. Each word changes by compare-and-swap alone, so any number of
 * threads may ask at once, and one of them gets true for each number. Nothing is ever accepted
 * twice; what is less than REPLAY_WINDOW - 32 behind the highest is accepted once in any order.
 */
#ifndef REPLAY_H
#define REPLAY_H

#ifdef __KERNEL__
#include <linux/types.h>
#else
#include <stdbool.h>
#include <stdint.h>
#endif

#include "../include/slim/wire.h"

#define REPLAY_WINDOW	(1u << 20)
#define REPLAY_WORDS	(REPLAY_WINDOW / 32)

/* All zero at first. */
struct replay {
	uint64_t words[REPLAY_WORDS];
};

/* Whether @sequence is new (and below SLIM_WIRE_SEQUENCE_MAX); it no longer is afterwards. Only
 * for numbers whose MAC is right. Any thread. */
bool replay_accept(struct replay *replay, uint64_t sequence);

#endif
