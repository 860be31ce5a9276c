/* SPDX-License-Identifier: MIT */
/* policy_compile.c - a policy as it is asked: classifiers */
#include "policy_compile.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "endpoint.h"
#include "policy_domain.h"
#include "policy_identity.h"
#include "policy_inputs.h"
#include "policy_report.h"
#include "policy_uses.h"

#define MANY_RULES	10000
#define MMAP_FROM	(32 << 20)	/* bytes: the most that there is (mallopt(3)) */
#define KEPT_MAX	(128 << 20)

static const struct classifier_allocator allocator = { malloc, free };

/*
 * To read and compile 100,000 rules takes some 80 MB for a moment, and a third of its time goes by until the kernel
 * has given them, page by page. Who has so many keeps them for the next reload.
 */
static void keep_memory(const struct policy *policy)
{
	if (policy->rules_num < MANY_RULES)
		return;
	mallopt(M_MMAP_THRESHOLD, MMAP_FROM);
	mallopt(M_TRIM_THRESHOLD, KEPT_MAX);
}

/* --- classifiers --- */

static int make_domain(uint32_t domain, const struct classifier_policy *policy,
		       const uint32_t *dynamic, void *data)
{
	struct policy_compiled *compiled = data;
	struct policy_domain *made = &compiled->domains[domain];

	made->dynamic = calloc(policy->dynamic_num + 1u, sizeof(*made->dynamic));
	if (!made->dynamic)
		return -ENOMEM;
	memcpy(made->dynamic, dynamic, policy->dynamic_num * sizeof(*made->dynamic));
	made->dynamic_num = policy->dynamic_num;
	return classifier_build(policy, &allocator, &made->classifier);
}

/* --- from tenant to tenant --- */

/* Both tenants' rules may name the two. */
static bool is_crossing(const struct policy_compiled *compiled, const struct policy_domain *domain)
{
	return domain->source != domain->destination &&
	       (domain->owner == domain->source ||
		!policy_domain_find(compiled, domain->source, domain->source, domain->destination));
}

static int compare_crossings(const void *a, const void *b)
{
	const struct policy_crossing *first = a, *second = b;

	if (first->from != second->from)
		return first->from < second->from ? -1 : 1;
	return (first->to->vni > second->to->vni) - (first->to->vni < second->to->vni);
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
	qsort(compiled->crossings, compiled->crossings_num, sizeof(*compiled->crossings),
	      compare_crossings);
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

/* --- what is too much --- */

/* Where the set is said: a group's, or the first rule's or limit's that names it */
static const struct policy_place *place_of_set(const struct policy *policy, uint32_t n)
{
	for (uint32_t i = 0; i < policy->groups_num; i++)
		if (policy->groups[i].set == n)
			return &policy->groups[i].place;
	for (uint32_t i = 0; i < policy->rules_num; i++)
		if (policy->rules[i].source == n || policy->rules[i].destination == n)
			return &policy->rules[i].place;
	for (uint32_t i = 0; i < policy->limits_num; i++)
		if (policy->limits[i].set == n)
			return &policy->limits[i].place;
	return NULL;
}

static const char *owner_of(const struct policy *policy, const struct policy_domain *domain)
{
	return policy_string(policy, policy->tenants[policy->rules[domain->rules[0]].tenant].name);
}

/* @domains: of how many there was the attempt to make a classifier, 0: not that far. In words, to be freed */
static char *explain(const struct policy_compiled *compiled, int err, uint32_t domains)
{
	const struct policy *policy = compiled->policy;
	const char *file = policy->sources.files[0].name;
	const struct policy_place *place = NULL;
	struct policy_report report;

	if (err == -ENOMEM || policy_report_init(&report, &policy->sources))
		return NULL;
	if (compiled->resolved.failed != POLICY_NONE)
		place = place_of_set(policy, compiled->resolved.failed);
	if (place)
		policy_report_place(&report, place, 1, "with this there are more than %u ranges of addresses, or "
				    "names and labels of containers, in all that groups stand for",
				    CLASSIFIER_RANGES_MAX);
	else if (err == -E2BIG && domains)
		policy_report_plain(&report, "%s: the rules of tenant \"%s\" are too many, or name too many "
				    "addresses and ports", file,
				    owner_of(policy, &compiled->domains[domains - 1]));
	else if (err == -E2BIG)
		policy_report_plain(&report, "%s: rules name more than %u containers and labels in all that "
				    "groups stand for", file, CLASSIFIER_RANGES_MAX);
	else
		policy_report_plain(&report, "%s: %s", file, strerror(-err));
	return policy_report_end(&report);
}

/* --- all of it --- */

/* @domains: as explain() has it */
static int compile(struct policy_compiled *compiled, const struct config *config, uint32_t *domains)
{
	struct policy *policy = compiled->policy;
	int err = policy_resolve(&compiled->resolved, policy, config);

	if (!err)
		err = policy_domains_make(compiled);
	if (!err)
		err = policy_inputs_each(compiled, make_domain, compiled, domains);
	if (err)
		return err;
	*domains = 0;
	compiled->hits = calloc(policy->rules_num + 1u, sizeof(*compiled->hits));
	err = compiled->hits ? policy_uses_make(compiled) : -ENOMEM;
	if (!err)
		err = make_crossings(compiled, config);
	return err ? err : make_quotas(compiled);
}

struct policy_compiled *policy_compile(struct policy *policy, const struct config *config,
				       char **errors)
{
	struct policy_compiled *compiled = calloc(1, sizeof(*compiled));
	uint32_t domains = 0;
	int err;

	*errors = NULL;
	if (!compiled)
		return NULL;
	compiled->users = 1;
	compiled->policy = policy;
	compiled->config = config;
	keep_memory(policy);
	err = compile(compiled, config, &domains);
	if (!err)
		return compiled;
	*errors = explain(compiled, err, domains);
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
