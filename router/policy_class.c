/* SPDX-License-Identifier: MIT */
/* policy_class.c - which addresses the same rules are about */
#include "policy_class.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ENTRIES_MAX	(1u << 25)	/* rules of all classes */

/* --- sets --- */

int policy_ends_init(struct policy_ends *ends, const struct policy_compiled *compiled,
		     const struct policy_domain *domain, const struct classifier_set *dynamic)
{
	uint32_t num = compiled->policy->sets_num;

	*ends = (struct policy_ends){ compiled, domain, dynamic, NULL };
	ends->set_of = malloc((num + 1u) * sizeof(*ends->set_of));
	if (!ends->set_of)
		return -ENOMEM;
	memset(ends->set_of, 0xff, num * sizeof(*ends->set_of));
	for (uint32_t i = 0; i < domain->dynamic_num; i++)
		ends->set_of[domain->dynamic[i]] = i;
	return 0;
}

void policy_ends_exit(struct policy_ends *ends)
{
	free(ends->set_of);
}

struct classifier_set policy_ends_of(const struct policy_ends *ends, uint32_t set)
{
	const struct policy_resolved *resolved = &ends->compiled->resolved;

	if (ends->set_of[set] != POLICY_NONE)
		return ends->dynamic[ends->set_of[set]];
	return (struct classifier_set){
		resolved->ranges + resolved->sets[set].ranges, resolved->sets[set].ranges_num,
	};
}

/* --- classes --- */

struct work {
	struct policy_classes *classes;
	const struct policy_ends *ends;
	const struct in6_addr *addresses;
	size_t num;
	uint64_t entries;
};

/* There is one without members, or there are no more than addresses. */
static uint32_t class_new(struct policy_classes *classes, uint32_t rule)
{
	uint32_t number = classes->free;

	if (number != POLICY_NONE)
		classes->free = classes->classes[number].next;
	else
		number = classes->num++;
	classes->classes[number] = (struct policy_class){ .made = rule, .split = POLICY_NONE };
	return number;
}

typedef int take_address(struct work *work, size_t address, uint32_t rule);

/* (Perhaps twice: ranges of a dynamic set may overlap.) */
static int split_off(struct work *work, size_t address, uint32_t rule)
{
	struct policy_classes *classes = work->classes;
	uint32_t from = classes->of[address];
	struct policy_class *class = &classes->classes[from];

	if (class->made == rule)
		return 0;
	if (class->split != rule) {
		class->next = class_new(classes, rule);
		class->split = rule;
	}
	classes->of[address] = class->next;
	classes->classes[class->next].members++;
	if (!--class->members) {
		class->next = classes->free;
		classes->free = from;
	}
	return 0;
}

/* When the classes are known: once for each */
static int add_rule(struct work *work, size_t address, uint32_t rule)
{
	struct policy_class *class = &work->classes->classes[work->classes->of[address]];
	uint32_t more = class->rules_max ? class->rules_max * 2 : 16;
	uint32_t *bigger;

	if (class->rules_num && class->rules[class->rules_num - 1] == rule)
		return 0;
	if (++work->entries > ENTRIES_MAX)
		return -E2BIG;
	if (class->rules_num == class->rules_max) {
		bigger = reallocarray(class->rules, more, sizeof(*bigger));
		if (!bigger)
			return -ENOMEM;
		class->rules = bigger;
		class->rules_max = more;
	}
	class->rules[class->rules_num++] = rule;
	return 0;
}

/* The first address that is not below @bound */
static size_t find(const struct work *work, const uint8_t bound[16])
{
	size_t low = 0, high = work->num;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (memcmp(&work->addresses[middle], bound, 16) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int deal_rule(struct work *work, uint32_t rule, uint32_t set, take_address *take)
{
	struct classifier_set members = policy_ends_of(work->ends, set);
	int err = 0;

	for (uint32_t i = 0; i < members.ranges_num && !err; i++) {
		const struct classifier_range *range = &members.ranges[i];

		for (size_t at = find(work, range->first); at < work->num && !err &&
		     memcmp(&work->addresses[at], range->last, 16) <= 0; at++)
			err = take(work, at, rule);
	}
	return err;
}

static int deal(struct work *work, enum policy_side side, take_address *take)
{
	const struct policy_domain *domain = work->ends->domain;
	const struct policy *policy = work->ends->compiled->policy;
	int err = 0;

	for (uint32_t i = 0; i < domain->rules_num && !err; i++) {
		const struct policy_rule *rule = &policy->rules[domain->rules[i]];

		err = deal_rule(work, domain->rules[i],
				side == POLICY_SIDE_FROM ? rule->source : rule->destination, take);
	}
	return err;
}

int policy_classes_make(struct policy_classes *classes, const struct policy_ends *ends,
		       enum policy_side side, const struct in6_addr *addresses, size_t num)
{
	struct work work = { .classes = classes, .ends = ends, .addresses = addresses, .num = num };
	int err;

	*classes = (struct policy_classes){
		.of = calloc(num + 1, sizeof(*classes->of)),
		.classes = calloc(num + 1, sizeof(*classes->classes)),
		.free = POLICY_NONE,
	};
	if (!classes->of || !classes->classes)
		return -ENOMEM;
	classes->classes[class_new(classes, POLICY_NONE)].members = (uint32_t)num;
	err = deal(&work, side, split_off);
	return err ? err : deal(&work, side, add_rule);
}

void policy_classes_free(struct policy_classes *classes)
{
	for (uint32_t i = 0; i < classes->num; i++)
		free(classes->classes[i].rules);
	free(classes->classes);
	free(classes->of);
	*classes = (struct policy_classes){ 0 };
}
