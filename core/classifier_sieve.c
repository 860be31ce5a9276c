/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * classifier_sieve.c - which sets no list may name, so that none has more than CLASSIFIER_DEPTH
 */
#include "classifier_build.h"

#define AHEAD		8	/* events whose ranges are fetched; of twice as many, the items */

/* An item that is open, what it is worth, and how far its range reaches */
struct open_item {
	uint32_t item;
	uint64_t worth;
	uint64_t reach;
};

struct crowd {
	struct open_item open[CLASSIFIER_DEPTH + 1];
	unsigned int num;
};

/* Its bits that matter most; beyond IPv4 everything is as far. */
static uint64_t reach_of(const struct classifier_range *range, enum classifier_family family)
{
	struct classifier_stretch part;

	classifier_range_part(range, family, &part);
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
		const struct open_item *open = &crowd->open[i], *least = &crowd->open[victim];

		if (open->worth < least->worth ||
		    (open->worth == least->worth && open->reach > least->reach))
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
		open += axis->events[family][i].what & CLASSIFIER_END ? -1u : 1;
		if (open > CLASSIFIER_DEPTH)
			return true;
	}
	return false;
}

/* Inline, as compilers leave out calls of what does nothing but fetch. */
static inline __attribute__((always_inline)) void
fetch(const struct classifier_axis_build *axis, const struct classifier_event *events, size_t left)
{
	const struct classifier_item *item;

	if (left <= 2 * AHEAD)
		return;
	__builtin_prefetch(&axis->items[events[2 * AHEAD].item], 1);
	if (events[AHEAD].what & CLASSIFIER_END)
		return;
	item = &axis->items[events[AHEAD].item];
	__builtin_prefetch(&item->ranges[events[AHEAD].what >> 1]);
}

static void crowd_open(const struct classifier_axis_build *axis, enum classifier_family family,
		       struct crowd *crowd, const struct classifier_event *event)
{
	const struct classifier_item *item = &axis->items[event->item];

	crowd->open[crowd->num++] = (struct open_item){
		.item = event->item,
		.worth = worth_of(item),
		.reach = reach_of(&item->ranges[event->what >> 1], family),
	};
	if (crowd->num > CLASSIFIER_DEPTH)
		crowd_out(axis, crowd);
}

static void crowd_sweep(const struct classifier_axis_build *axis, enum classifier_family family,
			struct crowd *crowd)
{
	crowd->num = 0;
	for (size_t i = 0; i < axis->events_num[family]; i++) {
		const struct classifier_event *event = &axis->events[family][i];
		struct classifier_item *item = &axis->items[event->item];

		fetch(axis, event, axis->events_num[family] - i);
		if (item->crowded)
			continue;
		if (event->what & CLASSIFIER_END) {
			if (!--item->open)
				crowd_remove(crowd, event->item);
			continue;
		}
		if (!item->open++)
			crowd_open(axis, family, crowd, event);
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
		classifier_items_shut(axis);
		crowd_sweep(axis, family, crowd);
	}
	axis->allocator->free(crowd);
	return 0;
}
