/* SPDX-License-Identifier: MIT */
/* policy_limit.c - which of a policy's limits a container is under */
#include "policy_limit.h"

#include <string.h>

#include "tags.h"

static bool has_address(const struct policy_resolved *resolved,
			const struct policy_resolved_set *set, const struct in6_addr *addr)
{
	for (uint32_t i = 0; i < set->ranges_num; i++) {
		const struct classifier_range *range = &resolved->ranges[set->ranges + i];

		if (memcmp(range->first, addr, sizeof(*addr)) <= 0 &&
		    memcmp(addr, range->last, sizeof(*addr)) <= 0)
			return true;
	}
	return false;
}

struct search {
	const char *name, *value;
	bool found;
};

static void compare_label(const char *key, const char *value, void *data)
{
	struct search *search = data;

	search->found |= !strcmp(key, search->name) && !strcmp(value, search->value);
}

static bool is_true(const struct policy *policy, const struct policy_test *test,
		    const struct tags *tags)
{
	struct search search = { .name = policy_string(policy, test->name) };

	if (test->value == POLICY_NONE)
		return !strcmp(tags_name(tags), search.name);
	search.value = policy_string(policy, test->value);
	tags_each(tags, compare_label, &search);
	return search.found;
}

uint64_t policy_limit_tenant(const struct policy_compiled *compiled, uint32_t vni)
{
	const struct policy *policy = compiled->policy;

	for (uint32_t i = 0; i < policy->limits_num; i++) {
		const struct policy_limit *limit = &policy->limits[i];

		if (limit->set == POLICY_NONE && policy->tenants[limit->tenant].vni == vni)
			return limit->rate;
	}
	return 0;
}

static bool names(const struct policy_compiled *compiled, const struct policy_limit *limit,
		  const struct in6_addr *addresses, size_t addresses_num, const struct tags *tags)
{
	const struct policy_resolved *resolved = &compiled->resolved;
	const struct policy_resolved_set *set = &resolved->sets[limit->set];

	for (size_t i = 0; i < addresses_num; i++)
		if (has_address(resolved, set, &addresses[i]))
			return true;
	for (uint32_t i = 0; i < set->tests_num && tags; i++)
		if (is_true(compiled->policy, &resolved->tests[set->tests + i], tags))
			return true;
	return false;
}

uint64_t policy_limit_container(const struct policy_compiled *compiled, uint32_t vni,
				const struct in6_addr *addresses, size_t addresses_num,
				const struct tags *tags)
{
	const struct policy *policy = compiled->policy;

	for (uint32_t i = 0; i < policy->limits_num; i++) {
		const struct policy_limit *limit = &policy->limits[i];

		if (limit->set != POLICY_NONE && policy->tenants[limit->tenant].vni == vni &&
		    names(compiled, limit, addresses, addresses_num, tags))
			return limit->rate;
	}
	return 0;
}
