/* SPDX-License-Identifier: MIT */
/* policy_compile.c - a policy as it is asked: classifiers */
#include "policy_compile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "endpoint.h"
#include "policy_identity.h"

static const struct classifier_allocator allocator = { malloc, free };

static const struct classifier_interval all_services[] = {
	[POLICY_PROTOCOL_ANY] = { 0, CLASSIFIER_SERVICE_MAX },
	[POLICY_PROTOCOL_TCP] = { CLASSIFIER_SERVICE(CLASSIFIER_TCP, 0),
				  CLASSIFIER_SERVICE(CLASSIFIER_TCP, 0xffff) },
	[POLICY_PROTOCOL_UDP] = { CLASSIFIER_SERVICE(CLASSIFIER_UDP, 0),
				  CLASSIFIER_SERVICE(CLASSIFIER_UDP, 0xffff) },
	[POLICY_PROTOCOL_ICMP] = { CLASSIFIER_SERVICE(CLASSIFIER_ICMP, 0),
				   CLASSIFIER_SERVICE(CLASSIFIER_ICMP, 0xffff) },
};

/*
 * @domain_of:	of each of the policy's rules
 * @rule_num:	what there are of each domain
 * @number_of:	of each of the policy's sets its number in the domain that is being made
 * @services:	of each of the policy's ports, in the place of those
 */
struct work {
	struct policy_compiled *compiled;
	uint32_t *domain_of;
	uint32_t *number_of;
	struct classifier_interval *services;
	struct classifier_set *sets;
	struct classifier_rule *rules;
};

static const struct policy_set *set_of(const struct policy *policy, uint32_t n)
{
	return &policy->sets[n];
}

/* --- domains --- */

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

static int domain_add(struct policy_compiled *compiled, const struct policy_domain *domain)
{
	struct policy_domain *bigger = reallocarray(compiled->domains, compiled->domains_num + 1u,
						    sizeof(*bigger));

	if (!bigger)
		return -ENOMEM;
	compiled->domains = bigger;
	compiled->domains[compiled->domains_num++] = *domain;
	return 0;
}

static bool is_within(const struct policy *policy, const struct policy_rule *rule)
{
	return set_of(policy, rule->source)->tenant == set_of(policy, rule->destination)->tenant;
}

/* One of each tenant, and those that rules between tenants name, sorted */
static int make_domains(struct policy_compiled *compiled)
{
	const struct policy *policy = compiled->policy;
	struct policy_domain domain;
	int err = 0;

	for (uint32_t i = 0; i < policy->tenants_num && !err; i++) {
		domain = domain_of(policy, i, NULL);
		err = domain_add(compiled, &domain);
	}
	for (uint32_t i = 0; i < policy->rules_num && !err; i++) {
		if (is_within(policy, &policy->rules[i]))
			continue;
		domain = domain_of(policy, policy->rules[i].tenant, &policy->rules[i]);
		for (uint32_t j = policy->tenants_num; j < compiled->domains_num; j++)
			if (!compare_domains(&compiled->domains[j], &domain))
				goto there;
		err = domain_add(compiled, &domain);
there:;
	}
	if (compiled->domains_num)
		qsort(compiled->domains, compiled->domains_num, sizeof(*compiled->domains),
		      compare_domains);
	return err;
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

/* --- one domain --- */

static void make_services(struct work *work)
{
	const struct policy *policy = work->compiled->policy;

	for (uint32_t i = 0; i < policy->rules_num; i++) {
		const struct policy_rule *rule = &policy->rules[i];
		uint32_t protocol = all_services[rule->protocol].first >> 16;

		for (uint32_t j = rule->ports; j < rule->ports + rule->ports_num; j++)
			work->services[j] = (struct classifier_interval){
				CLASSIFIER_SERVICE(protocol, policy->ports[j].first),
				CLASSIFIER_SERVICE(protocol, policy->ports[j].last),
			};
	}
}

/* The set's number, a new one if it has none yet; those that are not @dynamic are left alone. */
static void number_set(struct work *work, struct policy_domain *domain, uint32_t set,
		       bool dynamic, uint32_t *num)
{
	const struct policy_resolved *resolved = &work->compiled->resolved;

	if (work->number_of[set] != POLICY_NONE ||
	    (resolved->sets[set].tests_num > 0) != dynamic)
		return;
	work->number_of[set] = *num;
	work->sets[*num] = (struct classifier_set){
		resolved->ranges + resolved->sets[set].ranges, resolved->sets[set].ranges_num,
	};
	if (dynamic)
		domain->dynamic[domain->dynamic_num++] = set;
	++*num;
}

/* Dynamic ones come first. Returns how many there are. */
static uint32_t number_sets(struct work *work, struct policy_domain *domain)
{
	const struct policy *policy = work->compiled->policy;
	uint32_t num = 0;

	memset(work->number_of, 0xff, policy->sets_num * sizeof(*work->number_of));
	for (int dynamic = 1; dynamic >= 0; dynamic--)
		for (uint32_t i = 0; i < domain->rules_num; i++) {
			const struct policy_rule *rule = &policy->rules[domain->rules[i]];

			number_set(work, domain, rule->source, dynamic, &num);
			number_set(work, domain, rule->destination, dynamic, &num);
		}
	return num;
}

static void make_rules(struct work *work, const struct policy_domain *domain)
{
	const struct policy *policy = work->compiled->policy;

	for (uint32_t i = 0; i < domain->rules_num; i++) {
		const struct policy_rule *rule = &policy->rules[domain->rules[i]];

		work->rules[i] = (struct classifier_rule){
			.src = work->number_of[rule->source],
			.dst = work->number_of[rule->destination],
			.services = rule->ports_num ? work->services + rule->ports :
						      &all_services[rule->protocol],
			.services_num = rule->ports_num ? rule->ports_num : 1,
		};
	}
}

static int make_domain(struct work *work, struct policy_domain *domain)
{
	struct classifier_policy policy = { .sets = work->sets, .rules = work->rules };
	uint32_t *smaller;

	if (!domain->rules_num)
		return 0;
	domain->dynamic = calloc(2u * domain->rules_num, sizeof(*domain->dynamic));
	if (!domain->dynamic)
		return -ENOMEM;
	policy.sets_num = number_sets(work, domain);
	policy.dynamic_num = domain->dynamic_num;
	policy.rules_num = domain->rules_num;
	make_rules(work, domain);
	smaller = realloc(domain->dynamic, (domain->dynamic_num + 1u) * sizeof(*smaller));
	if (smaller)
		domain->dynamic = smaller;
	return classifier_build(&policy, &allocator, &domain->classifier);
}

/* Which rules are whose */
static int deal_rules(struct work *work)
{
	struct policy_compiled *compiled = work->compiled;
	const struct policy *policy = compiled->policy;

	for (uint32_t i = 0; i < policy->rules_num; i++) {
		const struct policy_rule *rule = &policy->rules[i];
		struct policy_domain key = domain_of(policy, rule->tenant, rule);
		const struct policy_domain *domain =
			policy_domain_find(compiled, key.owner, key.source, key.destination);

		work->domain_of[i] = (uint32_t)(domain - compiled->domains);
		compiled->domains[work->domain_of[i]].rules_num++;
	}
	for (uint32_t i = 0; i < compiled->domains_num; i++) {
		struct policy_domain *domain = &compiled->domains[i];

		domain->rules = calloc(domain->rules_num + 1u, sizeof(*domain->rules));
		if (!domain->rules)
			return -ENOMEM;
		domain->rules_num = 0;
	}
	for (uint32_t i = 0; i < policy->rules_num; i++) {
		struct policy_domain *domain = &compiled->domains[work->domain_of[i]];

		domain->rules[domain->rules_num++] = i;
	}
	return 0;
}

static int make_classifiers(struct policy_compiled *compiled)
{
	const struct policy *policy = compiled->policy;
	struct work work = {
		.compiled = compiled,
		.domain_of = calloc(policy->rules_num + 1u, sizeof(*work.domain_of)),
		.number_of = calloc(policy->sets_num + 1u, sizeof(*work.number_of)),
		.services = calloc(policy->ports_num + 1u, sizeof(*work.services)),
		.sets = calloc(policy->sets_num + 1u, sizeof(*work.sets)),
		.rules = calloc(policy->rules_num + 1u, sizeof(*work.rules)),
	};
	int err = -ENOMEM;

	if (work.domain_of && work.number_of && work.services && work.sets && work.rules) {
		make_services(&work);
		err = deal_rules(&work);
	}
	for (uint32_t i = 0; i < compiled->domains_num && !err; i++)
		err = make_domain(&work, &compiled->domains[i]);
	free(work.domain_of);
	free(work.number_of);
	free(work.services);
	free(work.sets);
	free(work.rules);
	return err;
}

/* --- uses --- */

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

static int make_uses(struct policy_compiled *compiled)
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

/* --- from tenant to tenant --- */

/* Both tenants' rules may name the two. */
static bool is_crossing(const struct policy_compiled *compiled, const struct policy_domain *domain)
{
	return domain->source != domain->destination &&
	       (domain->owner == domain->source ||
		!policy_domain_find(compiled, domain->source, domain->source, domain->destination));
}

static int make_crossings(struct policy_compiled *compiled, const struct config *config)
{
	compiled->crossings = calloc(compiled->domains_num + 1u, sizeof(*compiled->crossings));
	if (!compiled->crossings)
		return -ENOMEM;
	for (uint32_t i = 0; config && i < compiled->domains_num; i++) {
		const struct policy_domain *domain = &compiled->domains[i];
		const struct config_tenant *to = config_tenant_by_vni(config, domain->destination);
		uint32_t hashed[] = { compiled->crossing_stamp, domain->source, domain->destination };

		if (!to || !is_crossing(compiled, domain))
			continue;
		compiled->crossings[compiled->crossings_num++] =
			(struct policy_crossing){ domain->source, to };
		compiled->crossing_stamp = (uint32_t)hash_bytes(hashed, sizeof(hashed), 0) | 1;
	}
	return 0;
}

/* --- limits --- */

static bool has_limits(const struct policy_rule *rule)
{
	return rule->action == POLICY_ALLOW && (rule->connections || rule->setups);
}

static int make_quotas(struct policy_compiled *compiled)
{
	const struct policy *policy = compiled->policy;

	for (uint32_t i = 0; i < policy->rules_num; i++) {
		if (!has_limits(&policy->rules[i]))
			continue;
		if (!compiled->quotas)
			compiled->quotas = calloc(policy->rules_num, sizeof(*compiled->quotas));
		if (!compiled->quotas)
			return -ENOMEM;
		compiled->quotas[i] = policy_identity_of(policy, &policy->rules[i]);
	}
	return 0;
}

/* --- all of it --- */

struct policy_compiled *policy_compile(struct policy *policy, const struct config *config,
				       int *error)
{
	struct policy_compiled *compiled = calloc(1, sizeof(*compiled));

	*error = -ENOMEM;
	if (!compiled)
		return NULL;
	compiled->users = 1;
	compiled->policy = policy;
	compiled->hits = calloc(policy->rules_num + 1u, sizeof(*compiled->hits));
	if (compiled->hits)
		*error = policy_resolve(&compiled->resolved, policy, config);
	if (!*error)
		*error = make_domains(compiled);
	if (!*error)
		*error = make_classifiers(compiled);
	if (!*error)
		*error = make_uses(compiled);
	if (!*error)
		*error = make_crossings(compiled, config);
	if (!*error)
		*error = make_quotas(compiled);
	if (!*error)
		return compiled;
	compiled->policy = NULL;
	policy_compiled_put(compiled);
	return NULL;
}

void policy_compiled_get(struct policy_compiled *compiled)
{
	__atomic_fetch_add(&compiled->users, 1, __ATOMIC_RELAXED);
}

void policy_compiled_put(struct policy_compiled *compiled)
{
	if (!compiled || __atomic_sub_fetch(&compiled->users, 1, __ATOMIC_ACQ_REL))
		return;
	for (uint32_t i = 0; i < compiled->domains_num; i++) {
		classifier_free(compiled->domains[i].classifier, &allocator);
		free(compiled->domains[i].rules);
		free(compiled->domains[i].dynamic);
	}
	free(compiled->domains);
	free(compiled->uses);
	free(compiled->hits);
	free(compiled->crossings);
	free(compiled->quotas);
	policy_resolved_free(&compiled->resolved);
	policy_free(compiled->policy);
	free(compiled);
}
