/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * classifier_events.c - the places where ranges begin and end, in order
 *
 * All places where a range of some set begins, or has just ended, sorted by address; at one address
 * ends come before beginnings.
 */
#include "classifier_build.h"

#define AHEAD		8	/* items whose ranges are fetched */

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
static bool wide_part4(struct classifier_stretch *part)
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

/* No IPv4 address is asked for in IPv6, so that their place there may belong to a range or not. */
bool classifier_range_part(const struct classifier_range *range, enum classifier_family family,
		       struct classifier_stretch *part)
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

/* Items are in order of rules, their ranges in the policy's: each one is somewhere else. */
static const struct classifier_item *item_at(const struct classifier_axis_build *axis, uint32_t i)
{
	if (i + AHEAD < axis->items_num)
		__builtin_prefetch(axis->items[i + AHEAD].ranges);
	return &axis->items[i];
}

static void events_count(const struct classifier_axis_build *axis, size_t *nums)
{
	struct classifier_stretch part;

	for (uint32_t i = 0; i < axis->items_num; i++) {
		const struct classifier_item *item = item_at(axis, i);

		for (uint32_t j = 0; j < item->ranges_num; j++) {
			const struct classifier_range *range = &item->ranges[j];

			for (unsigned int family = 0; family < CLASSIFIER_FAMILY_NUM; family++)
				nums[family] += 2 * classifier_range_part(range, family, &part);
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
	struct classifier_stretch part;

	for (uint32_t i = 0; i < axis->items_num; i++) {
		const struct classifier_item *item = item_at(axis, i);

		for (uint32_t j = 0; j < item->ranges_num; j++) {
			if (!classifier_range_part(&item->ranges[j], family, &part))
				continue;
			beginnings[num++] = event_of(&part.first, i, j << 1);
			if (classifier_key_equal(&part.last, &key_max[family]))
				continue;
			part.last.high += !++part.last.low;
			ends[ends_num++] = event_of(&part.last, i, j << 1 | CLASSIFIER_END);
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
