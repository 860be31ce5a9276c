/* SPDX-License-Identifier: MIT */
/* guard_policy.c - a policy in the words of slim.ko */
#include "guard_policy.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "policy_inputs.h"
#include "policy_members.h"
#include "shaping.h"

/* What there is of one kind, one behind the other */
struct list {
	size_t size;			/* of each */
	uint8_t *all;
	size_t num, max;
};

/*
 * What is told of each kind; and what dynamic sets contain, in the order of domains, in which they are asked for
 * before.
 * @members_at, @member_ranges_at: how much of that has been used
 */
struct told {
	const struct policy_compiled *compiled;
	struct list domains, sets, ranges, rules, services;
	struct list members, member_ranges;
	size_t members_at, member_ranges_at;
};

static void told_init(struct told *told, const struct policy_compiled *compiled)
{
	*told = (struct told){
		.compiled = compiled,
		.domains.size = sizeof(struct slim_policy_domain),
		.sets.size = sizeof(struct slim_policy_set),
		.ranges.size = sizeof(struct slim_policy_range),
		.rules.size = sizeof(struct slim_policy_rule),
		.services.size = sizeof(struct slim_policy_service),
		.members.size = sizeof(struct slim_policy_set),
		.member_ranges.size = sizeof(struct slim_policy_range),
	};
}

static void told_free(struct told *told)
{
	free(told->domains.all);
	free(told->sets.all);
	free(told->ranges.all);
	free(told->rules.all);
	free(told->services.all);
	free(told->members.all);
	free(told->member_ranges.all);
}

/* Room for @num more, zero-filled; NULL: no memory */
static void *add(struct list *list, size_t num)
{
	void *room;

	if (list->max - list->num < num) {
		size_t more = list->num + num > 2 * list->max ? list->num + num : 2 * list->max;
		uint8_t *bigger = reallocarray(list->all, more, list->size);

		if (!bigger)
			return NULL;
		list->all = bigger;
		list->max = more;
	}
	room = list->all + list->num * list->size;
	memset(room, 0, num * list->size);
	list->num += num;
	return room;
}

static int add_set(struct list *sets, struct list *ranges, const struct classifier_range *from,
		   uint32_t num)
{
	struct slim_policy_set *set = add(sets, 1);
	void *room = set && num ? add(ranges, num) : NULL;

	_Static_assert(sizeof(*from) == sizeof(struct slim_policy_range), "they are the same");
	if (!set || (num && !room))
		return -ENOMEM;
	set->ranges_num = num;
	if (num)
		memcpy(room, from, num * sizeof(*from));
	return 0;
}

/* --- what names and labels stand for --- */

static int take_members(uint32_t domain, const struct classifier_set *sets, void *data)
{
	struct told *told = data;
	int err = 0;

	for (uint32_t i = 0; i < told->compiled->domains[domain].dynamic_num && !err; i++)
		err = add_set(&told->members, &told->member_ranges, sets[i].ranges,
			      sets[i].ranges_num);
	return err;
}

/* The next dynamic set */
static int use_members(struct told *told)
{
	const struct slim_policy_set *sets = (const void *)told->members.all;
	const struct classifier_range *ranges = (const void *)told->member_ranges.all;
	uint32_t num = sets[told->members_at++].ranges_num;
	int err = add_set(&told->sets, &told->ranges, num ? ranges + told->member_ranges_at : NULL, num);

	told->member_ranges_at += num;
	return err;
}

/* --- a domain --- */

static struct slim_shape shape_of(const struct policy_rule *rule)
{
	const struct shaping shaping = shaping_of(rule);
	struct slim_shape shape = { .rate = shaping.rate };

	if (shaping.rate)
		shape.flags |= SLIM_SHAPE_RATE;
	if (shaping.tos >= 0) {
		shape.flags |= SLIM_SHAPE_TOS;
		shape.tos = (uint8_t)shaping.tos;
	}
	if (shaping.priority >= 0) {
		shape.flags |= SLIM_SHAPE_PRIORITY;
		shape.priority = (uint8_t)shaping.priority;
	}
	return shape;
}

static int add_rule(struct told *told, uint32_t number, const struct classifier_rule *from)
{
	const struct policy_rule *rule = &told->compiled->policy->rules[number];
	struct slim_policy_rule *room = add(&told->rules, 1);
	void *services = add(&told->services, from->services_num);

	_Static_assert(sizeof(*from->services) == sizeof(struct slim_policy_service),
		       "they are the same");
	if (!room || !services)
		return -ENOMEM;
	*room = (struct slim_policy_rule){
		.id = number, .source = from->src, .destination = from->dst,
		.services_num = from->services_num,
	};
	if (rule->action == POLICY_ALLOW) {
		room->flags = SLIM_POLICY_ALLOW;
		room->shape = shape_of(rule);
	}
	memcpy(services, from->services, from->services_num * sizeof(*from->services));
	return 0;
}

static int take_inputs(uint32_t domain, const struct classifier_policy *policy,
		       const uint32_t *dynamic, void *data)
{
	struct told *told = data;
	struct slim_policy_domain *domains = (void *)told->domains.all;
	int err = 0;

	(void)dynamic;
	domains[domain].sets_num = policy->sets_num;
	domains[domain].sets_dynamic = policy->dynamic_num;
	domains[domain].rules_num = policy->rules_num;
	for (uint32_t i = 0; i < policy->sets_num && !err; i++)
		err = i < policy->dynamic_num ? use_members(told) :
		      add_set(&told->sets, &told->ranges, policy->sets[i].ranges,
			      policy->sets[i].ranges_num);
	for (uint32_t i = 0; i < policy->rules_num && !err; i++)
		err = add_rule(told, told->compiled->domains[domain].rules[i], &policy->rules[i]);
	return err;
}

static int take_domains(struct told *told)
{
	const struct policy_compiled *compiled = told->compiled;

	for (uint32_t i = 0; i < compiled->domains_num; i++) {
		const struct policy_domain *from = &compiled->domains[i];
		struct slim_policy_domain *domain = add(&told->domains, 1);

		if (!domain)
			return -ENOMEM;
		*domain = (struct slim_policy_domain){
			.owner = from->owner, .source = from->source, .destination = from->destination,
			.flags = from->action == POLICY_ALLOW ? SLIM_POLICY_ALLOW : 0,
		};
	}
	return 0;
}

/* --- telling --- */

static int tell(struct guard_link *link, const struct told *told, uint64_t generation, uint32_t flags)
{
	const struct slim_policy_counts counts = {
		.domains = (uint32_t)told->domains.num, .sets = (uint32_t)told->sets.num,
		.ranges = (uint32_t)told->ranges.num, .rules = (uint32_t)told->rules.num,
		.services = (uint32_t)told->services.num,
	};
	const struct {
		enum slim_part part;
		const struct list *list;
	} parts[] = {
		{ SLIM_PART_DOMAINS, &told->domains }, { SLIM_PART_SETS, &told->sets },
		{ SLIM_PART_RANGES, &told->ranges }, { SLIM_PART_RULES, &told->rules },
		{ SLIM_PART_SERVICES, &told->services },
	};
	int err = guard_link_begin(link, generation, &counts, flags);

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]) && !err; i++)
		err = guard_link_part(link, parts[i].part, parts[i].list->all, parts[i].list->num,
				      parts[i].list->size);
	return err ? err : guard_link_end(link);
}

int guard_policy_stage(struct guard_link *link, const struct policy_compiled *compiled,
		       uint64_t generation)
{
	struct told told;
	uint32_t tried;
	int err = 0;

	told_init(&told, compiled);
	if (compiled)
		err = take_domains(&told);
	if (compiled && !err)
		err = policy_members_each(compiled, take_members, &told);
	if (compiled && !err)
		err = policy_inputs_each(compiled, take_inputs, &told, &tried);
	if (!err)
		err = tell(link, &told, generation, compiled ? 0 : SLIM_STAGE_NONE);
	told_free(&told);
	return err;
}

int guard_policy_stage_members(struct guard_link *link, const struct policy_compiled *compiled,
			       uint64_t generation)
{
	struct told told;
	int err;

	told_init(&told, compiled);
	err = policy_members_each(compiled, take_members, &told);
	/* Here they are all that is told. */
	told.sets = told.members;
	told.ranges = told.member_ranges;
	told.members.all = told.member_ranges.all = NULL;
	if (!err)
		err = tell(link, &told, generation, SLIM_STAGE_MEMBERS);
	told_free(&told);
	return err;
}
