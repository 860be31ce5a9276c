/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * classifier_axis.c - which sets contain an address: trees, lists and spans
 *
 * All places where a range of some set begins, or has just ended, are events, sorted by address;
 * at one address ends come before beginnings. A sweep over them knows the sets that are open, and
 * begins a new rank where their list changes or where a set with spans begins or ends.
 */
#include "classifier_build.h"

#define WHAT_END	1u
#define AHEAD		8	/* events whose items are fetched */

/* The span of an item that was closed */
struct closed {
	uint32_t item;
	struct classifier_span span;
};

/* A range in one family */
struct part {
	struct classifier_key first;
	struct classifier_key last;
};

static const struct classifier_key key_max[CLASSIFIER_FAMILY_NUM] = {
	[CLASSIFIER_IPV4] = { .low = 0xffffffffu },
	[CLASSIFIER_IPV6] = { ~0ull, ~0ull },
};

/* --- ranges --- */

int classifier_sets_check(const struct classifier_set *sets, uint32_t num)
{
	uint64_t ranges = 0;

	for (uint32_t i = 0; i < num; i++) {
		ranges += sets[i].ranges_num;
		if (ranges > CLASSIFIER_RANGES_MAX)
			return -E2BIG;
		for (uint32_t j = 0; j < sets[i].ranges_num; j++) {
			if (memcmp(sets[i].ranges[j].first, sets[i].ranges[j].last, 16) > 0)
				return -EINVAL;
		}
	}
	return 0;
}

/* What of @range, which is no range of IPv4 alone, is IPv4 */
static bool wide_part4(struct part *part)
{
	const struct classifier_key first = { .low = 0xffff00000000ull };
	const struct classifier_key last = { .low = 0xffffffffffffull };
	bool from_below = classifier_key_le(&part->first, &first);
	bool to_above = classifier_key_le(&last, &part->last);

	if (!classifier_key_le(&part->first, &last) || !classifier_key_le(&first, &part->last))
		return false;
	part->first = from_below ? first : part->first;
	part->last = to_above ? last : part->last;
	part->first.low &= 0xffffffffu;
	part->last.low &= 0xffffffffu;
	return true;
}

/* What of @range is in @family; false: nothing. No IPv4 address is asked for in IPv6, so that
 * their place there may belong to a range or not. */
static bool range_part(const struct classifier_range *range, enum classifier_family family,
		       struct part *part)
{
	enum classifier_family first = classifier_key_of(range->first, &part->first);
	enum classifier_family last = classifier_key_of(range->last, &part->last);

	if (first == CLASSIFIER_IPV4 && last == CLASSIFIER_IPV4)
		return family == CLASSIFIER_IPV4;
	part->first.low |= first == CLASSIFIER_IPV4 ? 0xffff00000000ull : 0;
	part->last.low |= last == CLASSIFIER_IPV4 ? 0xffff00000000ull : 0;
	return family == CLASSIFIER_IPV6 || wide_part4(part);
}

/* --- events --- */

static void events_count(const struct classifier_axis_build *axis, size_t *nums)
{
	struct part part;

	for (uint32_t i = 0; i < axis->items_num; i++) {
		for (uint32_t j = 0; j < axis->items[i].ranges_num; j++) {
			const struct classifier_range *range = &axis->items[i].ranges[j];

			for (unsigned int family = 0; family < CLASSIFIER_FAMILY_NUM; family++)
				nums[family] += 2 * range_part(range, family, &part);
		}
	}
}

static struct classifier_event event_of(const struct classifier_key *key, uint32_t item,
					uint32_t what)
{
	return (struct classifier_event){ .key = *key, .item = item, .what = what };
}

/* Ends come before beginnings, as those of one address stay in order. */
static void events_add(struct classifier_axis_build *axis, enum classifier_family family,
		       struct classifier_event *beginnings)
{
	struct classifier_event *ends = axis->events[family];
	size_t ends_num = 0, num = 0;
	struct part part;

	for (uint32_t i = 0; i < axis->items_num; i++) {
		for (uint32_t j = 0; j < axis->items[i].ranges_num; j++) {
			if (!range_part(&axis->items[i].ranges[j], family, &part))
				continue;
			beginnings[num++] = event_of(&part.first, i, j << 1);
			if (classifier_key_equal(&part.last, &key_max[family]))
				continue;
			part.last.high += !++part.last.low;
			ends[ends_num++] = event_of(&part.last, i, j << 1 | WHAT_END);
		}
	}
	memcpy(ends + ends_num, beginnings, num * sizeof(*ends));
	axis->events_num[family] = ends_num + num;
}

/* @num: the most that there are */
static int events_make(struct classifier_axis_build *axis, enum classifier_family family,
		       size_t num)
{
	struct classifier_event *scratch;

	if (!num)
		return 0;
	axis->events[family] = axis->allocator->alloc(num * sizeof(*scratch));
	scratch = axis->allocator->alloc(num * sizeof(*scratch));
	if (!axis->events[family] || !scratch) {
		axis->allocator->free(scratch);
		return -ENOMEM;
	}
	events_add(axis, family, scratch);
	classifier_sort_events(axis->events[family], scratch, axis->events_num[family]);
	axis->allocator->free(scratch);
	return 0;
}

int classifier_axis_open(struct classifier_axis_build *axis)
{
	size_t nums[CLASSIFIER_FAMILY_NUM] = { 0 };
	int ret = 0;

	events_count(axis, nums);
	for (unsigned int family = 0; !ret && family < CLASSIFIER_FAMILY_NUM; family++)
		ret = events_make(axis, family, nums[family]);
	return ret;
}

static void items_shut(struct classifier_axis_build *axis)
{
	for (uint32_t i = 0; i < axis->items_num; i++)
		axis->items[i].open = 0;
}

/* --- crowding out --- */

/* An item that is open, and how far its range reaches */
struct open_item {
	uint32_t item;
	uint64_t reach;
};

struct crowd {
	struct open_item open[CLASSIFIER_DEPTH + 1];
	unsigned int num;
};

/* Its bits that matter most; beyond IPv4 everything is as far. */
static uint64_t reach_of(const struct classifier_range *range, enum classifier_family family)
{
	struct part part;

	range_part(range, family, &part);
	return family == CLASSIFIER_IPV4 ? part.last.low : part.last.high;
}

static uint64_t worth_of(const struct classifier_item *item)
{
	return (uint64_t)item->rules_num * item->ranges_num;
}

static void crowd_remove(struct crowd *crowd, uint32_t item)
{
	unsigned int i = 0;

	while (i < crowd->num && crowd->open[i].item != item)
		i++;
	if (i < crowd->num)
		crowd->open[i] = crowd->open[--crowd->num];
}

static void crowd_out(const struct classifier_axis_build *axis, struct crowd *crowd)
{
	unsigned int victim = 0;

	for (unsigned int i = 1; i < crowd->num; i++) {
		uint64_t worth = worth_of(&axis->items[crowd->open[i].item]);
		uint64_t least = worth_of(&axis->items[crowd->open[victim].item]);

		if (worth < least ||
		    (worth == least && crowd->open[i].reach > crowd->open[victim].reach))
			victim = i;
	}
	axis->items[crowd->open[victim].item].crowded = true;
	crowd->open[victim] = crowd->open[--crowd->num];
}

/* Whether more ranges are open anywhere than a list has entries */
static bool is_crowded(const struct classifier_axis_build *axis, enum classifier_family family)
{
	uint32_t open = 0;

	for (size_t i = 0; i < axis->events_num[family]; i++) {
		open += axis->events[family][i].what & WHAT_END ? -1u : 1;
		if (open > CLASSIFIER_DEPTH)
			return true;
	}
	return false;
}

static void crowd_sweep(const struct classifier_axis_build *axis, enum classifier_family family,
			struct crowd *crowd)
{
	crowd->num = 0;
	for (size_t i = 0; i < axis->events_num[family]; i++) {
		const struct classifier_event *event = &axis->events[family][i];
		struct classifier_item *item = &axis->items[event->item];

		if (item->crowded)
			continue;
		if (event->what & WHAT_END) {
			if (!--item->open)
				crowd_remove(crowd, event->item);
			continue;
		}
		if (item->open++)
			continue;
		crowd->open[crowd->num].item = event->item;
		crowd->open[crowd->num].reach = reach_of(&item->ranges[event->what >> 1], family);
		if (++crowd->num > CLASSIFIER_DEPTH)
			crowd_out(axis, crowd);
	}
}

int classifier_axis_crowd(struct classifier_axis_build *axis)
{
	struct crowd *crowd = axis->allocator->alloc(sizeof(*crowd));

	if (!crowd)
		return -ENOMEM;
	for (unsigned int family = 0; family < CLASSIFIER_FAMILY_NUM; family++) {
		if (!is_crowded(axis, family))
			continue;
		items_shut(axis);
		crowd_sweep(axis, family, crowd);
	}
	axis->allocator->free(crowd);
	return 0;
}

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

	if (event->what & WHAT_END) {
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

/* Place @i of the last leaf, which is a new one if that is the first */
static int leaf4_put(struct classifier_axis_build *axis, uint32_t i, uint32_t key, uint32_t list)
{
	struct classifier_buffer *leaves = &axis->leaves[CLASSIFIER_IPV4];
	struct classifier_leaf4 *leaf;

	if (!i) {
		leaf = classifier_buffer_add(leaves, 1, sizeof(*leaf), axis->allocator);
		if (!leaf)
			return -ENOMEM;
		memset(leaf, 0xff, sizeof(*leaf));
	}
	leaf = (struct classifier_leaf4 *)leaves->data + leaves->num - 1;
	leaf->keys[i] = key;
	leaf->lists[i] = list;
	return 0;
}

static int leaf6_put(struct classifier_axis_build *axis, uint32_t i,
		     const struct classifier_key *key, uint32_t list)
{
	struct classifier_buffer *leaves = &axis->leaves[CLASSIFIER_IPV6];
	struct classifier_leaf6 *leaf;

	if (!i) {
		leaf = classifier_buffer_add(leaves, 1, sizeof(*leaf), axis->allocator);
		if (!leaf)
			return -ENOMEM;
		memset(leaf, 0xff, sizeof(*leaf));
	}
	leaf = (struct classifier_leaf6 *)leaves->data + leaves->num - 1;
	leaf->keys[i] = *key;
	leaf->lists[i] = list;
	return 0;
}

static int rank_add(struct classifier_axis_build *axis, enum classifier_family family,
		    const struct classifier_key *key, uint32_t list)
{
	uint32_t i = axis->trees[family].num++ % CLASSIFIER_FANOUT;

	axis->ranks_num++;
	if (family == CLASSIFIER_IPV4)
		return leaf4_put(axis, i, (uint32_t)key->low, list);
	return leaf6_put(axis, i, key, list);
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

	items_shut(axis);
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
			ret = rank_add(axis, family, &key, list);
		if (ret)
			return ret;
		last = list;
		if (event == end)
			return items_close(axis);
	}
}

/* --- what comes of it --- */

static size_t key_size(enum classifier_family family)
{
	return family == CLASSIFIER_IPV4 ? sizeof(uint32_t) : sizeof(struct classifier_key);
}

/* The first key of a leaf, or of a node of the level that begins at @from */
static const void *node_key(const struct classifier_axis_build *axis,
			    enum classifier_family family, bool leaves, size_t from, size_t i)
{
	const void *data = leaves ? axis->leaves[family].data : axis->levels[family].data;

	if (!leaves)
		return (const char *)data + (from + i * CLASSIFIER_FANOUT) * key_size(family);
	if (family == CLASSIFIER_IPV4)
		return ((const struct classifier_leaf4 *)data)[i].keys;
	return ((const struct classifier_leaf6 *)data)[i].keys;
}

/* The level above @num leaves, or above @num nodes from @from on */
static int level_add(struct classifier_axis_build *axis, enum classifier_family family,
		     bool leaves, size_t from, size_t num)
{
	size_t size = key_size(family);
	size_t padded = (num + CLASSIFIER_FANOUT - 1) / CLASSIFIER_FANOUT * CLASSIFIER_FANOUT;
	char *keys = classifier_buffer_add(&axis->levels[family], padded, size, axis->allocator);

	if (!keys)
		return -ENOMEM;
	memset(keys, 0xff, padded * size);
	for (size_t i = 0; i < num; i++)
		memcpy(keys + i * size, node_key(axis, family, leaves, from, i), size);
	return 0;
}

static int tree_make(struct classifier_axis_build *axis, enum classifier_family family)
{
	struct classifier_tree *tree = &axis->trees[family];
	size_t num = axis->leaves[family].num, from = 0;
	int ret = 0;

	while (!ret && num > 1) {
		size_t start = axis->levels[family].num;

		tree->at[tree->levels] = (uint32_t)(start * key_size(family));
		ret = level_add(axis, family, !tree->levels, from, num);
		tree->levels++;
		num = (num + CLASSIFIER_FANOUT - 1) / CLASSIFIER_FANOUT;
		from = start;
	}
	return ret;
}

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
			ret = tree_make(axis, family);
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
		size_t size = family == CLASSIFIER_IPV4 ? sizeof(struct classifier_leaf4) :
							  sizeof(struct classifier_leaf6);

		*parts++ = (struct classifier_part){ &layout->trees[family].leaves,
						     axis->leaves[family].data,
						     axis->leaves[family].num * size };
		*parts++ = (struct classifier_part){ &layout->trees[family].at[0],
						     axis->levels[family].data,
						     axis->levels[family].num * key_size(family) };
	}
	*parts++ = (struct classifier_part){ &layout->lists, axis->lists.data,
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
