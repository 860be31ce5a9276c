// SPDX-License-Identifier: GPL-2.0-only
/* force.c - the policy that is in force on a host */
#include "force.h"

#include <linux/bsearch.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "../core/classifier.h"

static void *block_alloc(size_t size)
{
	return size > INT_MAX ? NULL : kvmalloc(size, GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
}

static void block_free(void *block)
{
	kvfree(block);
}

const struct classifier_allocator force_allocator = { block_alloc, block_free };

/* --- policies --- */

struct policy *policy_alloc(u32 domains_num, u32 rules_num)
{
	struct policy *policy = kzalloc(sizeof(*policy), GFP_KERNEL_ACCOUNT);

	if (!policy)
		return NULL;
	refcount_set(&policy->users, 1);
	policy->domains = kvcalloc(domains_num, sizeof(*policy->domains), GFP_KERNEL_ACCOUNT);
	policy->rules = kvcalloc(rules_num, sizeof(*policy->rules), GFP_KERNEL_ACCOUNT);
	if ((domains_num && !policy->domains) || (rules_num && !policy->rules)) {
		policy_put(policy);
		return NULL;
	}
	policy->domains_num = domains_num;
	policy->rules_num = rules_num;
	policy->size = domains_num * sizeof(*policy->domains) + rules_num * sizeof(*policy->rules);
	return policy;
}

void policy_put(struct policy *policy)
{
	u32 i;

	if (!policy || !refcount_dec_and_test(&policy->users))
		return;
	for (i = 0; i < policy->domains_num; i++)
		classifier_free(policy->domains[i].classifier, &force_allocator);
	kvfree(policy->domains);
	kvfree(policy->rules);
	kfree(policy);
}

struct force *force_alloc(u64 generation, struct policy *policy)
{
	struct force *force = kzalloc(sizeof(*force), GFP_KERNEL_ACCOUNT);
	u32 num = policy ? policy->domains_num : 0;

	if (!force) {
		policy_put(policy);
		return NULL;
	}
	force->generation = generation;
	force->policy = policy;
	force->members = kvcalloc(num + 1, sizeof(*force->members), GFP_KERNEL_ACCOUNT);
	if (force->members)
		return force;
	force_free(force);
	return NULL;
}

void force_free(struct force *force)
{
	u32 i;

	if (!force)
		return;
	for (i = 0; force->members && force->policy && i < force->policy->domains_num; i++)
		classifier_members_free(force->members[i], &force_allocator);
	kvfree(force->members);
	policy_put(force->policy);
	kfree(force);
}

size_t force_size(const struct force *force)
{
	size_t size = sizeof(*force);
	struct classifier_stats stats;
	u32 i;

	if (!force->policy)
		return size;
	size += force->policy->size;
	for (i = 0; i < force->policy->domains_num; i++) {
		if (force->policy->domains[i].classifier) {
			classifier_stats(force->policy->domains[i].classifier, &stats);
			size += stats.size;
		}
		if (force->members[i])
			size += classifier_members_size(force->members[i]);
	}
	return size;
}

/* --- asking --- */

static int domain_compare(const void *key, const void *element)
{
	const struct domain *a = key, *b = element;

	if (a->owner != b->owner)
		return a->owner < b->owner ? -1 : 1;
	if (a->source != b->source)
		return a->source < b->source ? -1 : 1;
	return a->destination < b->destination ? -1 : a->destination > b->destination;
}

static const struct domain *domain_find(const struct policy *policy, u32 owner,
					const struct slim_question *question)
{
	const struct domain key = {
		.owner = owner,
		.source = question->source_vni,
		.destination = question->destination_vni,
	};

	return bsearch(&key, policy->domains, policy->domains_num, sizeof(key), domain_compare);
}

static void domain_ask(const struct force *force, const struct domain *domain,
		       const struct slim_question *question, struct verdict *verdict)
{
	struct classifier_question asked = { .service = question->service };
	u32 n = CLASSIFIER_NONE;

	memcpy(asked.src, question->source, sizeof(asked.src));
	memcpy(asked.dst, question->destination, sizeof(asked.dst));
	if (domain->classifier)
		n = classifier_lookup(domain->classifier,
				      force->members[domain - force->policy->domains], &asked);
	verdict->rule = n == CLASSIFIER_NONE ? NULL : &domain->rules[n];
	verdict->allowed = verdict->rule ? verdict->rule->allow : domain->allow;
}

/* Both have to say so: the source's is asked first. */
static void ask_between(const struct force *force, const struct slim_question *question,
			struct verdict *verdict)
{
	const struct domain *first, *second;
	struct verdict other = { };

	verdict->allowed = false;
	first = domain_find(force->policy, question->source_vni, question);
	second = domain_find(force->policy, question->destination_vni, question);
	if (!first || !second)
		return;
	domain_ask(force, first, question, verdict);
	domain_ask(force, second, question, &other);
	if (verdict->allowed && other.allowed)
		verdict->second = other.rule;
	else if (verdict->allowed)
		*verdict = other;
}

void force_ask(const struct force *force, const struct slim_question *question,
	       struct verdict *verdict)
{
	bool within = question->source_vni == question->destination_vni;
	const struct domain *domain;

	*verdict = (struct verdict){ .allowed = within };
	if (!force)
		return;
	if (force->closed) {
		verdict->allowed = false;
	} else if (force->policy && within) {
		domain = domain_find(force->policy, question->source_vni, question);
		if (domain)
			domain_ask(force, domain, question, verdict);
	} else if (force->policy) {
		ask_between(force, question, verdict);
	}
}

void verdict_count(const struct verdict *verdict)
{
	if (verdict->rule)
		atomic64_inc(&verdict->rule->hits);
	if (verdict->second)
		atomic64_inc(&verdict->second->hits);
}

struct slim_shape verdict_shape(const struct verdict *verdict)
{
	return verdict->rule ? verdict->rule->shape : (struct slim_shape){ };
}
