/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * classifier_build.h - what the parts of the classifier's builder share
 *
 * Inside the classifier only. Functions return 0, -ENOMEM or -E2BIG where they return an int;
 * whoever calls them frees the parts whatever they return.
 */
#ifndef CLASSIFIER_BUILD_H
#define CLASSIFIER_BUILD_H

#include "classifier_layout.h"

/* --- memory --- */

/* An array that grows; all zero at first */
struct classifier_buffer {
	void *data;
	size_t num;
	size_t max;
};

/* @num zeroed items of @size bytes, or NULL */
void *classifier_zalloc(const struct classifier_allocator *allocator, size_t num, size_t size);

/* Room for @num more items of @size bytes, which count as there from now on; or NULL */
void *classifier_buffer_add(struct classifier_buffer *buffer, size_t num, size_t size,
			    const struct classifier_allocator *allocator);

void classifier_buffer_free(struct classifier_buffer *buffer,
			    const struct classifier_allocator *allocator);

/* Part of a block: @size bytes from @data (NULL: for the caller to fill), whose place is
 * written to *@offset. */
struct classifier_part {
	uint32_t *offset;
	const void *data;
	size_t size;
};

/*
 * Makes one block of @parts behind room for a header of @header_size bytes, which is for the
 * caller to fill. *@size: of all.
 */
int classifier_assemble(const struct classifier_part *parts, unsigned int parts_num,
			size_t header_size, const struct classifier_allocator *allocator,
			void **block, size_t *size);

/* --- sorting --- */

#define CLASSIFIER_END	1u

/* What a range does to its set at a place. @what: twice the range's index, plus CLASSIFIER_END at
 * its end */
struct classifier_event {
	struct classifier_key key;
	uint32_t item;
	uint32_t what;
};

/* By key; events with the same one stay in order. @scratch: as large as @events */
void classifier_sort_events(struct classifier_event *events, struct classifier_event *scratch,
			    size_t num);

/* Numbers below 1 << 24. @scratch: as large as @numbers */
void classifier_sort_numbers(uint32_t *numbers, uint32_t *scratch, size_t num);

/* --- the axes of addresses --- */

/*
 * A set on one side.
 * @set:	its number there
 * @policy_set:	the policy's
 * @rules_num:	that name it there
 * @filter:	as in struct classifier_member
 * @dynamic:	its ranges are not on this axis, yet it has all of it as its span
 * @listed:	a cell names it
 * @spanned:	a crowded rule names it
 * @crowded:	no list may name it
 * @open, @span_first:	while an axis is swept: its ranges that are open, since which rank
 */
struct classifier_item {
	const struct classifier_range *ranges;
	uint32_t ranges_num;
	uint32_t set;
	uint32_t policy_set;
	uint32_t rules_num;
	uint32_t filter;
	bool dynamic;
	bool listed;
	bool spanned;
	bool crowded;
	uint32_t open;
	uint32_t span_first;
};

/*
 * @items:	the caller's, in ascending order of @set; the first three are filled in before
 *		classifier_axis_open()
 * @leaves:	struct classifier_leaf4 or struct classifier_leaf6
 * @levels:	of @trees, whose offsets are from the start of these
 * @ranks_num:	of both families
 * @spans:	lists of struct classifier_span; the first is empty
 * @spans_of:	for each item where its list begins
 * The rest is the axis's own.
 */
struct classifier_axis_build {
	const struct classifier_allocator *allocator;
	struct classifier_item *items;
	uint32_t items_num;
	struct classifier_tree trees[CLASSIFIER_FAMILY_NUM];
	struct classifier_buffer leaves[CLASSIFIER_FAMILY_NUM];
	struct classifier_buffer levels[CLASSIFIER_FAMILY_NUM];
	struct classifier_buffer lists;
	uint32_t depth;
	uint32_t ranks_num;
	struct classifier_buffer spans;
	uint32_t *spans_of;

	struct classifier_event *events[CLASSIFIER_FAMILY_NUM];
	size_t events_num[CLASSIFIER_FAMILY_NUM];
	uint32_t *active;	/* items that are open, ascending */
	uint32_t active_num;
	uint32_t active_hash;
	uint32_t *known;	/* lists by hash: their index plus one */
	size_t known_num;
	struct classifier_buffer closed;
};

/* A range in one family */
struct classifier_stretch {
	struct classifier_key first;
	struct classifier_key last;
};

/* What of @range is in @family; false: nothing. */
bool classifier_range_part(const struct classifier_range *range, enum classifier_family family,
			   struct classifier_stretch *part);

/* Whether all ranges are ranges and not too many: 0, -EINVAL or -E2BIG */
int classifier_sets_check(const struct classifier_set *sets, uint32_t num);

/* Finds all places where sets begin and end. */
int classifier_axis_open(struct classifier_axis_build *axis);

/* Marks items as crowded until no address is in more than CLASSIFIER_DEPTH others. */
int classifier_axis_crowd(struct classifier_axis_build *axis);

/* Before a sweep: nothing is open. */
void classifier_items_shut(struct classifier_axis_build *axis);

/* Makes trees, lists and spans, of the items that are listed or spanned. */
int classifier_axis_finish(struct classifier_axis_build *axis);

void classifier_axis_close(struct classifier_axis_build *axis);

/* A new rank at @key, behind all others of its family, with the list at @list */
int classifier_rank_add(struct classifier_axis_build *axis, enum classifier_family family,
			const struct classifier_key *key, uint32_t list);

/* The levels over all ranks of a family */
int classifier_tree_make(struct classifier_axis_build *axis, enum classifier_family family);

/* How many parts classifier_tree_parts() fills in, and classifier_axis_parts() */
#define CLASSIFIER_TREE_PARTS	2
#define CLASSIFIER_AXIS_PARTS	(CLASSIFIER_FAMILY_NUM * CLASSIFIER_TREE_PARTS + 1)

/* Fills in the parts of the block that @tree points to. */
void classifier_tree_parts(const struct classifier_axis_build *axis, enum classifier_family family,
			   struct classifier_tree *tree, struct classifier_part *parts);

/* Fills @layout, and adds the parts of the block that it points to. */
void classifier_axis_parts(const struct classifier_axis_build *axis,
			   struct classifier_axis *layout, struct classifier_part *parts);

/* Fills in where levels are, once it is known where the first one is. */
void classifier_axis_settle(const struct classifier_axis_build *axis,
			    struct classifier_axis *layout);

/* --- services and cells --- */

/*
 * @steps:	struct classifier_step
 * @known:	lists by hash: their index plus one
 */
struct classifier_services_build {
	const struct classifier_allocator *allocator;
	struct classifier_buffer steps;
	uint32_t *known;
	size_t known_num;
	struct classifier_buffer numbers;
};

/* @lists_num: the most lists that will be added */
int classifier_services_open(struct classifier_services_build *build, uint32_t lists_num);

/* Where the steps of @intervals begin; equal ones are there once. */
int classifier_services_add(struct classifier_services_build *build,
			    const struct classifier_interval *intervals, uint32_t num,
			    uint32_t *services);

void classifier_services_close(struct classifier_services_build *build);

/* A cell, and its first and last entry; those between in @next */
struct classifier_cell {
	uint32_t src;
	uint32_t dst;
	uint32_t first;
	uint32_t last;
};

/*
 * @cells:	struct classifier_cell
 * @slots_run:	the most that a probe reads
 * @next:	for each entry the next one of its cell, or CLASSIFIER_NONE
 */
struct classifier_cells_build {
	const struct classifier_allocator *allocator;
	const struct classifier_entry *entries;
	uint32_t entries_num;
	struct classifier_services_build *services;
	struct classifier_buffer cells;
	uint32_t *next;
	struct classifier_slot *slots;
	uint32_t slots_num;
	uint32_t slots_run;
};

/* Makes @slots of @entries, which are in order of their rules, with sets by their numbers. */
int classifier_cells_build(struct classifier_cells_build *build);

void classifier_cells_close(struct classifier_cells_build *build);

/* The list of steps of several entries: for each interval of services the first rule */
int classifier_services_merge(struct classifier_cells_build *build, uint32_t entry,
			      uint32_t *services);

/* --- crowded rules --- */

/*
 * One axis of them: ranks or services, cut into blocks.
 * @spans, @spans_of:	for each set its list
 * @runs, @runs_of:	the same in blocks
 */
struct classifier_crowd_axis {
	const struct classifier_span *spans;
	const uint32_t *spans_of;
	uint32_t sets_num;
	uint32_t ranks_num;
	uint32_t *starts;
	uint32_t blocks_num;
	struct classifier_buffer runs;
	uint32_t *runs_of;
};

struct classifier_crowd_build {
	const struct classifier_allocator *allocator;
	const struct classifier_entry *entries;
	uint32_t entries_num;
	const struct classifier_step *steps;
	struct classifier_crowd_axis axes[CLASSIFIER_AXIS_NUM];
	struct classifier_buffer service_spans;
	uint32_t *service_spans_of;
	uint64_t *column;
	uint32_t in_vain;
};

/* Cuts the axes into blocks; @src and @dst are finished. */
int classifier_crowd_build(struct classifier_crowd_build *build,
			   const struct classifier_axis_build *src,
			   const struct classifier_axis_build *dst);

/* Writes the bit vectors of an axis: @blocks_num times @words. */
void classifier_crowd_rows(const struct classifier_crowd_build *build,
			   enum classifier_axis_kind kind, uint64_t *rows, uint32_t words);

void classifier_crowd_close(struct classifier_crowd_build *build);

#endif
