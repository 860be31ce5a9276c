// SPDX-License-Identifier: GPL-2.0-only
/* staged.c - a policy that is being told, part by part */
#include "staged.h"

#include <linux/build_bug.h>
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "../core/classifier.h"
#include "force.h"
#include "shape.h"

/* What classifiers take is what is told. */
static_assert(sizeof(struct slim_policy_range) == sizeof(struct classifier_range));
static_assert(offsetof(struct slim_policy_range, last) == offsetof(struct classifier_range, last));
static_assert(sizeof(struct slim_policy_service) == sizeof(struct classifier_interval));
static_assert(offsetof(struct slim_policy_service, last) ==
	      offsetof(struct classifier_interval, last));

static const struct kind {
	size_t size;
	u32 max;
} kinds[SLIM_PART_MAX + 1] = {
	[SLIM_PART_DOMAINS] = { sizeof(struct slim_policy_domain), SLIM_DOMAINS_MAX },
	[SLIM_PART_SETS] = { sizeof(struct slim_policy_set), SLIM_SETS_MAX },
	[SLIM_PART_RANGES] = { sizeof(struct slim_policy_range), SLIM_RANGES_MAX },
	[SLIM_PART_RULES] = { sizeof(struct slim_policy_rule), SLIM_RULES_MAX },
	[SLIM_PART_SERVICES] = { sizeof(struct slim_policy_service), SLIM_SERVICES_MAX },
};

/* @num: what was said to come; @have: what has come */
struct part {
	void *data;
	u32 num;
	u32 have;
};

/*
 * @parts:	the first one is no part
 * @policy:	with members alone the one that is in force, else NULL
 * @sets, @rules: while it is built
 */
struct staged {
	u64 generation;
	u32 flags;
	struct part parts[SLIM_PART_MAX + 1];
	struct policy *policy;
	struct classifier_set *sets;
	struct classifier_rule *rules;
	struct force *force;
};

static int parts_alloc(struct staged *staged, const struct slim_policy_counts *counts)
{
	const u32 nums[SLIM_PART_MAX + 1] = {
		[SLIM_PART_DOMAINS] = counts->domains, [SLIM_PART_SETS] = counts->sets,
		[SLIM_PART_RANGES] = counts->ranges,   [SLIM_PART_RULES] = counts->rules,
		[SLIM_PART_SERVICES] = counts->services,
	};
	unsigned int i;

	for (i = SLIM_PART_DOMAINS; i <= SLIM_PART_MAX; i++) {
		if (nums[i] > kinds[i].max)
			return -E2BIG;
		if (nums[i] && staged->flags & (SLIM_STAGE_CLOSED | SLIM_STAGE_NONE))
			return -EINVAL;
		staged->parts[i].num = nums[i];
	}
	for (i = SLIM_PART_DOMAINS; i <= SLIM_PART_MAX; i++) {
		staged->parts[i].data = kvcalloc(nums[i], kinds[i].size, GFP_KERNEL_ACCOUNT);
		if (nums[i] && !staged->parts[i].data)
			return -ENOMEM;
	}
	return 0;
}

static void parts_free(struct staged *staged)
{
	unsigned int i;

	for (i = SLIM_PART_DOMAINS; i <= SLIM_PART_MAX; i++) {
		kvfree(staged->parts[i].data);
		staged->parts[i].data = NULL;
	}
	kvfree(staged->sets);
	staged->sets = NULL;
	kvfree(staged->rules);
	staged->rules = NULL;
}

struct staged *staged_begin(u64 generation, u32 flags, const struct slim_policy_counts *counts,
			    const struct force *base)
{
	struct staged *staged;
	int err;

	if (flags & (flags - 1))
		return ERR_PTR(-EINVAL);
	if (flags & SLIM_STAGE_MEMBERS && (counts->domains || counts->rules || counts->services))
		return ERR_PTR(-EINVAL);
	if (flags & SLIM_STAGE_MEMBERS && !(base && base->policy))
		return ERR_PTR(-ENODATA);
	staged = kzalloc(sizeof(*staged), GFP_KERNEL_ACCOUNT);
	if (!staged)
		return ERR_PTR(-ENOMEM);
	staged->generation = generation;
	staged->flags = flags;
	if (flags & SLIM_STAGE_MEMBERS) {
		staged->policy = base->policy;
		refcount_inc(&staged->policy->users);
	}
	err = parts_alloc(staged, counts);
	if (!err)
		return staged;
	staged_free(staged);
	return ERR_PTR(err);
}

int staged_add(struct staged *staged, enum slim_part number, const void *data, size_t len)
{
	struct part *part = &staged->parts[number];
	size_t size = kinds[number].size;

	if (staged->force)
		return -EALREADY;
	if (!len || len % size)
		return -EINVAL;
	if (len / size > part->num - part->have)
		return -E2BIG;
	memcpy((char *)part->data + part->have * size, data, len);
	part->have += len / size;
	return 0;
}

/* --- building --- */

/* How far the sets, ranges, rules and services are used up */
struct place {
	u32 set;
	u32 range;
	u32 rule;
	u32 service;
};

static const void *item(const struct staged *staged, enum slim_part part, u32 number)
{
	return (const char *)staged->parts[part].data + number * kinds[part].size;
}

static u32 left(const struct staged *staged, enum slim_part part, u32 used)
{
	return staged->parts[part].num - used;
}

static bool all_have_come(const struct staged *staged)
{
	unsigned int i;

	for (i = SLIM_PART_DOMAINS; i <= SLIM_PART_MAX; i++)
		if (staged->parts[i].have != staged->parts[i].num)
			return false;
	return true;
}

/* Sets @num of them, from the place on: 0 or -EINVAL. */
static int sets_make(struct staged *staged, u32 num, struct place *place)
{
	u32 i;

	if (num > left(staged, SLIM_PART_SETS, place->set))
		return -EINVAL;
	for (i = 0; i < num; i++) {
		const struct slim_policy_set *told = item(staged, SLIM_PART_SETS, place->set + i);
		struct classifier_set *set = &staged->sets[place->set + i];

		if (told->ranges_num > left(staged, SLIM_PART_RANGES, place->range))
			return -EINVAL;
		set->ranges = item(staged, SLIM_PART_RANGES, place->range);
		set->ranges_num = told->ranges_num;
		place->range += told->ranges_num;
	}
	place->set += num;
	return 0;
}

static int rule_make(struct staged *staged, struct rule *rule, struct place *place)
{
	const struct slim_policy_rule *told = item(staged, SLIM_PART_RULES, place->rule);
	struct classifier_rule *made = &staged->rules[place->rule];

	if (told->flags & ~SLIM_POLICY_ALLOW || told->reserved || !shape_is_valid(&told->shape) ||
	    told->services_num > left(staged, SLIM_PART_SERVICES, place->service))
		return -EINVAL;
	made->src = told->source;
	made->dst = told->destination;
	made->services = item(staged, SLIM_PART_SERVICES, place->service);
	made->services_num = told->services_num;
	rule->shape = told->shape;
	rule->id = told->id;
	rule->allow = told->flags & SLIM_POLICY_ALLOW;
	place->service += told->services_num;
	place->rule++;
	return 0;
}

static bool domain_is_valid(const struct staged *staged, const struct slim_policy_domain *told,
			    const struct domain *before, const struct place *place)
{
	if (told->source > SLIM_VNI_MAX || told->destination > SLIM_VNI_MAX ||
	    (told->owner != told->source && told->owner != told->destination) ||
	    told->flags & ~SLIM_POLICY_ALLOW || told->sets_dynamic > told->sets_num ||
	    told->rules_num > left(staged, SLIM_PART_RULES, place->rule))
		return false;
	if (!before || before->owner != told->owner)
		return !before || before->owner < told->owner;
	if (before->source != told->source)
		return before->source < told->source;
	return before->destination < told->destination;
}

static int domain_make(struct staged *staged, struct policy *policy, u32 number,
		       struct place *place)
{
	const struct slim_policy_domain *told = item(staged, SLIM_PART_DOMAINS, number);
	struct domain *domain = &policy->domains[number];
	struct classifier_policy made = {
		.sets = staged->sets + place->set, .sets_num = told->sets_num,
		.dynamic_num = told->sets_dynamic,
		.rules = staged->rules + place->rule, .rules_num = told->rules_num,
	};
	int err = 0;
	u32 i;

	if (!domain_is_valid(staged, told, number ? domain - 1 : NULL, place))
		return -EINVAL;
	domain->owner = told->owner;
	domain->source = told->source;
	domain->destination = told->destination;
	domain->allow = told->flags & SLIM_POLICY_ALLOW;
	domain->sets_dynamic = told->sets_dynamic;
	domain->rules_num = told->rules_num;
	domain->rules = policy->rules + place->rule;
	err = sets_make(staged, told->sets_num, place);
	for (i = 0; i < told->rules_num && !err; i++)
		err = rule_make(staged, &domain->rules[i], place);
	if (err || !told->rules_num)
		return err;
	return classifier_build(&made, &force_allocator, &domain->classifier);
}

static int members_make(struct staged *staged, struct force *force, u32 number,
			const struct classifier_set *sets)
{
	const struct domain *domain = &force->policy->domains[number];

	if (!domain->sets_dynamic || !domain->classifier)
		return 0;
	return classifier_members_build(domain->classifier, sets, &force_allocator,
					&force->members[number]);
}

static bool all_is_used(const struct staged *staged, const struct place *place)
{
	return !left(staged, SLIM_PART_SETS, place->set) &&
	       !left(staged, SLIM_PART_RANGES, place->range) &&
	       !left(staged, SLIM_PART_RULES, place->rule) &&
	       !left(staged, SLIM_PART_SERVICES, place->service);
}

/* Members of the policy that is in force */
static int build_members(struct staged *staged, struct force *force)
{
	struct place place = { };
	int err = 0;
	u32 i;

	for (i = 0; i < force->policy->domains_num && !err; i++) {
		const struct classifier_set *sets = staged->sets + place.set;

		err = sets_make(staged, force->policy->domains[i].sets_dynamic, &place);
		if (!err)
			err = members_make(staged, force, i, sets);
	}
	return err || all_is_used(staged, &place) ? err : -EINVAL;
}

static int build_policy(struct staged *staged, struct force *force)
{
	struct place place = { };
	int err = 0;
	u32 i;

	for (i = 0; i < force->policy->domains_num && !err; i++) {
		const struct classifier_set *sets = staged->sets + place.set;

		err = domain_make(staged, force->policy, i, &place);
		if (!err)
			err = members_make(staged, force, i, sets);
	}
	return err || all_is_used(staged, &place) ? err : -EINVAL;
}

/* The force that is to be filled */
static struct force *force_begin(struct staged *staged)
{
	struct policy *policy = staged->policy;

	if (staged->flags & (SLIM_STAGE_CLOSED | SLIM_STAGE_NONE))
		return force_alloc(staged->generation, NULL);
	if (policy) {
		refcount_inc(&policy->users);
	} else {
		policy = policy_alloc(staged->parts[SLIM_PART_DOMAINS].num,
				      staged->parts[SLIM_PART_RULES].num);
		if (!policy)
			return NULL;
	}
	return force_alloc(staged->generation, policy);
}

int staged_build(struct staged *staged)
{
	struct force *force;
	int err = 0;

	if (staged->force)
		return -EALREADY;
	if (!all_have_come(staged))
		return -ENODATA;
	staged->sets = kvcalloc(staged->parts[SLIM_PART_SETS].num + 1, sizeof(*staged->sets),
				GFP_KERNEL_ACCOUNT);
	staged->rules = kvcalloc(staged->parts[SLIM_PART_RULES].num + 1, sizeof(*staged->rules),
				 GFP_KERNEL_ACCOUNT);
	force = force_begin(staged);
	if (!staged->sets || !staged->rules || !force)
		err = -ENOMEM;
	else if (staged->policy)
		err = build_members(staged, force);
	else if (force->policy)
		err = build_policy(staged, force);
	parts_free(staged);
	if (err) {
		force_free(force);
		return err;
	}
	force->closed = staged->flags & SLIM_STAGE_CLOSED;
	staged->force = force;
	return 0;
}

struct force *staged_take(struct staged *staged, u64 generation)
{
	struct force *force = staged ? staged->force : NULL;

	if (!force || staged->generation != generation)
		return ERR_PTR(-ENODATA);
	staged->force = NULL;
	return force;
}

void staged_free(struct staged *staged)
{
	if (!staged)
		return;
	parts_free(staged);
	policy_put(staged->policy);
	force_free(staged->force);
	kfree(staged);
}
