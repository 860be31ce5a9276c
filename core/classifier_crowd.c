/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* classifier_crowd.c - crowded rules as bit vectors, one for each block of an axis */
#include "classifier_build.h"

#define SERVICES_NUM	(CLASSIFIER_SERVICE_MAX + 1)

/* While an axis is cut. @ends: for each rank how many rules begin or have just ended there */
struct cut {
	uint64_t *ends;
	uint8_t *block_of;
	uint32_t *users;
};

/* --- spans of services --- */

static int service_spans_add(struct classifier_crowd_build *build,
			     const struct classifier_step *list, uint32_t *at)
{
	uint32_t num = list->first / 2;
	struct classifier_span *spans;

	*at = (uint32_t)build->service_spans.num;
	spans = classifier_buffer_add(&build->service_spans, num + 1, sizeof(*spans),
				      build->allocator);
	if (!spans)
		return -ENOMEM;
	*spans++ = (struct classifier_span){ num, 0 };
	for (uint32_t i = 1; i < list->first; i += 2)
		*spans++ = (struct classifier_span){ list[i].first, list[i + 1].first - 1 };
	return 0;
}

static int service_axis_open(struct classifier_crowd_build *build)
{
	int ret = 0;

	build->service_spans_of = classifier_zalloc(build->allocator, build->entries_num,
						    sizeof(*build->service_spans_of));
	if (!build->service_spans_of)
		return -ENOMEM;
	for (uint32_t i = 0; !ret && i < build->entries_num; i++)
		ret = service_spans_add(build, build->steps + build->entries[i].services,
					&build->service_spans_of[i]);
	build->axes[CLASSIFIER_AXIS_SERVICE] = (struct classifier_crowd_axis){
		.spans = build->service_spans.data,
		.spans_of = build->service_spans_of,
		.sets_num = build->entries_num,
		.ranks_num = SERVICES_NUM,
	};
	return ret;
}

/* --- blocks --- */

/* An entry's set on an axis; on that of services each entry has a set of its own. */
static uint32_t entry_set(const struct classifier_crowd_build *build,
			  enum classifier_axis_kind kind, uint32_t entry)
{
	return kind == CLASSIFIER_AXIS_SERVICE ? entry : build->entries[entry].sets[kind];
}

static uint64_t ends_count(const struct classifier_crowd_axis *axis, struct cut *cut)
{
	uint64_t sum = 0;

	for (uint32_t set = 0; set < axis->sets_num; set++) {
		const struct classifier_span *list = axis->spans + axis->spans_of[set];

		for (uint32_t i = 1; cut->users[set] && i <= list->first; i++) {
			cut->ends[list[i].first] += cut->users[set];
			cut->ends[list[i].last + 1] += cut->users[set];
			sum += 2ull * cut->users[set];
		}
	}
	return sum;
}

/* Begins a block wherever more rules than @most would end inside the one before. Returns
 * the most that do. */
static uint64_t blocks_cut(struct classifier_crowd_axis *axis, struct cut *cut, uint64_t most)
{
	uint64_t inside = 0, max = 0;

	axis->starts[0] = 0;
	axis->blocks_num = 1;
	for (uint32_t rank = 1; rank < axis->ranks_num; rank++) {
		inside += cut->ends[rank];
		if (inside > most) {
			axis->starts[axis->blocks_num++] = rank;
			inside = 0;
		}
		cut->block_of[rank] = (uint8_t)(axis->blocks_num - 1);
		if (inside > max)
			max = inside;
	}
	return max;
}

/* The blocks that a set's spans meet, as runs that neither meet nor touch */
static int runs_add(const struct classifier_crowd_build *build, struct classifier_crowd_axis *axis,
		    const struct cut *cut, uint32_t set)
{
	const struct classifier_span *list = axis->spans + axis->spans_of[set];
	struct classifier_span *runs;
	uint32_t num = 0;

	axis->runs_of[set] = (uint32_t)axis->runs.num;
	runs = classifier_buffer_add(&axis->runs, list->first + 1, sizeof(*runs),
				     build->allocator);
	if (!runs)
		return -ENOMEM;
	for (uint32_t i = 1; i <= list->first; i++) {
		struct classifier_span run = { cut->block_of[list[i].first],
					       cut->block_of[list[i].last] };

		if (num && run.first <= runs[num].last + 1)
			runs[num].last = run.last;
		else
			runs[++num] = run;
	}
	runs->first = num;
	axis->runs.num -= list->first - num;
	return 0;
}

static int axis_cut(struct classifier_crowd_build *build, enum classifier_axis_kind kind,
		    struct cut *cut)
{
	struct classifier_crowd_axis *axis = &build->axes[kind];
	uint64_t in_vain;
	int ret = 0;

	for (uint32_t i = 0; i < build->entries_num; i++)
		cut->users[entry_set(build, kind, i)]++;
	in_vain = blocks_cut(axis, cut, ends_count(axis, cut) / (CLASSIFIER_BLOCKS - 1));
	for (uint32_t set = 0; !ret && set < axis->sets_num; set++)
		ret = cut->users[set] ? runs_add(build, axis, cut, set) : 0;
	if (in_vain > build->entries_num - build->in_vain)
		build->in_vain = build->entries_num;
	else
		build->in_vain += (uint32_t)in_vain;
	return ret;
}

static int axis_build(struct classifier_crowd_build *build, enum classifier_axis_kind kind)
{
	const struct classifier_allocator *allocator = build->allocator;
	struct classifier_crowd_axis *axis = &build->axes[kind];
	struct cut cut;
	int ret = -ENOMEM;

	axis->starts = classifier_zalloc(allocator, CLASSIFIER_BLOCKS, sizeof(*axis->starts));
	axis->runs_of = classifier_zalloc(allocator, axis->sets_num, sizeof(*axis->runs_of));
	cut.ends = classifier_zalloc(allocator, (size_t)axis->ranks_num + 1, sizeof(*cut.ends));
	cut.block_of = classifier_zalloc(allocator, axis->ranks_num, sizeof(*cut.block_of));
	cut.users = classifier_zalloc(allocator, axis->sets_num, sizeof(*cut.users));
	if (axis->starts && axis->runs_of && cut.ends && cut.block_of && cut.users)
		ret = axis_cut(build, kind, &cut);
	allocator->free(cut.users);
	allocator->free(cut.block_of);
	allocator->free(cut.ends);
	return ret;
}

int classifier_crowd_build(struct classifier_crowd_build *build,
			   const struct classifier_axis_build *src,
			   const struct classifier_axis_build *dst)
{
	int ret = service_axis_open(build);

	for (unsigned int side = 0; side < CLASSIFIER_SIDE_NUM; side++) {
		const struct classifier_axis_build *axis = side == CLASSIFIER_SRC ? src : dst;

		build->axes[side] = (struct classifier_crowd_axis){
			.spans = axis->spans.data,
			.spans_of = axis->spans_of,
			.sets_num = axis->items_num,
			.ranks_num = axis->ranks_num,
		};
	}
	build->column = classifier_zalloc(build->allocator, CLASSIFIER_BLOCKS + 1,
					  sizeof(*build->column));
	if (!build->column)
		return -ENOMEM;
	for (unsigned int kind = 0; !ret && kind < CLASSIFIER_AXIS_NUM; kind++)
		ret = axis_build(build, kind);
	return ret;
}

void classifier_crowd_close(struct classifier_crowd_build *build)
{
	for (unsigned int kind = 0; kind < CLASSIFIER_AXIS_NUM; kind++) {
		build->allocator->free(build->axes[kind].starts);
		build->allocator->free(build->axes[kind].runs_of);
		classifier_buffer_free(&build->axes[kind].runs, build->allocator);
	}
	classifier_buffer_free(&build->service_spans, build->allocator);
	build->allocator->free(build->service_spans_of);
	build->allocator->free(build->column);
}

/* --- bit vectors --- */

/* Where @entry's bit changes from block to block */
static void column_flip(const struct classifier_crowd_build *build, enum classifier_axis_kind kind,
			uint32_t entry)
{
	const struct classifier_crowd_axis *axis = &build->axes[kind];
	const struct classifier_span *list = axis->runs.data;

	list += axis->runs_of[entry_set(build, kind, entry)];
	for (uint32_t i = 1; i <= list->first; i++) {
		build->column[list[i].first] ^= 1ull << entry % 64;
		build->column[list[i].last + 1] ^= 1ull << entry % 64;
	}
}

void classifier_crowd_rows(const struct classifier_crowd_build *build,
			   enum classifier_axis_kind kind, uint64_t *rows, uint32_t words)
{
	for (uint32_t word = 0; word < words; word++) {
		uint64_t bits = 0;

		memset(build->column, 0, (CLASSIFIER_BLOCKS + 1) * sizeof(*build->column));
		for (uint32_t i = word * 64; i < word * 64 + 64 && i < build->entries_num; i++)
			column_flip(build, kind, i);
		for (uint32_t block = 0; block < build->axes[kind].blocks_num; block++) {
			bits ^= build->column[block];
			rows[(size_t)block * words + word] = bits;
		}
	}
}
