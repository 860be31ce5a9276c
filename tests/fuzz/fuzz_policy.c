/* SPDX-License-Identifier: MIT */
/*
 * fuzz_policy.c - any bytes as slim-policy(5)
 *
 * links: router/policy.c router/policy_build.c router/policy_check.c router/policy_compare.c router/policy_compile.c router/policy_inputs.c router/policy_domain.c router/policy_identity.c router/policy_lex.c router/policy_ends.c router/policy_include.c router/policy_parse.c router/policy_parser.c router/policy_rule.c router/policy_report.c router/policy_resolve.c router/policy_source.c router/policy_statement.c router/policy_uses.c router/policy_value.c router/config.c router/config_lex.c router/config_parse.c router/config_report.c router/config_value.c router/config_word.c router/base64.c router/endpoint.c router/log.c core/classifier.c core/classifier_axis.c core/classifier_build.c core/classifier_cells.c core/classifier_crowd.c core/classifier_events.c core/classifier_members.c core/classifier_memory.c core/classifier_services.c core/classifier_sieve.c core/classifier_sort.c core/classifier_tree.c
 * libs:
 *
 * What is accepted must hold what compiling relies on, be equal to itself, and compile; what is refused must be
 * said. Each without a configuration, and with one.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../router/policy_compare.h"
#include "../../router/policy_compile.h"

#include "input.h"

static void check_string(const struct policy *policy, uint32_t string)
{
	require(string < policy->strings_len);
}

static void check_member(const struct policy *policy, const struct policy_member *member)
{
	require(member->type < POLICY_MEMBER_NUM);
	if (member->type == POLICY_MEMBER_GROUP)
		require(member->group < policy->groups_num);
	if (member->type == POLICY_MEMBER_RANGE)
		require(memcmp(&member->range.first, &member->range.last, 16) <= 0);
	if (member->type == POLICY_MEMBER_CONTAINER || member->type == POLICY_MEMBER_LABEL)
		check_string(policy, member->text.name);
	if (member->type == POLICY_MEMBER_LABEL)
		check_string(policy, member->text.value);
}

static void check_set(const struct policy *policy, const struct policy_set *set)
{
	require(set->tenant < policy->tenants_num && set->num);
	require(set->first + set->num <= policy->members_num);
	for (uint32_t i = 0; i < set->num; i++)
		check_member(policy, &policy->members[set->first + i]);
}

static void check_place(const struct policy *policy, const struct policy_place *place)
{
	size_t len;
	char *text = policy_statement_text(policy, place, &len);

	require(text && len && place->offset < policy->sources.files[place->file].len);
	free(text);
}

static void check_rule(const struct policy *policy, const struct policy_rule *rule)
{
	require(rule->tenant < policy->tenants_num);
	require(rule->source < policy->sets_num && rule->destination < policy->sets_num);
	require(rule->ports_num == 0 || rule->ports + rule->ports_num <= policy->ports_num);
	check_place(policy, &rule->place);
	for (uint32_t i = 0; i < rule->ports_num; i++)
		require(policy->ports[rule->ports + i].first <= policy->ports[rule->ports + i].last);
	require(rule->action < POLICY_ACTION_NUM && rule->protocol < POLICY_PROTOCOL_NUM);
}

static void check(const struct policy *policy)
{
	for (uint32_t i = 0; i < policy->tenants_num; i++)
		check_string(policy, policy->tenants[i].name);
	for (uint32_t i = 0; i < policy->groups_num; i++)
		require(policy->groups[i].set < policy->sets_num);
	for (uint32_t i = 0; i < policy->sets_num; i++)
		check_set(policy, &policy->sets[i]);
	for (uint32_t i = 0; i < policy->rules_num; i++)
		check_rule(policy, &policy->rules[i]);
	for (uint32_t i = 0; i < policy->limits_num; i++)
		require(policy->limits[i].rate && (policy->limits[i].set == POLICY_NONE ||
						   policy->limits[i].set < policy->sets_num));
}

static void compare(const struct policy *policy)
{
	struct policy_changes changes = { 0 };
	struct policy_statements one, other;

	require(!policy_statements_make(&one, policy));
	require(!policy_statements_make(&other, policy));
	require(one.num >= policy->rules_num + policy->groups_num + policy->limits_num);
	require(!policy_changes_find(&changes, &one, &other));
	require(changes.num == 0);
	policy_changes_free(&changes);
	policy_statements_free(&one);
	policy_statements_free(&other);
}

/* Takes @policy. */
static void compile(struct policy *policy, const struct config *config)
{
	struct policy_compiled *compiled;
	char *errors;

	compiled = policy_compile(policy, config, &errors);
	require(!compiled != !errors);
	if (!compiled)
		policy_free(policy);
	policy_compiled_put(compiled);
	free(errors);
}

static void parse(const uint8_t *data, size_t size, const struct config *config)
{
	char *errors;
	struct policy *policy = policy_parse("fuzz", (const char *)data, size, config, &errors);

	require(!policy != !errors);
	if (policy) {
		check(policy);
		compare(policy);
		if (config)
			compile(policy, config);
		else
			policy_free(policy);
	}
	free(errors);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char text[] = "host h1 { address 192.0.2.1; }\n"
				   "tenant blue { vni 1; prefix 10.32.0.0/16; prefix fd32::/48; }\n"
				   "tenant green { vni 2; prefix 10.33.0.0/16; }\n"
				   "tenant red { vni 3; prefix 10.32.128.0/17; }\n";
	static struct config *config;
	char error[512];

	if (!config)
		config = config_parse("fuzz", text, strlen(text), error, sizeof(error));
	require(config);
	parse(data, size, NULL);
	parse(data, size, config);
	return 0;
}
