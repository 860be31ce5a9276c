/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * classifier_layout.h - how a classifier lies in memory
 *
 * Inside the classifier only. Every offset is in bytes from the start of the block. Sets have
 * numbers of their own on each side (source, destination), in order of the first rule
 * that names them there.
 */
#ifndef CLASSIFIER_LAYOUT_H
#define CLASSIFIER_LAYOUT_H

#include "classifier.h"

#ifdef __KERNEL__
#include <linux/errno.h>
#include <linux/string.h>
#else
#include <errno.h>
#include <string.h>
#endif

#define CLASSIFIER_FANOUT	16	/* keys of a node */
#define CLASSIFIER_LEVELS_MAX	6
#define CLASSIFIER_LINE		64	/* bytes; what is searched begins at multiples */

enum classifier_side {
	CLASSIFIER_SRC,
	CLASSIFIER_DST,
	CLASSIFIER_SIDE_NUM
};

enum classifier_axis_kind {
	CLASSIFIER_AXIS_SRC = CLASSIFIER_SRC,
	CLASSIFIER_AXIS_DST = CLASSIFIER_DST,
	CLASSIFIER_AXIS_SERVICE,
	CLASSIFIER_AXIS_NUM
};

enum classifier_family {
	CLASSIFIER_IPV4,
	CLASSIFIER_IPV6,
	CLASSIFIER_FAMILY_NUM
};

/* An address as a number; of an IPv4 address the low 32 bits alone */
struct classifier_key {
	uint64_t high;
	uint64_t low;
};

/*
 * The places where sets begin or end, the first one being 0, and the list of sets from there on, as
 * an offset in lists. A rank's place is in leaf rank / 16.
 */
struct classifier_leaf4 {
	uint32_t keys[CLASSIFIER_FANOUT];
	uint32_t lists[CLASSIFIER_FANOUT];
};

struct classifier_leaf6 {
	struct classifier_key keys[CLASSIFIER_FANOUT];
	uint32_t lists[CLASSIFIER_FANOUT];
};

/*
 * Level 0 has the first key of each leaf, as uint32_t or struct classifier_key; each further one
 * that of every 16th below, the last at most 16. Leaves and levels are padded to 16 keys with the
 * highest there is.
 * @num:	ranks, at least 1
 */
struct classifier_tree {
	uint32_t num;
	uint32_t leaves;
	uint32_t levels;
	uint32_t at[CLASSIFIER_LEVELS_MAX];
};

/*
 * A list has a head, with the number of sets and classifier_filter_bit() of each, and then the
 * sets in ascending order, with those bits of all sets that have a cell with it.
 */
struct classifier_member {
	uint32_t set;
	uint32_t filter;
};

/*
 * What sets contain an address. Ranks are those of IPv4, then those of IPv6.
 * @lists:	struct classifier_member
 * @depth:	the longest list
 */
struct classifier_axis {
	struct classifier_tree trees[CLASSIFIER_FAMILY_NUM];
	uint32_t lists;
	uint32_t depth;
};

/* A cell: its first rule, CLASSIFIER_NONE in an empty slot, and its services */
struct classifier_slot {
	uint32_t src;
	uint32_t dst;
	uint32_t rule;
	uint32_t services;
};

/*
 * @services is the index of a step whose @first is the number of steps behind it. Each of those
 * holds from @first to the next one's. With CLASSIFIER_MANY its @rule is the rule, or
 * CLASSIFIER_NONE; without, it is CLASSIFIER_NONE or 0: the slot's rule.
 */
#define CLASSIFIER_MANY		0x80000000u

struct classifier_step {
	uint32_t first;
	uint32_t rule;
};

/* Ranks; a list of them has the number of spans in front, in @first. */
struct classifier_span {
	uint32_t first;
	uint32_t last;
};

#define CLASSIFIER_DYNAMIC	0x80000000u

/*
 * A rule that has no cell, as one of its sets was crowded out.
 * @sets:	indices of lists of spans, or CLASSIFIER_DYNAMIC | the policy's number of the set
 * @services:	as a slot's, without CLASSIFIER_MANY
 */
struct classifier_entry {
	uint32_t rule;
	uint32_t sets[CLASSIFIER_SIDE_NUM];
	uint32_t services;
};

/*
 * @starts:	the first rank (or service) of each, uint32_t
 * @rows:	for each a bit vector of the crowded rules, uint64_t
 */
struct classifier_blocks {
	uint32_t num;
	uint32_t starts;
	uint32_t rows;
};

/* One of the policy's dynamic sets that rules name on a side; in order of their numbers there */
struct classifier_dynamic {
	struct classifier_member member;
	uint32_t number;	/* the policy's */
};

struct classifier {
	size_t size;
	struct classifier_axis axes[CLASSIFIER_SIDE_NUM];
	uint32_t slots;
	uint32_t slots_num;
	uint32_t slots_run;
	uint32_t cells_num;
	uint32_t steps;
	uint32_t dynamic_num;	/* of the policy */
	uint32_t dynamics[CLASSIFIER_SIDE_NUM];
	uint32_t dynamics_num[CLASSIFIER_SIDE_NUM];
	struct classifier_blocks blocks[CLASSIFIER_AXIS_NUM];
	uint32_t crowded;
	uint32_t crowded_num;
	uint32_t words;		/* of a bit vector */
	uint32_t spans[CLASSIFIER_SIDE_NUM];
	uint32_t in_vain;
};

/* @spans_of:	uint32_t for each of the policy's dynamic sets: index of its list of spans, or 0 */
struct classifier_members {
	size_t size;
	struct classifier_axis axes[CLASSIFIER_SIDE_NUM];
	uint32_t spans_of[CLASSIFIER_SIDE_NUM];
	uint32_t spans[CLASSIFIER_SIDE_NUM];
};

static inline uint32_t classifier_mix(uint32_t value)
{
	value ^= value >> 16;
	value *= 0x7feb352du;
	value ^= value >> 15;
	value *= 0x846ca68bu;
	return value ^ value >> 16;
}

/* Where a cell's slot should be; those behind it are the next to look at. */
static inline uint32_t classifier_slot_of(uint32_t src, uint32_t dst, uint32_t slots_num)
{
	uint32_t hash = classifier_mix(classifier_mix(src) + dst);

	return (uint32_t)((uint64_t)hash * slots_num >> 32);
}

static inline uint32_t classifier_filter_bit(uint32_t set)
{
	return 1u << (set * 0x9e3779b1u >> 27);
}

/* Written out, as compilers make one load of it only then */
static inline uint32_t classifier_load32(const uint8_t *bytes)
{
	return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 |
	       bytes[3];
}

static inline uint64_t classifier_load(const uint8_t *bytes)
{
	return (uint64_t)classifier_load32(bytes) << 32 | classifier_load32(bytes + 4);
}

/* The family of an address, and its number in it */
static inline enum classifier_family classifier_key_of(const uint8_t *address,
						       struct classifier_key *key)
{
	key->high = classifier_load(address);
	key->low = classifier_load(address + 8);
	if (key->high || key->low >> 32 != 0xffff)
		return CLASSIFIER_IPV6;
	key->low &= 0xffffffffu;
	return CLASSIFIER_IPV4;
}

static inline bool classifier_key_le(const struct classifier_key *a,
				     const struct classifier_key *b)
{
	return (a->high < b->high) | ((a->high == b->high) & (a->low <= b->low));
}

static inline bool classifier_key_equal(const struct classifier_key *a,
					const struct classifier_key *b)
{
	return a->high == b->high && a->low == b->low;
}

#endif
