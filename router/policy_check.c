/* SPDX-License-Identifier: MIT */
/* policy_check.c - what can only be checked when all of a policy is read */
#include "policy_check.h"

#include <stdlib.h>
#include <string.h>

#include "config_value.h"
#include "config_word.h"
#include "policy_ends.h"

/* --- groups --- */

/* What the name of a group that is not defined resembles most: another one of its tenant, or a word; NULL */
static const char *nearest(const struct policy *policy, const struct policy_group *group)
{
	const char *name = policy_string(policy, group->name), *best;
	struct config_token token = { .type = CONFIG_TOKEN_WORD, .text = name, .len = strlen(name) };
	unsigned int distance = CONFIG_WORD_FAR;

	best = policy_ends_nearest(&token, &distance);
	for (uint32_t i = 0; i < policy->groups_num; i++) {
		const struct policy_group *other = &policy->groups[i];

		if (other->tenant == group->tenant && other->set != POLICY_NONE &&
		    config_word_is_nearer(&token, policy_string(policy, other->name), &distance))
			best = policy_string(policy, other->name);
	}
	return best;
}

static void report_undefined(const struct policy *policy, const struct policy_group *group,
			     struct policy_report *report)
{
	const char *best = policy_report_is_shown(report) ? nearest(policy, group) : NULL;
	const char *name = policy_string(policy, group->name);

	policy_report_place(report, &group->place, strlen(name),
			    "there is no group \"%s\" in tenant \"%s\"%s%s%s", name,
			    policy_string(policy, policy->tenants[group->tenant].name),
			    best ? "; did you mean \"" : "", best ? best : "", best ? "\"?" : "");
}

static void check_defined(const struct policy *policy, struct policy_report *report)
{
	for (uint32_t i = 0; i < policy->groups_num; i++)
		if (policy->groups[i].set == POLICY_NONE)
			report_undefined(policy, &policy->groups[i], report);
}

/* How far a group has been looked at: its next member */
struct visit {
	uint32_t group, member;
};

/* The next group that is a member of @visit's, or POLICY_NONE when there is none left */
static uint32_t next_inner(const struct policy *policy, struct visit *visit)
{
	uint32_t n = policy->groups[visit->group].set;

	while (n != POLICY_NONE && visit->member < policy->sets[n].num) {
		const struct policy_member *member =
			&policy->members[policy->sets[n].first + visit->member++];

		if (member->type == POLICY_MEMBER_GROUP)
			return member->group;
	}
	return POLICY_NONE;
}

enum colour {
	WHITE,
	GREY,	/* on the way from the first */
	BLACK,
};

/* Depth first, from @first; @stack and @colours have room for all groups. */
static void check_circle(const struct policy *policy, uint32_t first, struct visit *stack,
			 unsigned char *colours, struct policy_report *report)
{
	uint32_t depth = 0, inner;

	stack[0] = (struct visit){ first, 0 };
	colours[first] = GREY;
	for (;;) {
		inner = next_inner(policy, &stack[depth]);
		if (inner == POLICY_NONE) {
			colours[stack[depth].group] = BLACK;
			if (!depth--)
				return;
		} else if (colours[inner] == GREY) {
			policy_report_place(report, &policy->groups[stack[depth].group].place, 1,
					    "group \"%s\" holds itself, by group \"%s\"",
					    policy_string(policy, policy->groups[inner].name),
					    policy_string(policy,
						policy->groups[stack[depth].group].name));
		} else if (colours[inner] == WHITE) {
			colours[inner] = GREY;
			stack[++depth] = (struct visit){ inner, 0 };
		}
	}
}

static void check_circles(const struct policy *policy, struct policy_report *report)
{
	struct visit *stack = calloc(policy->groups_num + 1u, sizeof(*stack));
	unsigned char *colours = calloc(policy->groups_num + 1u, 1);

	if (!stack || !colours)
		policy_report_plain(report, "memory does not suffice for this policy");
	else
		for (uint32_t i = 0; i < policy->groups_num; i++)
			if (colours[i] == WHITE)
				check_circle(policy, i, stack, colours, report);
	free(stack);
	free(colours);
}

/* --- rules between tenants --- */

static const char *tenant_name(const struct policy *policy, uint32_t tenant)
{
	return policy_string(policy, policy->tenants[tenant].name);
}

static bool overlap(const struct config_tenant *a, const struct config_tenant *b,
		    const struct config_prefix **pa, const struct config_prefix **pb)
{
	for (size_t i = 0; i < a->prefixes_num; i++) {
		for (size_t j = 0; j < b->prefixes_num; j++) {
			*pa = &a->prefixes[i];
			*pb = &b->prefixes[j];
			if (config_prefix_covers(*pa, &(*pb)->addr) ||
			    config_prefix_covers(*pb, &(*pa)->addr))
				return true;
		}
	}
	return false;
}

static void check_overlap(const struct policy *policy, const struct config *config,
			  const struct policy_rule *rule, uint32_t source, uint32_t destination,
			  struct policy_report *report)
{
	const struct config_tenant *a, *b;
	const struct config_prefix *pa, *pb;
	char ta[CONFIG_PREFIX_STRLEN], tb[CONFIG_PREFIX_STRLEN];

	a = config_tenant_by_name(config, tenant_name(policy, source));
	b = config_tenant_by_name(config, tenant_name(policy, destination));
	if (a && b && overlap(a, b, &pa, &pb))
		policy_report_place(report, &rule->place, 1,
				    "tenants \"%s\" and \"%s\" cannot talk: their prefixes %s and "
				    "%s overlap", a->name, b->name,
				    config_value_prefix_format(pa, ta),
				    config_value_prefix_format(pb, tb));
}

static void check_rule(const struct policy *policy, const struct config *config,
		       const struct policy_rule *rule, struct policy_report *report)
{
	uint32_t source = policy->sets[rule->source].tenant;
	uint32_t destination = policy->sets[rule->destination].tenant;

	if (source == destination && source == rule->tenant)
		return;
	if (source != rule->tenant && destination != rule->tenant)
		policy_report_place(report, &rule->place, 1,
				    "neither end of this rule is in tenant \"%s\"",
				    tenant_name(policy, rule->tenant));
	else if (rule->protocol != POLICY_PROTOCOL_TCP)
		policy_report_place(report, &rule->place, 1,
				    "only tcp connections go from tenant to tenant");
	else if (config)
		check_overlap(policy, config, rule, source, destination, report);
}

void policy_check(const struct policy *policy, const struct config *config,
		  struct policy_report *report)
{
	check_defined(policy, report);
	check_circles(policy, report);
	for (uint32_t i = 0; i < policy->rules_num; i++)
		check_rule(policy, config, &policy->rules[i], report);
}
