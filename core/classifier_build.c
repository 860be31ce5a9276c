/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * classifier_build.c - from a policy to a classifier
 *
 * Rules that can match become entries, with sets by their numbers on each side. The axes say which
 * sets are crowded out, and so which entries are crowded; the others become cells. Everything is
 * made in pieces first, and then copied into one block.
 */
#include "classifier_build.h"

/*
 * @numbers:	for each set its number on that side plus one, 0: none
 * @entries:	those with cells first
 */
struct builder {
	const struct classifier_policy *policy;
	const struct classifier_allocator *allocator;
	uint32_t *numbers[CLASSIFIER_SIDE_NUM];
	struct classifier_item *items[CLASSIFIER_SIDE_NUM];
	struct classifier_entry *entries;
	uint32_t entries_num;
	struct classifier_entry *crowded;
	uint32_t crowded_num;
	struct classifier_services_build services;
	struct classifier_axis_build axes[CLASSIFIER_SIDE_NUM];
	struct classifier_cells_build cells;
	struct classifier_crowd_build crowd;
	struct classifier_buffer dynamics[CLASSIFIER_SIDE_NUM];
};

/* --- rules to entries --- */

static int rule_check(const struct classifier_policy *policy, const struct classifier_rule *rule)
{
	if (rule->src >= policy->sets_num || rule->dst >= policy->sets_num)
		return -EINVAL;
	for (uint32_t i = 0; i < rule->services_num; i++) {
		const struct classifier_interval *interval = &rule->services[i];

		if (interval->first > interval->last || interval->last > CLASSIFIER_SERVICE_MAX)
			return -EINVAL;
	}
	return 0;
}

static int policy_check(const struct classifier_policy *policy)
{
	uint64_t services = 0;
	int ret;

	if (policy->sets_num > CLASSIFIER_SETS_MAX || policy->rules_num > CLASSIFIER_RULES_MAX)
		return -E2BIG;
	if (policy->dynamic_num > policy->sets_num)
		return -EINVAL;
	for (uint32_t i = 0; i < policy->rules_num; i++) {
		services += policy->rules[i].services_num;
		if (services > CLASSIFIER_SERVICES_MAX)
			return -E2BIG;
		ret = rule_check(policy, &policy->rules[i]);
		if (ret)
			return ret;
	}
	return classifier_sets_check(policy->sets + policy->dynamic_num,
				     policy->sets_num - policy->dynamic_num);
}

static bool set_may_match(const struct classifier_policy *policy, uint32_t set)
{
	return set < policy->dynamic_num || policy->sets[set].ranges_num;
}

/* The number of @set on @side, which is new if no rule before has named it there */
static uint32_t item_number(struct builder *b, enum classifier_side side, uint32_t set)
{
	uint32_t *number = &b->numbers[side][set];
	struct classifier_item *item;

	if (!*number) {
		item = &b->items[side][b->axes[side].items_num];
		item->set = b->axes[side].items_num++;
		item->policy_set = set;
		item->dynamic = set < b->policy->dynamic_num;
		if (!item->dynamic) {
			item->ranges = b->policy->sets[set].ranges;
			item->ranges_num = b->policy->sets[set].ranges_num;
		}
		*number = b->axes[side].items_num;
	}
	b->items[side][*number - 1].rules_num++;
	return *number - 1;
}

static int entry_add(struct builder *b, uint32_t index)
{
	const struct classifier_rule *rule = &b->policy->rules[index];
	struct classifier_entry *entry = &b->entries[b->entries_num];
	int ret;

	if (!rule->services_num || !set_may_match(b->policy, rule->src) ||
	    !set_may_match(b->policy, rule->dst))
		return 0;
	ret = classifier_services_add(&b->services, rule->services, rule->services_num,
				      &entry->services);
	if (ret)
		return ret;
	entry->rule = index;
	entry->sets[CLASSIFIER_SRC] = item_number(b, CLASSIFIER_SRC, rule->src);
	entry->sets[CLASSIFIER_DST] = item_number(b, CLASSIFIER_DST, rule->dst);
	b->entries_num++;
	return 0;
}

static int entries_make(struct builder *b)
{
	uint32_t rules_num = b->policy->rules_num, sets_num = b->policy->sets_num;
	uint32_t items_max = sets_num < rules_num ? sets_num : rules_num;
	int ret = classifier_services_open(&b->services, rules_num);

	if (ret)
		return ret;
	b->entries = classifier_zalloc(b->allocator, rules_num, sizeof(*b->entries));
	if (!b->entries)
		return -ENOMEM;
	for (unsigned int side = 0; side < CLASSIFIER_SIDE_NUM; side++) {
		b->numbers[side] = classifier_zalloc(b->allocator, sets_num, sizeof(uint32_t));
		b->items[side] = classifier_zalloc(b->allocator, items_max,
						   sizeof(*b->items[side]));
		b->axes[side].items = b->items[side];
		if (!b->numbers[side] || !b->items[side])
			return -ENOMEM;
	}
	for (uint32_t i = 0; !ret && i < rules_num; i++)
		ret = entry_add(b, i);
	return ret;
}

/* --- cells and crowded rules --- */

static bool entry_is_crowded(const struct builder *b, const struct classifier_entry *entry)
{
	return b->items[CLASSIFIER_SRC][entry->sets[CLASSIFIER_SRC]].crowded ||
	       b->items[CLASSIFIER_DST][entry->sets[CLASSIFIER_DST]].crowded;
}

static void entry_mark(struct builder *b, const struct classifier_entry *entry, bool crowded)
{
	for (unsigned int side = 0; side < CLASSIFIER_SIDE_NUM; side++) {
		struct classifier_item *item = &b->items[side][entry->sets[side]];

		item->spanned |= crowded;
		item->listed |= !crowded;
		if (!crowded)
			item->filter |= classifier_filter_bit(entry->sets[!side]);
	}
}

/* Takes the crowded entries out. */
static int entries_part(struct builder *b)
{
	uint32_t num = 0;

	for (uint32_t i = 0; i < b->entries_num; i++)
		b->crowded_num += entry_is_crowded(b, &b->entries[i]);
	b->crowded = classifier_zalloc(b->allocator, b->crowded_num, sizeof(*b->crowded));
	if (!b->crowded)
		return -ENOMEM;
	b->crowded_num = 0;
	for (uint32_t i = 0; i < b->entries_num; i++) {
		bool crowded = entry_is_crowded(b, &b->entries[i]);

		entry_mark(b, &b->entries[i], crowded);
		if (crowded)
			b->crowded[b->crowded_num++] = b->entries[i];
		else
			b->entries[num++] = b->entries[i];
	}
	b->entries_num = num;
	return 0;
}

static int axes_make(struct builder *b)
{
	int ret = 0;

	for (unsigned int side = 0; !ret && side < CLASSIFIER_SIDE_NUM; side++) {
		ret = classifier_axis_open(&b->axes[side]);
		if (!ret)
			ret = classifier_axis_crowd(&b->axes[side]);
	}
	if (!ret)
		ret = entries_part(b);
	for (unsigned int side = 0; !ret && side < CLASSIFIER_SIDE_NUM; side++)
		ret = classifier_axis_finish(&b->axes[side]);
	return ret;
}

static int dynamics_make(struct builder *b)
{
	for (unsigned int side = 0; side < CLASSIFIER_SIDE_NUM; side++) {
		for (uint32_t i = 0; i < b->axes[side].items_num; i++) {
			struct classifier_dynamic *dynamic;

			if (!b->items[side][i].dynamic)
				continue;
			dynamic = classifier_buffer_add(&b->dynamics[side], 1, sizeof(*dynamic),
							b->allocator);
			if (!dynamic)
				return -ENOMEM;
			dynamic->member.set = i;
			dynamic->member.filter = b->items[side][i].filter;
			dynamic->number = b->items[side][i].policy_set;
		}
	}
	return 0;
}

static int cells_make(struct builder *b)
{
	b->cells.entries = b->entries;
	b->cells.entries_num = b->entries_num;
	b->cells.services = &b->services;
	return classifier_cells_build(&b->cells);
}

static int crowd_make(struct builder *b)
{
	if (!b->crowded_num)
		return 0;
	b->crowd.entries = b->crowded;
	b->crowd.entries_num = b->crowded_num;
	b->crowd.steps = b->services.steps.data;
	return classifier_crowd_build(&b->crowd, &b->axes[CLASSIFIER_SRC],
				      &b->axes[CLASSIFIER_DST]);
}

/* --- the block --- */

#define PARTS_MAX	32

static struct classifier_part *axes_put(struct builder *b, struct classifier *head,
					struct classifier_part *part)
{
	for (unsigned int side = 0; side < CLASSIFIER_SIDE_NUM; side++) {
		classifier_axis_parts(&b->axes[side], &head->axes[side], part);
		part += CLASSIFIER_AXIS_PARTS;
		*part++ = (struct classifier_part){ &head->dynamics[side], b->dynamics[side].data,
			b->dynamics[side].num * sizeof(struct classifier_dynamic) };
		head->dynamics_num[side] = (uint32_t)b->dynamics[side].num;
	}
	return part;
}

static struct classifier_part *cells_put(struct builder *b, struct classifier *head,
					 struct classifier_part *part)
{
	head->slots_num = b->cells.slots_num;
	head->slots_run = b->cells.slots_run;
	head->cells_num = (uint32_t)b->cells.cells.num;
	*part++ = (struct classifier_part){ &head->slots, b->cells.slots,
		b->cells.slots_num * sizeof(*b->cells.slots) };
	*part++ = (struct classifier_part){ &head->steps, b->services.steps.data,
		b->services.steps.num * sizeof(struct classifier_step) };
	return part;
}

static struct classifier_part *crowd_put(struct builder *b, struct classifier *head,
					 struct classifier_part *part)
{
	head->crowded_num = b->crowded_num;
	head->words = (b->crowded_num + 63) / 64;
	head->in_vain = b->crowd.in_vain;
	*part++ = (struct classifier_part){ &head->crowded, b->crowded,
		b->crowded_num * sizeof(*b->crowded) };
	for (unsigned int kind = 0; kind < CLASSIFIER_AXIS_NUM; kind++) {
		struct classifier_blocks *blocks = &head->blocks[kind];
		const struct classifier_crowd_axis *axis = &b->crowd.axes[kind];

		blocks->num = axis->blocks_num;
		*part++ = (struct classifier_part){ &blocks->starts, axis->starts,
			axis->blocks_num * sizeof(*axis->starts) };
		*part++ = (struct classifier_part){ &blocks->rows, NULL,
			(size_t)axis->blocks_num * head->words * sizeof(uint64_t) };
	}
	for (unsigned int side = 0; side < CLASSIFIER_SIDE_NUM; side++)
		*part++ = (struct classifier_part){ &head->spans[side], b->axes[side].spans.data,
			b->axes[side].spans.num * sizeof(struct classifier_span) };
	return part;
}

/* Sets of crowded rules as classifier_entry says */
static void crowded_settle(struct builder *b)
{
	for (uint32_t i = 0; i < b->crowded_num; i++) {
		for (unsigned int side = 0; side < CLASSIFIER_SIDE_NUM; side++) {
			uint32_t *set = &b->crowded[i].sets[side];
			const struct classifier_item *item = &b->items[side][*set];

			*set = item->dynamic ? CLASSIFIER_DYNAMIC | item->policy_set :
					       b->axes[side].spans_of[*set];
		}
	}
}

static int block_make(struct builder *b, struct classifier **classifier)
{
	struct classifier_part *parts = classifier_zalloc(b->allocator, PARTS_MAX, sizeof(*parts));
	struct classifier *head = classifier_zalloc(b->allocator, 1, sizeof(*head));
	struct classifier_part *end;
	void *block = NULL;
	int ret = -ENOMEM;

	if (!parts || !head)
		goto out;
	head->dynamic_num = b->policy->dynamic_num;
	end = crowd_put(b, head, cells_put(b, head, axes_put(b, head, parts)));
	ret = classifier_assemble(parts, (unsigned int)(end - parts), sizeof(*head), b->allocator,
				  &block, &head->size);
	if (ret)
		goto out;
	for (unsigned int side = 0; side < CLASSIFIER_SIDE_NUM; side++)
		classifier_axis_settle(&b->axes[side], &head->axes[side]);
	for (unsigned int kind = 0; b->crowded_num && kind < CLASSIFIER_AXIS_NUM; kind++)
		classifier_crowd_rows(&b->crowd, kind,
				      (void *)((char *)block + head->blocks[kind].rows),
				      head->words);
	crowded_settle(b);
	memcpy((char *)block + head->crowded, b->crowded, b->crowded_num * sizeof(*b->crowded));
	memcpy(block, head, sizeof(*head));
	*classifier = block;
out:
	b->allocator->free(head);
	b->allocator->free(parts);
	return ret;
}

/* --- all of it --- */

static void builder_init(struct builder *b, const struct classifier_policy *policy,
			 const struct classifier_allocator *allocator)
{
	memset(b, 0, sizeof(*b));
	b->policy = policy;
	b->allocator = allocator;
	b->services.allocator = allocator;
	b->cells.allocator = allocator;
	b->crowd.allocator = allocator;
	for (unsigned int side = 0; side < CLASSIFIER_SIDE_NUM; side++)
		b->axes[side].allocator = allocator;
}

static void builder_exit(struct builder *b)
{
	classifier_crowd_close(&b->crowd);
	classifier_cells_close(&b->cells);
	classifier_services_close(&b->services);
	for (unsigned int side = 0; side < CLASSIFIER_SIDE_NUM; side++) {
		classifier_axis_close(&b->axes[side]);
		classifier_buffer_free(&b->dynamics[side], b->allocator);
		b->allocator->free(b->items[side]);
		b->allocator->free(b->numbers[side]);
	}
	b->allocator->free(b->crowded);
	b->allocator->free(b->entries);
}

int classifier_build(const struct classifier_policy *policy,
		     const struct classifier_allocator *allocator, struct classifier **classifier)
{
	static int (*const steps[])(struct builder *b) = {
		entries_make, axes_make, dynamics_make, cells_make, crowd_make,
	};
	struct builder *b;
	int ret = policy_check(policy);

	if (ret)
		return ret;
	b = allocator->alloc(sizeof(*b));
	if (!b)
		return -ENOMEM;
	builder_init(b, policy, allocator);
	for (unsigned int i = 0; !ret && i < sizeof(steps) / sizeof(steps[0]); i++)
		ret = steps[i](b);
	if (!ret)
		ret = block_make(b, classifier);
	builder_exit(b);
	allocator->free(b);
	return ret;
}

void classifier_free(struct classifier *classifier, const struct classifier_allocator *allocator)
{
	allocator->free(classifier);
}
