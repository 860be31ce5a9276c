/* SPDX-License-Identifier: MIT */
/* policy_build.c - a policy that grows while it is read */
#include "policy_build.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "endpoint.h"

#define INDEX_SIZE	256	/* to begin with */

/* Makes room for @more in an array that grows at powers of two. */
static bool grow(struct policy_build *build, void **array, uint32_t num, uint32_t more, size_t size)
{
	size_t room = 1;
	void *bigger;

	while (room < num)
		room *= 2;
	if (num && num + more <= room)
		return true;
	while (room < (size_t)num + more)
		room *= 2;
	bigger = room <= POLICY_NONE ? reallocarray(*array, room, size) : NULL;
	if (!bigger) {
		build->no_memory = true;
		return false;
	}
	*array = bigger;
	return true;
}

#define GROW(build, array, num, more)	\
	grow(build, (void **)&(array), num, more, sizeof(*(array)))

/* --- finding what is there --- */

static int index_resize(struct policy_index *index, uint32_t size)
{
	struct policy_slot *slots = malloc(size * sizeof(*slots));

	if (!slots)
		return -ENOMEM;
	memset(slots, 0xff, size * sizeof(*slots));
	for (uint32_t i = 0; i < index->size; i++) {
		uint32_t at = index->slots[i].hash;

		if (index->slots[i].number == POLICY_NONE)
			continue;
		while (slots[at & (size - 1)].number != POLICY_NONE)
			at++;
		slots[at & (size - 1)] = index->slots[i];
	}
	free(index->slots);
	index->slots = slots;
	index->size = size;
	return 0;
}

/* A slot for one more: it is the caller's to look through them. */
static bool index_room(struct policy_build *build, struct policy_index *index)
{
	if (index->num < index->size / 2)
		return true;
	if (index_resize(index, index->size * 2)) {
		build->no_memory = true;
		return false;
	}
	return true;
}

/*
 * The next number of that hash, from slot *@at on, which moves on behind it; POLICY_NONE: there is
 * none, and *@at is free.
 */
static uint32_t index_next(const struct policy_index *index, uint32_t hash, uint32_t *at)
{
	for (;; ++*at) {
		const struct policy_slot *slot = &index->slots[*at & (index->size - 1)];

		if (slot->number == POLICY_NONE)
			return POLICY_NONE;
		if (slot->hash != hash)
			continue;
		++*at;
		return slot->number;
	}
}

static void index_put(struct policy_index *index, uint32_t hash, uint32_t at, uint32_t number)
{
	index->slots[at & (index->size - 1)] = (struct policy_slot){ hash, number };
	index->num++;
}

/* --- adding --- */

uint32_t policy_build_string(struct policy_build *build, const char *text, size_t len)
{
	struct policy *policy = build->policy;
	struct policy_index *index = &build->strings;
	uint32_t hash = (uint32_t)hash_bytes(text, len, 0), at = hash, n;

	if (!index_room(build, index))
		return POLICY_NONE;
	while ((n = index_next(index, hash, &at)) != POLICY_NONE)
		if (!strncmp(policy->strings + n, text, len) && !policy->strings[n + len])
			return n;
	if (!GROW(build, policy->strings, policy->strings_len, (uint32_t)len + 1))
		return POLICY_NONE;
	n = policy->strings_len;
	memcpy(policy->strings + n, text, len);
	policy->strings[n + len] = '\0';
	policy->strings_len += (uint32_t)len + 1;
	index_put(index, hash, at, n);
	return n;
}

uint32_t policy_build_tenant(struct policy_build *build, uint32_t name, uint32_t vni)
{
	struct policy *policy = build->policy;
	struct policy_index *index = &build->tenants;
	uint32_t hash = (uint32_t)hash_bytes(&name, sizeof(name), 0), at = hash, n;

	if (!index_room(build, index))
		return POLICY_NONE;
	while ((n = index_next(index, hash, &at)) != POLICY_NONE)
		if (policy->tenants[n].name == name)
			return n;
	if (!GROW(build, policy->tenants, policy->tenants_num, 1))
		return POLICY_NONE;
	n = policy->tenants_num++;
	policy->tenants[n] = (struct policy_tenant){
		.name = name,
		.vni = vni,
		.action = POLICY_ALLOW,
	};
	index_put(index, hash, at, n);
	return n;
}

uint32_t policy_build_group(struct policy_build *build, uint32_t tenant, uint32_t name,
			    const struct policy_place *place)
{
	struct policy *policy = build->policy;
	struct policy_index *index = &build->groups;
	uint32_t n, key[] = { tenant, name };
	uint32_t hash = (uint32_t)hash_bytes(key, sizeof(key), 0), at = hash;

	if (!index_room(build, index))
		return POLICY_NONE;
	while ((n = index_next(index, hash, &at)) != POLICY_NONE)
		if (policy->groups[n].tenant == tenant && policy->groups[n].name == name)
			return n;
	if (!GROW(build, policy->groups, policy->groups_num, 1))
		return POLICY_NONE;
	n = policy->groups_num++;
	policy->groups[n] = (struct policy_group){
		.tenant = tenant,
		.name = name,
		.set = POLICY_NONE,
		.place = *place,
	};
	index_put(index, hash, at, n);
	return n;
}

void policy_build_set_open(struct policy_build *build)
{
	build->set_first = build->policy->members_num;
}

void policy_build_member(struct policy_build *build, const struct policy_member *member)
{
	struct policy *policy = build->policy;

	if (GROW(build, policy->members, policy->members_num, 1))
		policy->members[policy->members_num++] = *member;
}

static bool set_is(const struct policy *policy, uint32_t n, uint32_t tenant, uint32_t first,
		   uint32_t num)
{
	const struct policy_set *set = &policy->sets[n];

	return set->tenant == tenant && set->num == num &&
	       !memcmp(policy->members + set->first, policy->members + first,
		       num * sizeof(*policy->members));
}

uint32_t policy_build_set_close(struct policy_build *build, uint32_t tenant)
{
	struct policy *policy = build->policy;
	struct policy_index *index = &build->sets;
	uint32_t n, first = build->set_first, num = policy->members_num - first;
	uint32_t hash = (uint32_t)hash_bytes(policy->members + first,
					     num * sizeof(*policy->members), tenant);
	uint32_t at = hash;

	if (!index_room(build, index))
		return POLICY_NONE;
	while ((n = index_next(index, hash, &at)) != POLICY_NONE) {
		if (set_is(policy, n, tenant, first, num)) {
			policy->members_num = first;
			return n;
		}
	}
	if (!GROW(build, policy->sets, policy->sets_num, 1))
		return POLICY_NONE;
	n = policy->sets_num++;
	policy->sets[n] = (struct policy_set){ .tenant = tenant, .first = first, .num = num };
	index_put(index, hash, at, n);
	return n;
}

void policy_build_ports(struct policy_build *build, struct policy_rule *rule,
			const struct policy_ports *ports)
{
	struct policy *policy = build->policy;

	if (!GROW(build, policy->ports, policy->ports_num, 1))
		return;
	if (!rule->ports_num)
		rule->ports = policy->ports_num;
	policy->ports[policy->ports_num++] = *ports;
	rule->ports_num++;
}

void policy_build_rule(struct policy_build *build, const struct policy_rule *rule)
{
	struct policy *policy = build->policy;

	if (GROW(build, policy->rules, policy->rules_num, 1))
		policy->rules[policy->rules_num++] = *rule;
}

void policy_build_limit(struct policy_build *build, const struct policy_limit *limit)
{
	struct policy *policy = build->policy;

	if (GROW(build, policy->limits, policy->limits_num, 1))
		policy->limits[policy->limits_num++] = *limit;
}

/* --- beginning and end --- */

int policy_build_init(struct policy_build *build)
{
	memset(build, 0, sizeof(*build));
	build->policy = calloc(1, sizeof(*build->policy));
	if (!build->policy)
		return -ENOMEM;
	if (index_resize(&build->strings, INDEX_SIZE) ||
	    index_resize(&build->tenants, INDEX_SIZE) ||
	    index_resize(&build->sets, INDEX_SIZE) ||
	    index_resize(&build->groups, INDEX_SIZE)) {
		policy_build_exit(build);
		policy_free(build->policy);
		return -ENOMEM;
	}
	return 0;
}

void policy_build_exit(struct policy_build *build)
{
	free(build->strings.slots);
	free(build->tenants.slots);
	free(build->sets.slots);
	free(build->groups.slots);
}
