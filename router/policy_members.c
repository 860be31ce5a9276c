/* SPDX-License-Identifier: MIT */
/* policy_members.c - which addresses belong to the names and labels that a policy speaks of */
#include "policy_members.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <urcu.h>

#include "directory.h"
#include "policy_uses.h"
#include "tags.h"

static const struct classifier_allocator allocator = { malloc, free };

/* An address in a dynamic set */
struct member {
	uint32_t domain, set;
	struct in6_addr addr;
};

struct gathering {
	const struct policy_compiled *compiled;
	struct member *members;
	size_t num, max;
	/* Of the container that is being looked at */
	uint32_t vni;
	const struct in6_addr *addr;
	int error;
};

/* --- gathering --- */

static void add(struct gathering *gathering, const struct policy_use *use)
{
	if (gathering->num == gathering->max) {
		size_t more = gathering->max ? gathering->max * 2 : 256;
		struct member *bigger = reallocarray(gathering->members, more, sizeof(*bigger));

		if (!bigger) {
			gathering->error = -ENOMEM;
			return;
		}
		gathering->members = bigger;
		gathering->max = more;
	}
	gathering->members[gathering->num++] = (struct member){
		use->domain, use->set, *gathering->addr,
	};
}

static void add_all(struct gathering *gathering, const char *name, const char *value)
{
	const struct policy_use *use;
	uint32_t num;

	use = policy_uses_find(gathering->compiled, gathering->vni, name, value, &num);
	while (num-- && !gathering->error)
		add(gathering, use++);
}

static void take_label(const char *key, const char *value, void *data)
{
	add_all(data, key, value);
}

static void take_container(uint32_t vni, const struct tags *tags, const struct in6_addr *addr,
			   void *data)
{
	struct gathering *gathering = data;

	gathering->vni = vni;
	gathering->addr = addr;
	add_all(gathering, tags_name(tags), NULL);
	tags_each(tags, take_label, gathering);
}

static int compare_members(const void *a, const void *b)
{
	const struct member *first = a, *second = b;

	if (first->domain != second->domain)
		return first->domain < second->domain ? -1 : 1;
	return first->set < second->set ? -1 : first->set > second->set;
}

/* --- sets of a domain --- */

/* Those of @set from *@members on, which moves on; as ranges at @ranges */
static uint32_t take_ranges(const struct policy_resolved *resolved, uint32_t policy_set,
			    uint32_t domain, uint32_t set, const struct member **members,
			    const struct member *end, struct classifier_range *ranges)
{
	const struct policy_resolved_set *fixed = &resolved->sets[policy_set];
	uint32_t num = fixed->ranges_num;

	if (num)
		memcpy(ranges, resolved->ranges + fixed->ranges, num * sizeof(*ranges));
	for (; *members < end && (*members)->domain == domain && (*members)->set == set;
	     ++*members, num++) {
		memcpy(ranges[num].first, &(*members)->addr, sizeof(ranges[num].first));
		memcpy(ranges[num].last, &(*members)->addr, sizeof(ranges[num].last));
	}
	return num;
}

/* The most ranges that the domain's dynamic sets have */
static size_t count_ranges(const struct policy_compiled *compiled, uint32_t domain,
			   const struct member *members, const struct member *end)
{
	const struct policy_domain *d = &compiled->domains[domain];
	size_t num = 0;

	for (uint32_t i = 0; i < d->dynamic_num; i++)
		num += compiled->resolved.sets[d->dynamic[i]].ranges_num;
	while (members < end && members->domain == domain) {
		num++;
		members++;
	}
	return num;
}

/* @members: those of the domain and of later ones; moves on */
static int take_domain(const struct policy_compiled *compiled, uint32_t domain,
		       const struct member **members, const struct member *end,
		       policy_members_take *take, void *data)
{
	const struct policy_domain *d = &compiled->domains[domain];
	size_t max = count_ranges(compiled, domain, *members, end);
	struct classifier_range *ranges = calloc(max + 1, sizeof(*ranges)), *at = ranges;
	struct classifier_set *sets = calloc(d->dynamic_num, sizeof(*sets));
	int err = -ENOMEM;

	for (uint32_t i = 0; i < d->dynamic_num && ranges && sets; i++) {
		sets[i].ranges = at;
		sets[i].ranges_num = take_ranges(&compiled->resolved, d->dynamic[i], domain, i,
						 members, end, at);
		at += sets[i].ranges_num;
	}
	if (ranges && sets)
		err = take(domain, sets, data);
	free(ranges);
	free(sets);
	return err;
}

int policy_members_each(const struct policy_compiled *compiled, policy_members_take *take,
			void *data)
{
	struct gathering gathering = { .compiled = compiled };
	const struct member *at, *end;

	if (compiled->uses_num) {
		rcu_read_lock();
		directory_each_tagged(take_container, &gathering);
		rcu_read_unlock();
	}
	if (gathering.num)
		qsort(gathering.members, gathering.num, sizeof(*gathering.members),
		      compare_members);
	at = gathering.members;
	end = at + gathering.num;
	for (uint32_t i = 0; i < compiled->domains_num && !gathering.error; i++)
		if (compiled->domains[i].dynamic_num)
			gathering.error = take_domain(compiled, i, &at, end, take, data);
	free(gathering.members);
	return gathering.error;
}

struct building {
	const struct policy_compiled *compiled;
	struct policy_members *members;
};

static int build_domain(uint32_t domain, const struct classifier_set *sets, void *data)
{
	struct building *building = data;

	return classifier_members_build(building->compiled->domains[domain].classifier, sets,
					&allocator, &building->members->of[domain]);
}

int policy_members_build(const struct policy_compiled *compiled, struct policy_members **out)
{
	struct policy_members *members =
		calloc(1, sizeof(*members) + compiled->domains_num * sizeof(members->of[0]));
	struct building building = { compiled, members };
	int err;

	*out = NULL;
	if (!members)
		return -ENOMEM;
	members->num = compiled->domains_num;
	err = policy_members_each(compiled, build_domain, &building);
	if (err)
		policy_members_free(members);
	else
		*out = members;
	return err;
}

void policy_members_free(struct policy_members *members)
{
	if (!members)
		return;
	for (uint32_t i = 0; i < members->num; i++)
		classifier_members_free(members->of[i], &allocator);
	free(members);
}

bool policy_members_matter(const struct policy_compiled *compiled, uint32_t vni)
{
	uint32_t low = 0, high = compiled->uses_num;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (compiled->uses[middle].vni < vni)
			low = middle + 1;
		else
			high = middle;
	}
	return low < compiled->uses_num && compiled->uses[low].vni == vni;
}
