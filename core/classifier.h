/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * classifier.h - which of many ordered rules is the first to match
 *
 * Theory of operation: a rule names a set of source addresses, a set of destination addresses and
 * a list of services (protocol and port). A set is a union of ranges under one number, however
 * many rules name it. A classifier is built once, is never changed, and lies in one block without
 * pointers.
 *
 * An address is searched in a static B-tree of the places where any set begins or ends, which
 * gives its rank; a rank has the list of all sets that contain it. Every pair (source set,
 * destination set) that some rule names is a cell of a hash table, and a cell has, for each
 * interval of services, the first of its rules. So a question costs two searches and a probe for
 * each pair of sets. Lists are in order of the sets' first rules, so that the search ends as soon
 * as nothing left can come before what was found; and each entry has a filter of the sets that its
 * set is paired with, so that most pairs without a cell cost no probe.
 *
 * That is tuple-space search with the lists of sets in place of the tuples. It would have no bound
 * for ranges that overlap at random, where an address lies in thousands of sets. Therefore a list
 * has at most CLASSIFIER_DEPTH entries: where there are more, the set with the fewest rules and
 * ranges (and of these the one that reaches furthest) is crowded out, and its rules are kept
 * in another way, as bit vectors. Source ranks, destination ranks and services are each cut into at
 * most CLASSIFIER_BLOCKS blocks, each with a bit for every such rule: set if the rule's part of
 * that axis meets the block. The three vectors are anded, and the bits that remain are looked
 * at in order. Blocks are cut so that few rules end inside any of them; only those can be
 * looked at in vain.
 *
 * Sets whose members change at run time (containers come and go) are called dynamic. Their
 * ranges are in a block of their own, struct classifier_members, which is built anew without
 * touching the rest.
 *
 * Bounds: with d(x) the number of dynamic sets that contain x, a look-up asks the filter for at
 * most (DEPTH + d(src)) * (DEPTH + d(dst)) pairs, reads at most as many cells, reads
 * rules / 64 words of each of three vectors, and looks at no more crowded rules in vain than
 * classifier_stats() says: about 2 / BLOCKS of them on each axis where sets are single ranges,
 * plus those crowded rules whose other set is dynamic. Nothing recurses; the stack holds
 * some dozens of words.
 *
 * Sources: V. Srinivasan, S. Suri, G. Varghese, "Packet Classification using Tuple Space
 * Search", SIGCOMM 1999; T. V. Lakshman, D. Stiliadis, "High-Speed Policy-based Packet
 * Forwarding Using Efficient Multi-dimensional Range Matching", SIGCOMM 1998.
 *
 * Addresses are 16 bytes, IPv4 mapped (::ffff:0:0/96): those and no others are IPv4. So `any` is
 * ::/0, all of IPv4 is ::ffff:0:0/96, and all of IPv6 is what remains of ::/0; making ranges
 * of prefixes, and IPv4-mapped addresses of IPv4 ones, is the caller's part.
 *
 * Freestanding: router and module both compile it; memory comes from the caller.
 */
#ifndef CLASSIFIER_H
#define CLASSIFIER_H

#ifdef __KERNEL__
#include <linux/types.h>
#else
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#endif

#define CLASSIFIER_NONE		0xffffffffu	/* no rule */

#define CLASSIFIER_DEPTH	48	/* sets in the list of a rank */
#define CLASSIFIER_BLOCKS	192	/* of an axis of the crowded rules */

#define CLASSIFIER_RULES_MAX	(1u << 20)
#define CLASSIFIER_SETS_MAX	(1u << 21)
#define CLASSIFIER_RANGES_MAX	(1u << 22)	/* of all sets together */
#define CLASSIFIER_SERVICES_MAX	(1u << 22)	/* intervals of all rules together */
#define CLASSIFIER_MEMBERS_MAX	(1u << 26)	/* of all lists of a side that differ */
#define CLASSIFIER_SIZE_MAX	(1u << 31)	/* bytes of what is built */

enum classifier_protocol {
	CLASSIFIER_TCP,
	CLASSIFIER_UDP,
	CLASSIFIER_ICMP,		/* port: 0, or what the caller makes of type and code */
	CLASSIFIER_OTHER,
	CLASSIFIER_PROTOCOL_NUM
};

/* A service: protocol and destination port. Those of `any` are 0 to CLASSIFIER_SERVICE_MAX. */
#define CLASSIFIER_SERVICE(protocol, port)	((uint32_t)(protocol) << 16 | (port))
#define CLASSIFIER_SERVICE_MAX	CLASSIFIER_SERVICE(CLASSIFIER_PROTOCOL_NUM - 1, 0xffff)

/* Both ends belong to it; network byte order. */
struct classifier_range {
	uint8_t first[16];
	uint8_t last[16];
};

/* Ranges in any order; they may overlap. Without any: contains nothing. */
struct classifier_set {
	const struct classifier_range *ranges;
	uint32_t ranges_num;
};

/* Both ends belong to it. */
struct classifier_interval {
	uint32_t first;
	uint32_t last;
};

/* @src, @dst: indices of sets. Services in any order; without any the rule never matches. */
struct classifier_rule {
	uint32_t src;
	uint32_t dst;
	const struct classifier_interval *services;
	uint32_t services_num;
};

/*
 * What a classifier is made of; not needed any more once it is built.
 * @dynamic_num:	sets[0] to sets[dynamic_num - 1] are dynamic: their ranges are not looked at
 */
struct classifier_policy {
	const struct classifier_set *sets;
	uint32_t sets_num;
	uint32_t dynamic_num;
	const struct classifier_rule *rules;
	uint32_t rules_num;
};

/* Such as malloc() and free(): blocks are aligned for any type; NULL for want of memory; to free
 * NULL does nothing */
struct classifier_allocator {
	void *(*alloc)(size_t size);
	void (*free)(void *block);
};

struct classifier_question {
	uint8_t src[16];
	uint8_t dst[16];
	uint32_t service;
};

struct classifier;
struct classifier_members;

/*
 * Builds *@classifier, to be freed by classifier_free(). Any thread; no locks.
 * Returns 0, -EINVAL (a set's number, a range or an interval is wrong), -E2BIG (one of the limits
 * above) or -ENOMEM. What is built takes at most 8 * (DEPTH + 1) + 20 bytes for each end of a
 * range on each side, 60 and 3 / 8 * BLOCKS for each rule, 16 for each end of a range and 16 for
 * each interval; lists that are the same are there once, so that a rule with two prefixes of
 * its own takes some 110 to 160. For the time of building it takes up to twice as much again, and
 * 150 bytes a rule, 120 a set, 60 a range and 40 an interval, and 3 MB.
 */
int classifier_build(const struct classifier_policy *policy,
		     const struct classifier_allocator *allocator, struct classifier **classifier);

/* The caller sees to it that no look-up is under way. NULL is allowed. */
void classifier_free(struct classifier *classifier,
		     const struct classifier_allocator *allocator);

/*
 * Builds *@members, the ranges of @classifier's dynamic sets, to be freed by
 * classifier_members_free() and to be used with @classifier alone. @sets: as many as the policy's
 * dynamic_num. Returns as classifier_build() does.
 */
int classifier_members_build(const struct classifier *classifier,
			     const struct classifier_set *sets,
			     const struct classifier_allocator *allocator,
			     struct classifier_members **members);

/* As classifier_free() */
void classifier_members_free(struct classifier_members *members,
			     const struct classifier_allocator *allocator);

/*
 * The index of the first rule that matches @question, or CLASSIFIER_NONE. @members: NULL if the
 * dynamic sets are empty. Any number of threads at once, in any context.
 */
uint32_t classifier_lookup(const struct classifier *classifier,
			   const struct classifier_members *members,
			   const struct classifier_question *question);

/*
 * What a look-up did.
 * @pairs:	pairs of sets whose filters were asked
 * @probes:	cells that were looked for
 * @slots:	slots of the hash table that were read for them
 * @words:	words of each bit vector
 * @candidates:	crowded rules that were looked at
 */
struct classifier_work {
	uint32_t pairs;
	uint32_t probes;
	uint32_t slots;
	uint32_t words;
	uint32_t candidates;
};

/* classifier_lookup() that tells what it costs */
uint32_t classifier_lookup_counted(const struct classifier *classifier,
				   const struct classifier_members *members,
				   const struct classifier_question *question,
				   struct classifier_work *work);

/*
 * @size:		bytes
 * @cells:		pairs of sets with rules
 * @slots_run:		the most slots that a probe reads
 * @depth:		the longest list of static sets, of sources and of destinations
 * @crowded:		rules in bit vectors
 * @in_vain:		the most of them that a look-up looks at in vain, those with a dynamic set
 *			apart
 */
struct classifier_stats {
	size_t size;
	uint32_t cells;
	uint32_t slots_run;
	uint32_t depth[2];
	uint32_t crowded;
	uint32_t in_vain;
};

void classifier_stats(const struct classifier *classifier, struct classifier_stats *stats);

/* Bytes */
size_t classifier_members_size(const struct classifier_members *members);

#endif
