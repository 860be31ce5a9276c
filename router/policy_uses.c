/* SPDX-License-Identifier: MIT */
/* policy_uses.c - which dynamic sets hold a container of some name or label */
#include "policy_uses.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* @value: NULL, which comes first, for a name */
static int compare_texts(uint32_t vni, const char *name, const char *value, uint32_t other_vni,
			 const char *other_name, const char *other_value)
{
	int order;

	if (vni != other_vni)
		return vni < other_vni ? -1 : 1;
	if (!value != !other_value)
		return value ? 1 : -1;
	order = strcmp(name, other_name);
	return order || !value ? order : strcmp(value, other_value);
}

static const char *value_of(const struct policy *policy, const struct policy_use *use)
{
	return use->test.value == POLICY_NONE ? NULL : policy_string(policy, use->test.value);
}

static int compare_uses(const void *a, const void *b, void *data)
{
	const struct policy_use *first = a, *second = b;
	const struct policy *policy = data;

	return compare_texts(first->vni, policy_string(policy, first->test.name),
			     value_of(policy, first), second->vni,
			     policy_string(policy, second->test.name), value_of(policy, second));
}

static uint64_t count_uses(const struct policy_compiled *compiled)
{
	uint64_t num = 0;

	for (uint32_t i = 0; i < compiled->domains_num; i++)
		for (uint32_t j = 0; j < compiled->domains[i].dynamic_num; j++)
			num += compiled->resolved.sets[compiled->domains[i].dynamic[j]].tests_num;
	return num;
}

static void add_uses(struct policy_compiled *compiled, uint32_t domain, uint32_t number)
{
	const struct policy *policy = compiled->policy;
	uint32_t n = compiled->domains[domain].dynamic[number];
	const struct policy_resolved_set *set = &compiled->resolved.sets[n];

	for (uint32_t i = 0; i < set->tests_num; i++)
		compiled->uses[compiled->uses_num++] = (struct policy_use){
			.vni = policy->tenants[policy->sets[n].tenant].vni,
			.test = compiled->resolved.tests[set->tests + i],
			.domain = domain,
			.set = number,
		};
}

int policy_uses_make(struct policy_compiled *compiled)
{
	uint64_t num = count_uses(compiled);

	if (num > CLASSIFIER_RANGES_MAX)
		return -E2BIG;
	compiled->uses = calloc(num + 1, sizeof(*compiled->uses));
	if (!compiled->uses)
		return -ENOMEM;
	for (uint32_t i = 0; i < compiled->domains_num; i++)
		for (uint32_t j = 0; j < compiled->domains[i].dynamic_num; j++)
			add_uses(compiled, i, j);
	qsort_r(compiled->uses, compiled->uses_num, sizeof(*compiled->uses), compare_uses,
		compiled->policy);
	return 0;
}

const struct policy_use *policy_uses_find(const struct policy_compiled *compiled, uint32_t vni,
					  const char *name, const char *value, uint32_t *num)
{
	const struct policy *policy = compiled->policy;
	uint32_t low = 0, high = compiled->uses_num, end;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		const struct policy_use *use = &compiled->uses[middle];

		if (compare_texts(use->vni, policy_string(policy, use->test.name),
				  value_of(policy, use), vni, name, value) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (end = low; end < compiled->uses_num; end++) {
		const struct policy_use *use = &compiled->uses[end];

		if (compare_texts(use->vni, policy_string(policy, use->test.name),
				  value_of(policy, use), vni, name, value))
			break;
	}
	*num = end - low;
	return compiled->uses + low;
}
