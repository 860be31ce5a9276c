/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * classifier_axis.c - which sets contain an address: lists and spans
 *
 * A sweep over the events (classifier_events.c) knows the sets that are open, and
 * begins a new rank where their list changes or where a set with spans begins or ends.
 */
#include "classifier_build.h"

#define AHEAD		8	/* events whose items are fetched */

/* The span of an item that was closed */
struct closed {
	uint32_t item;
	struct classifier_span span;
};

/* --- lists --- */

static void active_add(struct classifier_axis_build *axis, uint32_t item)
{
	uint32_t i = axis->active_num++;

	for (; i && axis->active[i - 1] > item; i--)
		axis->active[i] = axis->active[i - 1];
	axis->active[i] = item;
	axis->active_hash += classifier_mix(item + 1);
}

static void active_remove(struct classifier_axis_build *axis, uint32_t item)
{
	uint32_t i = 0;

	while (axis->active[i] != item)
		i++;
	axis->active_num--;
	memmove(&axis->active[i], &axis->active[i + 1],
		(axis->active_num - i) * sizeof(*axis->active));
	axis->active_hash -= classifier_mix(item + 1);
}

static bool list_is_active(const struct classifier_axis_build *axis, uint32_t index)
{
	const struct classifier_member *list = axis->lists.data;

	list += index;
	if (list->set != axis->active_num)
		return false;
	for (uint32_t i = 0; i < axis->active_num; i++) {
		if (list[i + 1].set != axis->items[axis->active[i]].set)
			return false;
	}
	return true;
}

static int list_add(struct classifier_axis_build *axis)
{
	struct classifier_member *list;

	if (axis->lists.num + axis->active_num >= CLASSIFIER_MEMBERS_MAX)
		return -E2BIG;
	list = classifier_buffer_add(&axis->lists, axis->active_num + 1, sizeof(*list),
				     axis->allocator);
	if (!list)
		return -ENOMEM;
	*list = (struct classifier_member){ .set = axis->active_num };
	for (uint32_t i = 0; i < axis->active_num; i++) {
		const struct classifier_item *item = &axis->items[axis->active[i]];

		list[i + 1] = (struct classifier_member){ item->set, item->filter };
		list->filter |= classifier_filter_bit(item->set);
	}
	if (axis->active_num > axis->depth)
		axis->depth = axis->active_num;
	return 0;
}

/* Where the list of the active items begins: a known one, or else a new one */
static int list_of_active(struct classifier_axis_build *axis, uint32_t *list)
{
	size_t i = classifier_mix(axis->active_hash) & (axis->known_num - 1);

	for (; axis->known[i]; i = (i + 1) & (axis->known_num - 1)) {
		*list = axis->known[i] - 1;
		if (list_is_active(axis, *list))
			return 0;
	}
	*list = (uint32_t)axis->lists.num;
	axis->known[i] = *list + 1;
	return list_add(axis);
}

/* --- the sweep --- */

static int item_close(struct classifier_axis_build *axis, uint32_t index)
{
	struct classifier_item *item = &axis->items[index];
	struct closed *closed;

	if (item->listed)
		active_remove(axis, index);
	if (!item->spanned)
		return 0;
	closed = classifier_buffer_add(&axis->closed, 1, sizeof(*closed), axis->allocator);
	if (!closed)
		return -ENOMEM;
	closed->item = index;
	closed->span.first = item->span_first;
	closed->span.last = axis->ranks_num - 1;
	return 0;
}

/* *@cut: whether a set with spans begins or ends here */
static int event_apply(struct classifier_axis_build *axis, const struct classifier_event *event,
		       bool *cut)
{
	struct classifier_item *item = &axis->items[event->item];

	if (event->what & CLASSIFIER_END) {
		if (--item->open)
			return 0;
		*cut |= item->spanned;
		return item_close(axis, event->item);
	}
	if (item->open++)
		return 0;
	if (item->listed)
		active_add(axis, event->item);
	item->span_first = axis->ranks_num;
	*cut |= item->spanned;
	return 0;
}


void classifier_items_shut(struct classifier_axis_build *axis)
{
	for (uint32_t i = 0; i < axis->items_num; i++)
		axis->items[i].open = 0;
}

static int items_close(struct classifier_axis_build *axis)
{
	int ret = 0;

	for (uint32_t i = 0; !ret && i < axis->items_num; i++)
		ret = axis->items[i].open ? item_close(axis, i) : 0;
	return ret;
}

static int family_sweep(struct classifier_axis_build *axis, enum classifier_family family)
{
	const struct classifier_event *event = axis->events[family];
	const struct classifier_event *end = event + axis->events_num[family];
	struct classifier_key key = { 0 };
	uint32_t list, last = 0;
	bool cut = true;
	int ret;

	classifier_items_shut(axis);
	for (;; key = event->key, cut = false) {
		for (; event < end && classifier_key_equal(&event->key, &key); event++) {
			if (end - event > AHEAD)
				__builtin_prefetch(&axis->items[event[AHEAD].item], 1);
			ret = event_apply(axis, event, &cut);
			if (ret)
				return ret;
		}
		ret = list_of_active(axis, &list);
		if (!ret && (cut || list != last))
			ret = classifier_rank_add(axis, family, &key, list);
		if (ret)
			return ret;
		last = list;
		if (event == end)
			return items_close(axis);
	}
}

/* --- what comes of it --- */


/* Room for a list of @num spans, which still says that it is empty */
static int spans_add(struct classifier_axis_build *axis, uint32_t num, uint32_t *list)
{
	struct classifier_span *spans;

	*list = (uint32_t)axis->spans.num;
	spans = classifier_buffer_add(&axis->spans, num + 1, sizeof(*spans), axis->allocator);
	if (!spans)
		return -ENOMEM;
	memset(spans, 0, (num + 1) * sizeof(*spans));
	return 0;
}

static void span_put(struct classifier_axis_build *axis, uint32_t item,
		     const struct classifier_span *span)
{
	struct classifier_span *list =
		(struct classifier_span *)axis->spans.data + axis->spans_of[item];

	list[++list->first] = *span;
}

/* The spans that were closed, item by item; of dynamic sets anything may come to be. */
static int spans_make(struct classifier_axis_build *axis)
{
	const struct classifier_span all = { 0, axis->ranks_num - 1 };
	const struct closed *closed = axis->closed.data;
	int ret = spans_add(axis, 0, &(uint32_t){ 0 });

	for (size_t i = 0; i < axis->closed.num; i++)
		axis->spans_of[closed[i].item]++;
	for (uint32_t i = 0; !ret && i < axis->items_num; i++) {
		const struct classifier_item *item = &axis->items[i];
		bool whole = item->dynamic && item->spanned;

		if (whole || axis->spans_of[i])
			ret = spans_add(axis, whole ? 1 : axis->spans_of[i], &axis->spans_of[i]);
		if (!ret && whole)
			span_put(axis, i, &all);
	}
	for (size_t i = 0; !ret && i < axis->closed.num; i++)
		span_put(axis, closed[i].item, &closed[i].span);
	return ret;
}

static int axis_alloc(struct classifier_axis_build *axis)
{
	size_t places = axis->events_num[CLASSIFIER_IPV4] + axis->events_num[CLASSIFIER_IPV6] + 2;

	axis->known_num = 1;
	while (axis->known_num < places * 2)
		axis->known_num *= 2;
	axis->known = classifier_zalloc(axis->allocator, axis->known_num, sizeof(*axis->known));
	axis->active = classifier_zalloc(axis->allocator, axis->items_num, sizeof(*axis->active));
	axis->spans_of = classifier_zalloc(axis->allocator, axis->items_num,
					   sizeof(*axis->spans_of));
	return axis->known && axis->active && axis->spans_of ? 0 : -ENOMEM;
}

int classifier_axis_finish(struct classifier_axis_build *axis)
{
	int ret = axis_alloc(axis);

	for (unsigned int family = 0; !ret && family < CLASSIFIER_FAMILY_NUM; family++) {
		axis->active_num = 0;
		axis->active_hash = 0;
		ret = family_sweep(axis, family);
		if (!ret)
			ret = classifier_tree_make(axis, family);
	}
	if (ret)
		return ret;
	return spans_make(axis);
}

void classifier_axis_close(struct classifier_axis_build *axis)
{
	for (unsigned int family = 0; family < CLASSIFIER_FAMILY_NUM; family++) {
		classifier_buffer_free(&axis->leaves[family], axis->allocator);
		classifier_buffer_free(&axis->levels[family], axis->allocator);
		axis->allocator->free(axis->events[family]);
	}
	classifier_buffer_free(&axis->lists, axis->allocator);
	classifier_buffer_free(&axis->spans, axis->allocator);
	classifier_buffer_free(&axis->closed, axis->allocator);
	axis->allocator->free(axis->spans_of);
	axis->allocator->free(axis->active);
	axis->allocator->free(axis->known);
}

void classifier_axis_parts(const struct classifier_axis_build *axis,
			   struct classifier_axis *layout, struct classifier_part *parts)
{
	memcpy(layout->trees, axis->trees, sizeof(layout->trees));
	layout->depth = axis->depth;
	for (unsigned int family = 0; family < CLASSIFIER_FAMILY_NUM; family++) {
		classifier_tree_parts(axis, family, &layout->trees[family], parts);
		parts += CLASSIFIER_TREE_PARTS;
	}
	*parts = (struct classifier_part){ &layout->lists, axis->lists.data,
					   axis->lists.num * sizeof(struct classifier_member) };
}

void classifier_axis_settle(const struct classifier_axis_build *axis,
			    struct classifier_axis *layout)
{
	for (unsigned int family = 0; family < CLASSIFIER_FAMILY_NUM; family++) {
		struct classifier_tree *tree = &layout->trees[family];

		for (uint32_t level = 1; level < tree->levels; level++)
			tree->at[level] = tree->at[0] + axis->trees[family].at[level];
	}
}
