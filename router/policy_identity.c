/* SPDX-License-Identifier: MIT */
/* policy_identity.c - which rule of a policy is the same as one of another policy */
#include "policy_identity.h"

#include <string.h>

#include "endpoint.h"

/* @more: bytes without padding */
static unsigned long add(unsigned long hash, const void *more, size_t len)
{
	return hash_bytes(more, len, hash);
}

static unsigned long add_number(unsigned long hash, uint32_t number)
{
	return add(hash, &number, sizeof(number));
}

/* With its final zero, so that no two texts run into one */
static unsigned long add_text(unsigned long hash, const struct policy *policy, uint32_t string)
{
	const char *text = policy_string(policy, string);

	return add(hash, text, strlen(text) + 1);
}

static unsigned long add_member(unsigned long hash, const struct policy *policy,
				const struct policy_member *member)
{
	hash = add_number(hash, member->type);
	switch (member->type) {
	case POLICY_MEMBER_RANGE:
		hash = add(hash, &member->range.first, sizeof(member->range.first));
		return add(hash, &member->range.last, sizeof(member->range.last));
	case POLICY_MEMBER_GROUP:
		return add_text(hash, policy, policy->groups[member->group].name);
	case POLICY_MEMBER_CONTAINER:
		return add_text(hash, policy, member->text.name);
	case POLICY_MEMBER_LABEL:
		hash = add_text(hash, policy, member->text.name);
		return add_text(hash, policy, member->text.value);
	default:
		return hash;
	}
}

static unsigned long add_set(unsigned long hash, const struct policy *policy, uint32_t n)
{
	const struct policy_set *set = &policy->sets[n];

	hash = add_number(hash, policy->tenants[set->tenant].vni);
	hash = add_number(hash, set->num);
	for (uint32_t i = 0; i < set->num; i++)
		hash = add_member(hash, policy, &policy->members[set->first + i]);
	return hash;
}

uint64_t policy_identity_of(const struct policy *policy, const struct policy_rule *rule)
{
	unsigned long hash = add_number(0, policy->tenants[rule->tenant].vni);

	hash = add_number(hash, rule->protocol);
	hash = add_set(hash, policy, rule->source);
	hash = add_set(hash, policy, rule->destination);
	for (uint32_t i = rule->ports; i < rule->ports + rule->ports_num; i++) {
		hash = add_number(hash, policy->ports[i].first);
		hash = add_number(hash, policy->ports[i].last);
	}
	return hash ? hash : 1;
}
