/* SPDX-License-Identifier: MIT */
/*
 * policy_resolve.c - what addresses a policy's sets are
 *
 * Groups first, those that others name before these; so that each is dissolved once, and nothing
 * recurses.
 */
#include "policy_resolve.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "address_step.h"
#include "endpoint.h"

/* Room for one more of @num in *@array; at most CLASSIFIER_RANGES_MAX */
static int grow(void **array, uint32_t num, uint32_t *max, size_t size)
{
	uint32_t more = *max ? *max * 2 : 1024;
	void *bigger;

	if (num < *max)
		return 0;
	if (num >= CLASSIFIER_RANGES_MAX)
		return -E2BIG;
	bigger = reallocarray(*array, more, size);
	if (!bigger)
		return -ENOMEM;
	*array = bigger;
	*max = more;
	return 0;
}

static int add_range(struct policy_resolved *resolved, const void *first, const void *last)
{
	int err = grow((void **)&resolved->ranges, resolved->ranges_num, &resolved->ranges_max,
		       sizeof(*resolved->ranges));
	struct classifier_range *range;

	if (err)
		return err;
	range = &resolved->ranges[resolved->ranges_num++];
	memcpy(range->first, first, sizeof(range->first));
	memcpy(range->last, last, sizeof(range->last));
	return 0;
}

static int add_test(struct policy_resolved *resolved, uint32_t name, uint32_t value)
{
	int err = grow((void **)&resolved->tests, resolved->tests_num, &resolved->tests_max,
		       sizeof(*resolved->tests));

	if (!err)
		resolved->tests[resolved->tests_num++] = (struct policy_test){ name, value };
	return err;
}

/* --- outside --- */

static int compare_ranges(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct classifier_range));
}

static struct classifier_range range_of(const struct config_prefix *prefix)
{
	struct in6_addr last = config_prefix_last(prefix);
	struct classifier_range range;

	memcpy(range.first, &prefix->addr, sizeof(range.first));
	memcpy(range.last, &last, sizeof(range.last));
	return range;
}

/* What lies between @prefixes, which are sorted, and around them */
static int add_gaps(struct policy_resolved *resolved, const struct classifier_range *prefixes,
		    size_t num)
{
	uint8_t from[16] = { 0 }, last[16];
	bool more = true;
	int err = 0;

	for (size_t i = 0; i < num && !err && more; i++) {
		memcpy(last, prefixes[i].first, sizeof(last));
		if (memcmp(from, prefixes[i].first, sizeof(from)) < 0 && address_step_down(last))
			err = add_range(resolved, from, last);
		if (memcmp(from, prefixes[i].last, sizeof(from)) <= 0) {
			memcpy(from, prefixes[i].last, sizeof(from));
			more = address_step_up(from);
		}
	}
	memset(last, 0xff, sizeof(last));
	return !err && more ? add_range(resolved, from, last) : err;
}

static int add_outside(struct policy_resolved *resolved, const struct config_tenant *tenant)
{
	struct classifier_range *prefixes;
	int err;

	if (!tenant)
		return 0;
	prefixes = calloc(tenant->prefixes_num, sizeof(*prefixes));
	if (!prefixes)
		return -ENOMEM;
	for (size_t i = 0; i < tenant->prefixes_num; i++)
		prefixes[i] = range_of(&tenant->prefixes[i]);
	qsort(prefixes, tenant->prefixes_num, sizeof(*prefixes), compare_ranges);
	err = add_gaps(resolved, prefixes, tenant->prefixes_num);
	free(prefixes);
	return err;
}

/* --- ranges --- */

/* IPv4 addresses are mapped ones, but in no range of IPv6 addresses. */
static int add_addresses(struct policy_resolved *resolved, const struct in6_addr *first,
			 const struct in6_addr *last)
{
	struct in6_addr lowest4 = addr_map4(0), highest4 = addr_map4(INADDR_BROADCAST);
	uint8_t below[16], above[16];
	int err;

	if (addr_is4(first) || memcmp(first, &lowest4, sizeof(*first)) > 0 ||
	    memcmp(last, &highest4, sizeof(*last)) < 0)
		return add_range(resolved, first, last);
	memcpy(below, &lowest4, sizeof(below));
	memcpy(above, &highest4, sizeof(above));
	address_step_down(below);
	address_step_up(above);
	err = add_range(resolved, first, below);
	if (err || memcmp(above, last, sizeof(above)) > 0)
		return err;
	return add_range(resolved, above, last);
}

/* --- sets --- */

/* All of a set that has been dissolved */
static int add_set(struct policy_resolved *resolved, const struct policy_resolved_set *set)
{
	int err = 0;

	for (uint32_t i = 0; i < set->ranges_num && !err; i++) {
		struct classifier_range range = resolved->ranges[set->ranges + i];

		err = add_range(resolved, range.first, range.last);
	}
	for (uint32_t i = 0; i < set->tests_num && !err; i++) {
		struct policy_test test = resolved->tests[set->tests + i];

		err = add_test(resolved, test.name, test.value);
	}
	return err;
}

static int add_member(struct policy_resolved *resolved, const struct policy *policy,
		      const struct policy_member *member, const struct config_tenant *tenant)
{
	static const struct in6_addr lowest;
	struct in6_addr highest;

	switch (member->type) {
	case POLICY_MEMBER_ANY:
		memset(&highest, 0xff, sizeof(highest));
		return add_range(resolved, &lowest, &highest);
	case POLICY_MEMBER_OUTSIDE:
		return add_outside(resolved, tenant);
	case POLICY_MEMBER_RANGE:
		return add_addresses(resolved, &member->range.first, &member->range.last);
	case POLICY_MEMBER_GROUP:
		return add_set(resolved, &resolved->sets[policy->groups[member->group].set]);
	case POLICY_MEMBER_CONTAINER:
		return add_test(resolved, member->text.name, POLICY_NONE);
	case POLICY_MEMBER_LABEL:
		return add_test(resolved, member->text.name, member->text.value);
	default:
		return -EINVAL;
	}
}

/* Of the ranges from @first on, which then are sorted and apart */
static void merge_ranges(struct policy_resolved *resolved, uint32_t first)
{
	struct classifier_range *ranges = resolved->ranges + first;
	uint32_t num = resolved->ranges_num - first, kept = 0;

	if (num < 2)
		return;
	qsort(ranges, num, sizeof(*ranges), compare_ranges);
	for (uint32_t i = 1; i < num; i++) {
		if (memcmp(ranges[i].first, ranges[kept].last, sizeof(ranges[i].first)) > 0)
			ranges[++kept] = ranges[i];
		else if (memcmp(ranges[i].last, ranges[kept].last, sizeof(ranges[i].last)) > 0)
			memcpy(ranges[kept].last, ranges[i].last, sizeof(ranges[i].last));
	}
	resolved->ranges_num = first + kept + 1;
}

static int compare_tests(const void *a, const void *b)
{
	const struct policy_test *first = a, *second = b;

	if (first->name != second->name)
		return first->name < second->name ? -1 : 1;
	return first->value < second->value ? -1 : first->value > second->value;
}

static void merge_tests(struct policy_resolved *resolved, uint32_t first)
{
	struct policy_test *tests = resolved->tests + first;
	uint32_t num = resolved->tests_num - first, kept = 0;

	if (num < 2)
		return;
	qsort(tests, num, sizeof(*tests), compare_tests);
	for (uint32_t i = 1; i < num; i++)
		if (compare_tests(&tests[i], &tests[kept]))
			tests[++kept] = tests[i];
	resolved->tests_num = first + kept + 1;
}

/* The groups that it names have been dissolved. */
static int resolve_set(struct policy_resolved *resolved, const struct policy *policy,
		       const struct config *config, uint32_t n)
{
	const struct policy_set *set = &policy->sets[n];
	struct policy_resolved_set *out = &resolved->sets[n];
	const struct config_tenant *tenant = NULL;
	int err = 0;

	if (out->done)
		return 0;
	if (config)
		tenant = config_tenant_by_vni(config, policy->tenants[set->tenant].vni);
	out->ranges = resolved->ranges_num;
	out->tests = resolved->tests_num;
	for (uint32_t i = 0; i < set->num && !err; i++)
		err = add_member(resolved, policy, &policy->members[set->first + i], tenant);
	if (err) {
		resolved->failed = n;
		return err;
	}
	merge_ranges(resolved, out->ranges);
	merge_tests(resolved, out->tests);
	out->ranges_num = resolved->ranges_num - out->ranges;
	out->tests_num = resolved->tests_num - out->tests;
	out->done = true;
	return 0;
}

/* --- groups --- */

/* How far a set has been looked at: its next member */
struct visit {
	uint32_t set, member;
};

/* The next set of a group that @visit's names and that is not dissolved yet; POLICY_NONE: none */
static uint32_t next_inner(const struct policy_resolved *resolved, const struct policy *policy,
			   struct visit *visit)
{
	const struct policy_set *set = &policy->sets[visit->set];

	while (visit->member < set->num) {
		const struct policy_member *member = &policy->members[set->first + visit->member++];
		uint32_t inner;

		if (member->type != POLICY_MEMBER_GROUP)
			continue;
		inner = policy->groups[member->group].set;
		if (!resolved->sets[inner].done)
			return inner;
	}
	return POLICY_NONE;
}

/* A set after those that it names; @stack has room for all groups and one more. */
static int resolve_deep(struct policy_resolved *resolved, const struct policy *policy,
			const struct config *config, uint32_t first, struct visit *stack)
{
	uint32_t depth = 0, inner;
	int err;

	stack[0] = (struct visit){ first, 0 };
	for (;;) {
		inner = next_inner(resolved, policy, &stack[depth]);
		if (inner != POLICY_NONE) {
			stack[++depth] = (struct visit){ inner, 0 };
			continue;
		}
		err = resolve_set(resolved, policy, config, stack[depth].set);
		if (err || !depth--)
			return err;
	}
}

int policy_resolve(struct policy_resolved *resolved, const struct policy *policy,
		   const struct config *config)
{
	struct visit *stack = calloc(policy->groups_num + 1u, sizeof(*stack));
	int err = 0;

	memset(resolved, 0, sizeof(*resolved));
	resolved->failed = POLICY_NONE;
	resolved->sets = calloc(policy->sets_num + 1u, sizeof(*resolved->sets));
	if (!stack || !resolved->sets)
		err = -ENOMEM;
	for (uint32_t i = 0; i < policy->sets_num && !err; i++)
		err = resolve_deep(resolved, policy, config, i, stack);
	free(stack);
	return err;
}

void policy_resolved_free(struct policy_resolved *resolved)
{
	free(resolved->sets);
	free(resolved->ranges);
	free(resolved->tests);
	memset(resolved, 0, sizeof(*resolved));
}
