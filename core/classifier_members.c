/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* classifier_members.c - the ranges of a classifier's dynamic sets */
#include "classifier_build.h"

#define PARTS_NUM	(CLASSIFIER_SIDE_NUM * (CLASSIFIER_AXIS_PARTS + 2))

struct builder {
	const struct classifier *classifier;
	const struct classifier_set *sets;
	const struct classifier_allocator *allocator;
	struct classifier_axis_build axes[CLASSIFIER_SIDE_NUM];
	uint32_t *spans_of[CLASSIFIER_SIDE_NUM];
	struct classifier_part parts[PARTS_NUM];
	struct classifier_members head;
};

static const struct classifier_dynamic *dynamics_of(const struct classifier *classifier,
						    enum classifier_side side)
{
	return (const void *)((const char *)classifier + classifier->dynamics[side]);
}

static int items_make(struct builder *b, enum classifier_side side)
{
	const struct classifier_dynamic *dynamics = dynamics_of(b->classifier, side);
	struct classifier_axis_build *axis = &b->axes[side];

	axis->allocator = b->allocator;
	axis->items_num = b->classifier->dynamics_num[side];
	axis->items = classifier_zalloc(b->allocator, axis->items_num, sizeof(*axis->items));
	if (!axis->items)
		return -ENOMEM;
	for (uint32_t i = 0; i < axis->items_num; i++) {
		const struct classifier_set *set = &b->sets[dynamics[i].number];

		axis->items[i].ranges = set->ranges;
		axis->items[i].ranges_num = set->ranges_num;
		axis->items[i].set = dynamics[i].member.set;
		axis->items[i].filter = dynamics[i].member.filter;
		axis->items[i].listed = true;
		axis->items[i].spanned = b->classifier->crowded_num > 0;
	}
	return 0;
}

static int side_make(struct builder *b, enum classifier_side side)
{
	const struct classifier_dynamic *dynamics = dynamics_of(b->classifier, side);
	struct classifier_axis_build *axis = &b->axes[side];
	int ret = items_make(b, side);

	if (!ret)
		ret = classifier_axis_open(axis);
	if (!ret)
		ret = classifier_axis_finish(axis);
	if (ret)
		return ret;
	b->spans_of[side] = classifier_zalloc(b->allocator, b->classifier->dynamic_num,
					      sizeof(*b->spans_of[side]));
	if (!b->spans_of[side])
		return -ENOMEM;
	for (uint32_t i = 0; i < axis->items_num; i++)
		b->spans_of[side][dynamics[i].number] = axis->spans_of[i];
	return 0;
}

static int block_make(struct builder *b, struct classifier_members **members)
{
	struct classifier_part *part = b->parts;
	void *block = NULL;
	int ret;

	for (unsigned int side = 0; side < CLASSIFIER_SIDE_NUM; side++) {
		classifier_axis_parts(&b->axes[side], &b->head.axes[side], part);
		part += CLASSIFIER_AXIS_PARTS;
		*part++ = (struct classifier_part){ &b->head.spans_of[side], b->spans_of[side],
			b->classifier->dynamic_num * sizeof(*b->spans_of[side]) };
		*part++ = (struct classifier_part){ &b->head.spans[side], b->axes[side].spans.data,
			b->axes[side].spans.num * sizeof(struct classifier_span) };
	}
	ret = classifier_assemble(b->parts, PARTS_NUM, sizeof(b->head), b->allocator, &block,
				  &b->head.size);
	if (ret)
		return ret;
	for (unsigned int side = 0; side < CLASSIFIER_SIDE_NUM; side++)
		classifier_axis_settle(&b->axes[side], &b->head.axes[side]);
	memcpy(block, &b->head, sizeof(b->head));
	*members = block;
	return 0;
}

static void builder_exit(struct builder *b)
{
	for (unsigned int side = 0; side < CLASSIFIER_SIDE_NUM; side++) {
		if (b->axes[side].allocator)
			classifier_axis_close(&b->axes[side]);
		b->allocator->free(b->axes[side].items);
		b->allocator->free(b->spans_of[side]);
	}
}

int classifier_members_build(const struct classifier *classifier,
			     const struct classifier_set *sets,
			     const struct classifier_allocator *allocator,
			     struct classifier_members **members)
{
	int ret = classifier_sets_check(sets, classifier->dynamic_num);
	struct builder *b;

	if (ret)
		return ret;
	b = classifier_zalloc(allocator, 1, sizeof(*b));
	if (!b)
		return -ENOMEM;
	b->classifier = classifier;
	b->sets = sets;
	b->allocator = allocator;
	for (unsigned int side = 0; !ret && side < CLASSIFIER_SIDE_NUM; side++)
		ret = side_make(b, side);
	if (!ret)
		ret = block_make(b, members);
	builder_exit(b);
	allocator->free(b);
	return ret;
}

void classifier_members_free(struct classifier_members *members,
			     const struct classifier_allocator *allocator)
{
	allocator->free(members);
}
