/* SPDX-License-Identifier: MIT */
/* policy_inputs.c - what the classifiers of a policy's domains are made of */
#include "policy_inputs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

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
 * @number_of:	of each of the policy's sets its number in the domain that is being made, else POLICY_NONE
 * @dynamic:	of each of its dynamic sets the policy's
 * @services:	of each of the policy's ports, in the place of those
 */
struct work {
	const struct policy_compiled *compiled;
	uint32_t *number_of;
	uint32_t *dynamic;
	uint32_t dynamic_num;
	struct classifier_interval *services;
	struct classifier_set *sets;
	struct classifier_rule *rules;
};

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
static void number_set(struct work *work, uint32_t set, bool dynamic, uint32_t *num)
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
		work->dynamic[work->dynamic_num++] = set;
	++*num;
}

/* Dynamic ones come first. Returns how many there are. */
static uint32_t number_sets(struct work *work, const struct policy_domain *domain)
{
	const struct policy *policy = work->compiled->policy;
	uint32_t num = 0;

	for (int dynamic = 1; dynamic >= 0; dynamic--)
		for (uint32_t i = 0; i < domain->rules_num; i++) {
			const struct policy_rule *rule = &policy->rules[domain->rules[i]];

			number_set(work, rule->source, dynamic, &num);
			number_set(work, rule->destination, dynamic, &num);
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

static void forget_numbers(struct work *work, const struct policy_domain *domain)
{
	const struct policy *policy = work->compiled->policy;

	for (uint32_t i = 0; i < domain->rules_num; i++) {
		const struct policy_rule *rule = &policy->rules[domain->rules[i]];

		work->number_of[rule->source] = work->number_of[rule->destination] = POLICY_NONE;
	}
}

static int take_domain(struct work *work, uint32_t number, policy_inputs_take *take, void *data)
{
	const struct policy_domain *domain = &work->compiled->domains[number];
	struct classifier_policy policy = { .sets = work->sets, .rules = work->rules };

	if (!domain->rules_num)
		return 0;
	work->dynamic_num = 0;
	policy.sets_num = number_sets(work, domain);
	policy.dynamic_num = work->dynamic_num;
	policy.rules_num = domain->rules_num;
	make_rules(work, domain);
	forget_numbers(work, domain);
	return take(number, &policy, work->dynamic, data);
}

int policy_inputs_each(const struct policy_compiled *compiled, policy_inputs_take *take, void *data,
		       uint32_t *tried)
{
	const struct policy *policy = compiled->policy;
	struct work work = {
		.compiled = compiled,
		.number_of = calloc(policy->sets_num + 1u, sizeof(*work.number_of)),
		.dynamic = calloc(policy->sets_num + 1u, sizeof(*work.dynamic)),
		.services = calloc(policy->ports_num + 1u, sizeof(*work.services)),
		.sets = calloc(policy->sets_num + 1u, sizeof(*work.sets)),
		.rules = calloc(policy->rules_num + 1u, sizeof(*work.rules)),
	};
	int err = -ENOMEM;

	if (work.number_of && work.dynamic && work.services && work.sets && work.rules) {
		memset(work.number_of, 0xff, policy->sets_num * sizeof(*work.number_of));
		make_services(&work);
		err = 0;
	}
	for (*tried = 0; *tried < compiled->domains_num && !err; ++*tried)
		err = take_domain(&work, *tried, take, data);
	free(work.number_of);
	free(work.dynamic);
	free(work.services);
	free(work.sets);
	free(work.rules);
	return err;
}
