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

/* @out: the first or the last address of a set that has any ranges */
static void corner_address(const struct policy_resolved *resolved, const struct policy_resolved_set *set,
			   bool last, uint8_t out[16])
{
	const struct classifier_range *ranges = &resolved->ranges[set->ranges];

	memcpy(out, last ? ranges[set->ranges_num - 1].last : ranges->first, 16);
}

static uint32_t corner_service(const struct policy *policy, const struct policy_rule *rule, bool last)
{
	static const uint32_t protocols[POLICY_PROTOCOL_NUM] = {
		CLASSIFIER_OTHER, CLASSIFIER_TCP, CLASSIFIER_UDP, CLASSIFIER_ICMP,
	};
	const struct policy_ports *ports = &policy->ports[rule->ports];

	if (!rule->ports_num)
		return CLASSIFIER_SERVICE(protocols[rule->protocol], last ? UINT16_MAX : 0);
	return CLASSIFIER_SERVICE(protocols[rule->protocol], last ? ports[rule->ports_num - 1].last : ports->first);
}

/* The rule that decides where this one's first (or @last) addresses and ports are */
static void ask_corner(const struct policy_compiled *compiled, const struct policy_rule *rule, bool last,
		       struct policy_verdict *verdict)
{
	const struct policy *policy = compiled->policy;
	const struct policy_resolved *resolved = &compiled->resolved;
	uint32_t vni = policy->tenants[rule->tenant].vni;
	struct policy_question question = {
		.source_vni = vni, .destination_vni = vni, .service = corner_service(policy, rule, last),
	};

	corner_address(resolved, &resolved->sets[rule->source], last, question.source);
	corner_address(resolved, &resolved->sets[rule->destination], last, question.destination);
	policy_ask(&question, verdict);
}

static bool is_of_two_tenants(const struct policy *policy, const struct policy_rule *rule)
{
	return policy->sets[rule->source].tenant != rule->tenant ||
	       policy->sets[rule->destination].tenant != rule->tenant;
}

/*
 * An earlier rule that decides whatever this one would, or NULL. It is looked for where this rule's first addresses
 * and ports are, and where its last are: one that decides at neither is not found.
 */
static const struct policy_rule *hidden_by(const struct policy_compiled *compiled, uint32_t number)
{
	const struct policy_rule *rule = &compiled->policy->rules[number];
	const struct policy_resolved *resolved = &compiled->resolved;
	struct policy_verdict verdict;

	if (!resolved->sets[rule->source].ranges_num || !resolved->sets[rule->destination].ranges_num ||
	    is_of_two_tenants(compiled->policy, rule))
		return NULL;
	for (int last = 0; last < 2; last++) {
		ask_corner(compiled, rule, last, &verdict);
		if (verdict.rule && verdict.number < number && hides(compiled, verdict.rule, rule))
			return verdict.rule;
	}
	return NULL;
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

		if (!policy_show_append(&rules, json_pack("{s:o, s:s, s:o, s:o, s:o}",
				"rule", policy_show_place(policy, &rule->place),
				"tenant", policy_string(policy, policy->tenants[rule->tenant].name),
				"hits", hits_of(compiled, i),
				"hidden_by", hidden ? policy_show_place(policy, &hidden->place) : json_null(),
				"text", policy_show_line(policy, &rule->place))))
			break;
	}
	return rules;
}

json_t *policy_stats(int fd)
{
	json_t *reply;

	(void)fd;
	rcu_read_lock();
	reply = policy_show_force();
	if (json_object_set_new(reply, "rules", list_rules())) {
		json_decref(reply);
		reply = NULL;
	}
	rcu_read_unlock();
	return reply;
}
