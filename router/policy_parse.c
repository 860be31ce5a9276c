/* SPDX-License-Identifier: MIT */
/*
 * policy_parse.c - the grammar of slim-policy(5)
 *
 * Theory of operation
 *
 *   file:       (statement? NEWLINE)*
 *   statement:  "tenant" NAME
 *               "include" PATH			(policy_include.c)
 *               "default" ("allow" | "deny")
 *               "group" NAME "=" ends		(policy_ends.c)
 *               "limit" ("tenant" | "each" ends) "rate" RATE
 *               rule				(policy_rule.c)
 *
 * A statement that is wrong is reported once and skipped to the end of its line, so that
 * one run says all that is wrong. Groups may be used before they are defined;
 * policy_check.h looks at that when all is read.
 */
#include "policy_parse.h"

#include "policy_check.h"
#include "policy_ends.h"
#include "policy_include.h"
#include "policy_lex.h"
#include "policy_rule.h"

struct word {
	const char *name;
	void (*take)(struct policy_parser *p);
};

static void take_section(struct policy_parser *p)
{
	uint32_t tenant = policy_ends_tenant(p);

	if (tenant != POLICY_NONE)
		p->tenant = tenant;
}

static void take_allow(struct policy_parser *p)
{
	policy_rule_take(p, POLICY_ALLOW);
}

static void take_deny(struct policy_parser *p)
{
	policy_rule_take(p, POLICY_DENY);
}

static void take_default(struct policy_parser *p)
{
	static const char *const names[] = { "allow", "deny" };
	struct policy_tenant *tenant = &p->build->policy->tenants[p->tenant];
	bool allow = policy_parser_is(p, "allow");

	if (!allow && !policy_parser_is(p, "deny")) {
		policy_parser_expected_of(p, "allow or deny", names, 2);
		return;
	}
	if (tenant->said) {
		policy_parser_wrong(p, &p->start, "the default of this tenant is said before, at %s:%u",
				    p->build->policy->sources.files[tenant->place.file].name,
				    tenant->place.line);
		return;
	}
	policy_parser_advance(p);
	tenant->action = allow ? POLICY_ALLOW : POLICY_DENY;
	tenant->place = p->start;
	tenant->said = true;
}

static void take_group(struct policy_parser *p)
{
	struct policy_place where = policy_parser_place(p);
	struct policy_group *group;
	uint32_t name, set, n;

	if (!policy_ends_is_group(p)) {
		policy_parser_expected(p, "a group's name, which begins with a letter and is no word of "
				       "the language");
		return;
	}
	name = policy_parser_name(p, "a group's name");
	if (!policy_parser_accept_mark(p, CONFIG_TOKEN_EQUALS)) {
		policy_parser_expected(p, "\"=\" and the group's members");
		return;
	}
	set = policy_ends_take(p);
	if (p->bad)
		set = policy_ends_any(p);	/* defined all the same: its uses are not to blame */
	n = policy_build_group(p->build, p->tenant, name, &where);
	if (n == POLICY_NONE || set == POLICY_NONE)
		return;
	group = &p->build->policy->groups[n];
	if (group->set != POLICY_NONE) {
		policy_parser_wrong(p, &where, "this group is defined before, at %s:%u",
				    p->build->policy->sources.files[group->place.file].name,
				    group->place.line);
		return;
	}
	if (p->build->policy->sets[set].tenant != p->tenant)
		policy_parser_wrong(p, &where, "a group holds addresses of its own tenant");
	group->set = set;
	group->place = where;
}

/* Whom it limits: each of some, or all of the tenant's together, which is said once */
static void take_limited(struct policy_parser *p, struct policy_limit *limit)
{
	static const char *const names[] = { "tenant", "each" };
	struct policy *policy = p->build->policy;
	const struct policy_tenant *tenant = &policy->tenants[p->tenant];
	struct policy_place where;

	if (policy_parser_accept_word(p, "each")) {
		where = policy_parser_place(p);
		limit->set = policy_ends_take(p);
		if (!p->bad && policy->sets[limit->set].tenant != p->tenant)
			policy_parser_wrong(p, &where, "a limit is of the tenant's own containers");
		return;
	}
	if (!policy_parser_accept_word(p, "tenant"))
		policy_parser_expected_of(p, "tenant, or each and whom it limits", names, 2);
	else if (tenant->limited)
		policy_parser_wrong(p, &p->start, "the limit of this tenant is said before, at %s:%u",
				    policy->sources.files[tenant->limit.file].name, tenant->limit.line);
}

static void take_limit(struct policy_parser *p)
{
	static const char *const rate = "rate";
	struct policy_tenant *tenant = &p->build->policy->tenants[p->tenant];
	struct policy_limit limit = {
		.place = p->start,
		.tenant = p->tenant,
		.set = POLICY_NONE,
	};

	take_limited(p, &limit);
	if (!p->bad && !policy_parser_accept_word(p, rate))
		policy_parser_expected_of(p, rate, &rate, 1);
	if (!p->bad)
		limit.rate = policy_parser_rate(p);
	if (p->bad)
		return;
	if (limit.set == POLICY_NONE) {
		tenant->limited = true;
		tenant->limit = p->start;
	}
	policy_build_limit(p->build, &limit);
}

/* --- statements --- */

static const struct word statements[] = {
	{ "allow", take_allow },
	{ "deny", take_deny },
	{ "group", take_group },
	{ "default", take_default },
	{ "limit", take_limit },
	{ "include", policy_include_take },
	{ "tenant", take_section },
};

#define STATEMENTS	(sizeof(statements) / sizeof(statements[0]))

static void unknown_statement(struct policy_parser *p)
{
	const char *names[STATEMENTS];

	for (size_t i = 0; i < STATEMENTS; i++)
		names[i] = statements[i].name;
	policy_parser_expected_of(p, "allow, deny, group, default, limit, include or tenant", names,
		    STATEMENTS);
}

static void take_statement(struct policy_parser *p)
{
	const struct word *statement = statements;

	while (statement < statements + STATEMENTS && !policy_parser_is(p, statement->name))
		statement++;
	if (statement == statements + STATEMENTS) {
		unknown_statement(p);
		return;
	}
	p->start = policy_parser_place(p);
	if (p->tenant == POLICY_NONE && statement->take != take_section &&
	    statement->take != policy_include_take) {
		policy_parser_wrong(p, &p->start, "before this must stand whom it is about: tenant NAME");
		return;
	}
	policy_parser_advance(p);
	statement->take(p);
	if (!p->bad && !policy_parser_at_end(p))
		policy_parser_expected(p, "the end of the line");
}

void policy_parse_included(const struct policy_parser *outer, uint32_t file)
{
	const struct policy_source *source = &outer->build->policy->sources.files[file];
	struct policy_parser p = {
		.build = outer->build,
		.report = outer->report,
		.config = outer->config,
		.file = file,
		.tenant = outer->tenant,
		.depth = outer->depth + 1,
		.includes = outer->includes,
	};

	config_lex_init(&p.lex, source->text, source->len);
	policy_parser_advance(&p);
	while (p.token.type != CONFIG_TOKEN_END && !p.build->no_memory) {
		p.bad = false;
		if (!policy_parser_at_end(&p))
			take_statement(&p);
		while (!policy_parser_at_end(&p))
			policy_parser_advance(&p);
		policy_parser_accept_mark(&p, CONFIG_TOKEN_NEWLINE);
	}
}

void policy_parse_file(struct policy_build *build, struct policy_report *report,
		       const struct config *config, bool includes)
{
	struct policy_parser outer = {
		.build = build,
		.report = report,
		.config = config,
		.tenant = POLICY_NONE,
		.includes = includes,
	};

	policy_parse_included(&outer, 0);
	if (!build->no_memory)
		policy_check(build->policy, config, report);
}
