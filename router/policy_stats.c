/* SPDX-License-Identifier: MIT */
/* policy_stats.c - how often each rule has decided, and which ones never can */
#include "policy_stats.h"

#include <string.h>
#include <urcu.h>

#include "policy_force.h"
#include "policy_show.h"

/* Does each of @inner's ranges lie in one of @outer's? Both are sorted and apart. */
static bool covers(const struct policy_resolved *resolved, uint32_t outer, uint32_t inner)
{
	const struct policy_resolved_set *a = &resolved->sets[outer], *b = &resolved->sets[inner];
	uint32_t at = 0;

	if (outer == inner)
		return true;
	if (b->tests_num)
		return false;
	for (uint32_t i = 0; i < b->ranges_num; i++) {
		const struct classifier_range *range = &resolved->ranges[b->ranges + i];

		while (at < a->ranges_num &&
		       memcmp(resolved->ranges[a->ranges + at].last, range->last, 16) < 0)
			at++;
		if (at == a->ranges_num ||
		    memcmp(resolved->ranges[a->ranges + at].first, range->first, 16) > 0)
			return false;
	}
	return true;
}

static bool serves(const struct policy *policy, const struct policy_rule *rule,
		   const struct policy_ports *ports)
{
	for (uint32_t i = 0; i < rule->ports_num; i++) {
		const struct policy_ports *its = &policy->ports[rule->ports + i];

		if (its->first <= ports->first && its->last >= ports->last)
			return true;
	}
	return !rule->ports_num;
}

static bool hides(const struct policy_compiled *compiled, const struct policy_rule *earlier,
		  const struct policy_rule *rule)
{
	static const struct policy_ports all = { 0, UINT16_MAX };
	const struct policy *policy = compiled->policy;

	if (earlier->protocol != POLICY_PROTOCOL_ANY && earlier->protocol != rule->protocol)
		return false;
	for (uint32_t i = 0; i < rule->ports_num; i++)
		if (!serves(policy, earlier, &policy->ports[rule->ports + i]))
			return false;
	if (!rule->ports_num && !serves(policy, earlier, &all))
		return false;
	return covers(&compiled->resolved, earlier->source, rule->source) &&
	       covers(&compiled->resolved, earlier->destination, rule->destination);
}

static uint32_t first_service(const struct policy *policy, const struct policy_rule *rule)
{
	static const uint32_t protocols[POLICY_PROTOCOL_NUM] = {
		CLASSIFIER_OTHER, CLASSIFIER_TCP, CLASSIFIER_UDP, CLASSIFIER_ICMP,
	};

	return CLASSIFIER_SERVICE(protocols[rule->protocol],
				  rule->ports_num ? policy->ports[rule->ports].first : 0);
}

/*
 * The earlier rule that decides whatever this one would, or NULL: it is looked for where this rule's
 * first addresses are, since it must be the one that decides there.
 */
static const struct policy_rule *hidden_by(const struct policy_compiled *compiled, uint32_t number)
{
	const struct policy *policy = compiled->policy;
	const struct policy_rule *rule = &policy->rules[number];
	const struct policy_resolved *resolved = &compiled->resolved;
	const struct policy_resolved_set *source = &resolved->sets[rule->source];
	const struct policy_resolved_set *destination = &resolved->sets[rule->destination];
	uint32_t vni = policy->tenants[rule->tenant].vni;
	struct policy_question question = {
		.source_vni = policy->tenants[policy->sets[rule->source].tenant].vni,
		.destination_vni = policy->tenants[policy->sets[rule->destination].tenant].vni,
		.service = first_service(policy, rule),
	};
	struct policy_verdict verdict;

	if (!source->ranges_num || !destination->ranges_num || question.source_vni != vni ||
	    question.destination_vni != vni)
		return NULL;
	memcpy(question.source, resolved->ranges[source->ranges].first, 16);
	memcpy(question.destination, resolved->ranges[destination->ranges].first, 16);
	policy_ask(&question, &verdict);
	if (!verdict.rule || verdict.number >= number)
		return NULL;
	return hides(compiled, verdict.rule, rule) ? verdict.rule : NULL;
}

/* How often it has decided, as far as that is known: packets are not counted. */
static json_t *hits_of(const struct policy_compiled *compiled, uint32_t number)
{
	uint8_t protocol = compiled->policy->rules[number].protocol;
	uint64_t hits = __atomic_load_n(&compiled->hits[number], __ATOMIC_RELAXED);

	if (protocol == POLICY_PROTOCOL_TCP || (protocol == POLICY_PROTOCOL_ANY && hits))
		return json_integer((json_int_t)hits);
	return json_null();
}

static json_t *list_rules(void)
{
	const struct policy_compiled *compiled = policy_in_force();
	json_t *rules = json_array();

	for (uint32_t i = 0; compiled && i < compiled->policy->rules_num; i++) {
		const struct policy *policy = compiled->policy;
		const struct policy_rule *rule = &policy->rules[i];
		const struct policy_rule *hidden = hidden_by(compiled, i);

		json_array_append_new(rules, json_pack("{s:o, s:s, s:o, s:o}",
			"rule", policy_show_place(policy, &rule->place),
			"tenant", policy_string(policy, policy->tenants[rule->tenant].name),
			"hits", hits_of(compiled, i),
			"hidden_by", hidden ? policy_show_place(policy, &hidden->place) : json_null()));
	}
	return json_pack("{s:I, s:o}", "generation", (json_int_t)policy_generation(),
			 "rules", rules);
}

json_t *policy_stats(int fd)
{
	json_t *reply;

	(void)fd;
	rcu_read_lock();
	reply = list_rules();
	rcu_read_unlock();
	return reply;
}
