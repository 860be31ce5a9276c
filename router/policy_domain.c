/* SPDX-License-Identifier: MIT */
/* policy_domain.c - which rules of a policy are about which two tenants */
#include "policy_domain.h"

#include <errno.h>
#include <stdlib.h>

static const struct policy_set *set_of(const struct policy *policy, uint32_t n)
{
	return &policy->sets[n];
}

static int compare_domains(const void *a, const void *b)
{
	const struct policy_domain *first = a, *second = b;

	if (first->owner != second->owner)
		return first->owner < second->owner ? -1 : 1;
	if (first->source != second->source)
		return first->source < second->source ? -1 : 1;
	return first->destination < second->destination ? -1 :
	       first->destination > second->destination;
}

/* With tenants for VNIs: its own of a tenant, or the one of a rule */
static struct policy_domain domain_of(const struct policy *policy, uint32_t tenant,
				      const struct policy_rule *rule)
{
	uint32_t source = rule ? set_of(policy, rule->source)->tenant : tenant;
	uint32_t destination = rule ? set_of(policy, rule->destination)->tenant : tenant;

	return (struct policy_domain){
		.owner = policy->tenants[tenant].vni,
		.source = policy->tenants[source].vni,
		.destination = policy->tenants[destination].vni,
		.action = source == destination ? policy->tenants[tenant].action : POLICY_DENY,
	};
}

static bool is_within(const struct policy *policy, const struct policy_rule *rule)
{
	return set_of(policy, rule->source)->tenant == set_of(policy, rule->destination)->tenant;
}

/* One of each tenant, and those that rules between tenants name, sorted */
static int make(struct policy_compiled *compiled)
{
	const struct policy *policy = compiled->policy;
	uint32_t num = policy->tenants_num, kept = 0;
	struct policy_domain *domains;

	for (uint32_t i = 0; i < policy->rules_num; i++)
		num += !is_within(policy, &policy->rules[i]);
	domains = calloc(num + 1u, sizeof(*domains));
	if (!domains)
		return -ENOMEM;
	num = 0;
	for (uint32_t i = 0; i < policy->tenants_num; i++)
		domains[num++] = domain_of(policy, i, NULL);
	for (uint32_t i = 0; i < policy->rules_num; i++)
		if (!is_within(policy, &policy->rules[i]))
			domains[num++] = domain_of(policy, policy->rules[i].tenant, &policy->rules[i]);
	qsort(domains, num, sizeof(*domains), compare_domains);
	for (uint32_t i = 0; i < num; i++)
		if (!kept || compare_domains(&domains[i], &domains[kept - 1]))
			domains[kept++] = domains[i];
	compiled->domains = reallocarray(domains, kept + 1u, sizeof(*domains));
	if (!compiled->domains)
		compiled->domains = domains;
	compiled->domains_num = kept;
	return 0;
}

const struct policy_domain *policy_domain_find(const struct policy_compiled *compiled,
					       uint32_t owner, uint32_t source,
					       uint32_t destination)
{
	struct policy_domain key = {
		.owner = owner, .source = source, .destination = destination,
	};

	if (!compiled->domains_num)
		return NULL;
	return bsearch(&key, compiled->domains, compiled->domains_num, sizeof(key),
		       compare_domains);
}

/* Which rules are whose */
static int deal(struct policy_compiled *compiled, uint32_t *domain_of_rule)
{
	const struct policy *policy = compiled->policy;

	for (uint32_t i = 0; i < policy->rules_num; i++) {
		const struct policy_rule *rule = &policy->rules[i];
		struct policy_domain key = domain_of(policy, rule->tenant, rule);
		const struct policy_domain *domain =
			policy_domain_find(compiled, key.owner, key.source, key.destination);

		domain_of_rule[i] = (uint32_t)(domain - compiled->domains);
		compiled->domains[domain_of_rule[i]].rules_num++;
	}
	for (uint32_t i = 0; i < compiled->domains_num; i++) {
		struct policy_domain *domain = &compiled->domains[i];

		domain->rules = calloc(domain->rules_num + 1u, sizeof(*domain->rules));
		if (!domain->rules)
			return -ENOMEM;
		domain->rules_num = 0;
	}
	for (uint32_t i = 0; i < policy->rules_num; i++) {
		struct policy_domain *domain = &compiled->domains[domain_of_rule[i]];

		domain->rules[domain->rules_num++] = i;
	}
	return 0;
}

int policy_domains_make(struct policy_compiled *compiled)
{
	uint32_t *domain_of_rule = calloc(compiled->policy->rules_num + 1u, sizeof(*domain_of_rule));
	int err = domain_of_rule ? make(compiled) : -ENOMEM;

	if (!err)
		err = deal(compiled, domain_of_rule);
	free(domain_of_rule);
	return err;
}
