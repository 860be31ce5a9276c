/* SPDX-License-Identifier: MIT */
/*
 * policy_parse.c - the grammar of slim-policy(5)
 *
 * Theory of operation
 *
 *   file:       (statement? NEWLINE)*
 *   statement:  "tenant" NAME
 *               "include" PATH
 *               "default" ("allow" | "deny")
 *               "group" NAME "=" ends
 *               "limit" ("tenant" | "each" ends) "rate" RATE
 *               ("allow" | "deny") PROTOCOL clause*
 *   clause:     ("from" | "to") ends
 *               "port" PORTS ("," PORTS)*
 *               "rate" RATE | "dscp" DSCP | "tos" OCTET | "priority" NUMBER
 *               "connections" NUMBER | "setups" NUMBER"/s" | "log"
 *   ends:       member ("," member)* ("of" TENANT)?
 *   member:     "any" | "outside" | ADDRESS | PREFIX | RANGE | GROUP
 *               "container" NAME | "label" KEY "=" VALUE
 *
 * A statement that is wrong is reported once and skipped to the end of its line, so that
 * one run says all that is wrong. Groups may be used before they are defined;
 * policy_check.h looks at that when all is read.
 */
#include "policy_parse.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "config_value.h"
#include "config_word.h"
#include "policy_check.h"
#include "policy_lex.h"
#include "policy_value.h"

#define INCLUDE_DEPTH	16
#define FAR		3		/* words that differ in this many letters are not alike */

/*
 * @file:	its number
 * @token:	the next one, looked at but not taken
 * @tenant:	whom statements are about; POLICY_NONE before the first "tenant"
 * @start:	where the statement began
 * @bad:	the statement has been reported
 */
struct parser {
	struct config_lex lex;
	struct config_token token;
	struct policy_build *build;
	struct policy_report *report;
	const struct config *config;
	uint32_t file;
	uint32_t tenant;
	struct policy_place start;
	unsigned int depth;
	bool bad, includes;
};

struct word {
	const char *name;
	void (*take)(struct parser *p);
};

/* --- tokens --- */

static void advance(struct parser *p)
{
	p->token = policy_lex_next(&p->lex);
}

static bool is(const struct parser *p, const char *word)
{
	return p->token.type == CONFIG_TOKEN_WORD && config_word_is(&p->token, word);
}

static bool at_end(const struct parser *p)
{
	return p->token.type == CONFIG_TOKEN_NEWLINE || p->token.type == CONFIG_TOKEN_END;
}

static bool accept_word(struct parser *p, const char *word)
{
	if (!is(p, word))
		return false;
	advance(p);
	return true;
}

static bool accept_mark(struct parser *p, enum config_token_type mark)
{
	if (p->token.type != mark)
		return false;
	advance(p);
	return true;
}

static struct policy_place place(const struct parser *p)
{
	return (struct policy_place){ p->file, p->token.line, p->token.column };
}

static void __attribute__((format(printf, 2, 3))) expected(struct parser *p, const char *fmt, ...)
{
	char what[256];
	va_list args;

	if (p->bad)
		return;
	va_start(args, fmt);
	vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);
	policy_report_expected(p->report, p->file, &p->token, "%s", what);
	p->bad = true;
}

/* Reports about the statement, or its clause, that began at @where. */
static void __attribute__((format(printf, 3, 4)))
wrong(struct parser *p, const struct policy_place *where, const char *fmt, ...)
{
	char what[512];
	va_list args;

	if (p->bad)
		return;
	va_start(args, fmt);
	vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);
	policy_report_place(p->report, where, "%s", what);
	p->bad = true;
}

/* Which of @names the token resembles most; NULL: none */
static const char *nearest(const struct parser *p, const char *const *names, size_t num)
{
	unsigned int least = FAR;
	const char *best = NULL;

	if (p->token.type != CONFIG_TOKEN_WORD)
		return NULL;
	for (size_t i = 0; i < num; i++) {
		unsigned int distance = config_word_distance(&p->token, names[i]);

		if (distance < least && distance < strlen(names[i])) {
			least = distance;
			best = names[i];
		}
	}
	return best;
}

static void expected_of(struct parser *p, const char *what, const char *const *names, size_t num)
{
	const char *best = nearest(p, names, num);

	if (best)
		expected(p, "%s; did you mean \"%s\"?", what, best);
	else
		expected(p, "%s", what);
}

/* The token's text with a final zero, in a buffer that the next call uses again. NULL where
 * it is no value. */
static const char *value(const struct parser *p, char *out, size_t size)
{
	if ((p->token.type != CONFIG_TOKEN_WORD && p->token.type != CONFIG_TOKEN_STRING) ||
	    p->token.len >= size)
		return NULL;
	memcpy(out, p->token.text, p->token.len);
	out[p->token.len] = '\0';
	return out;
}

/* A name as the configuration's are. POLICY_NONE: reported */
static uint32_t take_name(struct parser *p, const char *what)
{
	char text[CONFIG_NAME_MAX];
	uint32_t string;

	if (!value(p, text, sizeof(text)) || !config_value_name_ok(text)) {
		expected(p, "%s", what);
		return POLICY_NONE;
	}
	string = policy_build_string(p->build, text, p->token.len);
	advance(p);
	return string;
}

/* --- tenants --- */

static void expected_tenant(struct parser *p)
{
	const char *names[64];
	size_t num = 0;

	for (; num < p->config->tenants_num && num < 64; num++)
		names[num] = p->config->tenants[num].name;
	expected_of(p, "a tenant of slimrouter.conf", names, num);
}

/* The tenant that is named; POLICY_NONE: reported */
static uint32_t take_tenant(struct parser *p)
{
	const struct config_tenant *tenant = NULL;
	char text[CONFIG_NAME_MAX];
	uint32_t name;

	if (p->config) {
		if (value(p, text, sizeof(text)))
			tenant = config_tenant_by_name(p->config, text);
		if (!tenant) {
			expected_tenant(p);
			return POLICY_NONE;
		}
	}
	name = take_name(p, "a tenant's name");
	if (name == POLICY_NONE)
		return POLICY_NONE;
	return policy_build_tenant(p->build, name, tenant ? tenant->vni : 0);
}

static void take_section(struct parser *p)
{
	uint32_t tenant = take_tenant(p);

	if (tenant != POLICY_NONE)
		p->tenant = tenant;
}

/* --- who --- */

static const char *const reserved[] = {
	"any", "outside", "container", "label", "of", "from", "to", "port", "log", "rate",
	"dscp", "tos", "priority", "connections", "setups", "tenant", "each",
};

static bool is_reserved(const struct parser *p)
{
	for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
		if (is(p, reserved[i]))
			return true;
	return false;
}

/* A group's name, unlike an address, begins with a letter and has no colon. */
static bool is_group_name(const struct parser *p)
{
	char text[CONFIG_NAME_MAX];

	return p->token.type == CONFIG_TOKEN_WORD &&
	       (p->token.text[0] < '0' || p->token.text[0] > '9') && !is_reserved(p) &&
	       value(p, text, sizeof(text)) && config_value_name_ok(text);
}

static void member_addresses(struct parser *p, struct policy_member *member)
{
	char text[128];

	member->type = POLICY_MEMBER_RANGE;
	if (!value(p, text, sizeof(text))) {
		expected(p, "an address, prefix, range, group, container, label, any or outside");
		return;
	}
	switch (policy_value_addresses(text, &member->range.first, &member->range.last)) {
	case 0:
		advance(p);
		return;
	case -ERANGE:
		if (strchr(text, '/'))
			expected(p, "a prefix without bits beyond its length");
		else
			expected(p, "a range whose end is not before its beginning");
		return;
	default:
		expected(p, "an address, prefix, range, group, container, label, any or outside");
	}
}

static void member_label(struct parser *p, struct policy_member *member)
{
	char text[CONFIG_NAME_MAX];

	member->type = POLICY_MEMBER_LABEL;
	member->text.name = take_name(p, "a label as KEY=VALUE");
	if (!p->bad && !accept_mark(p, CONFIG_TOKEN_EQUALS))
		expected(p, "\"=\" and the label's value");
	if (p->bad)
		return;
	if (!value(p, text, sizeof(text))) {
		expected(p, "the label's value");
		return;
	}
	member->text.value = policy_build_string(p->build, text, p->token.len);
	advance(p);
}

/* Groups are another tenant's where "of" follows: @group is looked up afterwards. */
static void take_member(struct parser *p, struct policy_member *member)
{
	memset(member, 0, sizeof(*member));	/* they are compared by their bytes */
	if (accept_word(p, "any")) {
		member->type = POLICY_MEMBER_ANY;
	} else if (accept_word(p, "outside")) {
		member->type = POLICY_MEMBER_OUTSIDE;
	} else if (accept_word(p, "container")) {
		member->type = POLICY_MEMBER_CONTAINER;
		member->text.name = take_name(p, "a container's name");
	} else if (accept_word(p, "label")) {
		member_label(p, member);
	} else if (is_group_name(p)) {
		member->type = POLICY_MEMBER_GROUP;
		member->group = take_name(p, "a group's name");
	} else {
		member_addresses(p, member);
	}
}

/* Names of groups become groups, of the tenant that is known by now. */
static void find_groups(struct parser *p, uint32_t tenant, const struct policy_place *where)
{
	struct policy *policy = p->build->policy;

	for (uint32_t i = p->build->set_first; i < policy->members_num; i++) {
		struct policy_member *member = &policy->members[i];

		if (member->type == POLICY_MEMBER_GROUP)
			member->group = policy_build_group(p->build, tenant, member->group, where);
	}
}

/* Is @type among the open set's members, which are more than one? */
static bool stands_with_others(const struct parser *p, enum policy_member_type type)
{
	const struct policy *policy = p->build->policy;

	if (policy->members_num - p->build->set_first < 2)
		return false;
	for (uint32_t i = p->build->set_first; i < policy->members_num; i++)
		if (policy->members[i].type == type)
			return true;
	return false;
}

static bool has(const struct parser *p, enum policy_member_type type)
{
	const struct policy *policy = p->build->policy;

	for (uint32_t i = p->build->set_first; i < policy->members_num; i++)
		if (policy->members[i].type == type)
			return true;
	return false;
}

/* The set that `ends` names; POLICY_NONE: reported */
static uint32_t take_ends(struct parser *p)
{
	struct policy_place where = place(p);
	uint32_t set, tenant = p->tenant;
	struct policy_member member;

	policy_build_set_open(p->build);
	do {
		take_member(p, &member);
		if (p->bad)
			return POLICY_NONE;
		policy_build_member(p->build, &member);
	} while (accept_mark(p, CONFIG_TOKEN_COMMA));
	if (accept_word(p, "of"))
		tenant = take_tenant(p);
	if (tenant != p->tenant && has(p, POLICY_MEMBER_OUTSIDE))
		wrong(p, &where, "\"outside\" belongs to no other tenant");
	if (stands_with_others(p, POLICY_MEMBER_ANY))
		wrong(p, &where, "\"any\" includes what else is listed");
	if (p->bad)
		return POLICY_NONE;
	find_groups(p, tenant, &where);
	set = policy_build_set_close(p->build, tenant);
	p->bad = set == POLICY_NONE;	/* no memory, which is reported at the end */
	return set;
}

/* --- rules --- */

enum clause {
	CLAUSE_FROM,
	CLAUSE_TO,
	CLAUSE_PORT,
	CLAUSE_LOG,
	CLAUSE_RATE,	/* this one and those behind it: of what is allowed */
	CLAUSE_DSCP,
	CLAUSE_TOS,
	CLAUSE_PRIORITY,
	CLAUSE_CONNECTIONS,
	CLAUSE_SETUPS,
	CLAUSE_NUM
};

static const char *const clauses[CLAUSE_NUM] = {
	[CLAUSE_FROM] = "from",
	[CLAUSE_TO] = "to",
	[CLAUSE_PORT] = "port",
	[CLAUSE_LOG] = "log",
	[CLAUSE_RATE] = "rate",
	[CLAUSE_DSCP] = "dscp",
	[CLAUSE_TOS] = "tos",
	[CLAUSE_PRIORITY] = "priority",
	[CLAUSE_CONNECTIONS] = "connections",
	[CLAUSE_SETUPS] = "setups",
};

static void take_ports(struct parser *p, struct policy_rule *rule)
{
	struct policy_ports ports;
	char text[16];

	do {
		if (!value(p, text, sizeof(text)) ||
		    policy_value_ports(text, &ports.first, &ports.last)) {
			expected(p, "a port from 0 to 65535, or a range of them");
			return;
		}
		advance(p);
		policy_build_ports(p->build, rule, &ports);
	} while (accept_mark(p, CONFIG_TOKEN_COMMA));
}

static uint64_t take_rate(struct parser *p)
{
	uint64_t rate = 0;
	char text[32];

	if (!value(p, text, sizeof(text)) || policy_value_rate(text, &rate))
		expected(p, "a rate from 8bit to 1000gbit, as 64kbit, 100mbit or 2.5gbit");
	else
		advance(p);
	return rate;
}

static unsigned long take_number(struct parser *p, unsigned long min, unsigned long max)
{
	unsigned long number = 0;
	char text[16];

	if (!value(p, text, sizeof(text)) || config_value_number(text, min, max, &number))
		expected(p, "a number from %lu to %lu", min, max);
	else
		advance(p);
	return number;
}

static uint32_t take_frequency(struct parser *p)
{
	uint32_t frequency = 0;
	char text[16];

	if (!value(p, text, sizeof(text)) || policy_value_frequency(text, &frequency))
		expected(p, "a number of connections a second from 1/s to 1000000/s");
	else
		advance(p);
	return frequency;
}

static void take_octet(struct parser *p, struct policy_rule *rule, bool dscp)
{
	char text[16];

	if (!value(p, text, sizeof(text)) ||
	    (dscp ? policy_value_dscp(text, &rule->tos) : policy_value_tos(text, &rule->tos)))
		expected(p, dscp ? "a code point: cs0 to cs7, af11 to af43, ef, le, or 0 to 63" :
				   "an octet: 0 to 255, or 0x00 to 0xff");
	else
		advance(p);
}

static void take_clause(struct parser *p, struct policy_rule *rule, enum clause clause)
{
	switch (clause) {
	case CLAUSE_FROM:
		rule->source = take_ends(p);
		break;
	case CLAUSE_TO:
		rule->destination = take_ends(p);
		break;
	case CLAUSE_PORT:
		take_ports(p, rule);
		break;
	case CLAUSE_LOG:
		rule->log = true;
		break;
	case CLAUSE_RATE:
		rule->rate = take_rate(p);
		break;
	case CLAUSE_DSCP:
	case CLAUSE_TOS:
		take_octet(p, rule, clause == CLAUSE_DSCP);
		break;
	case CLAUSE_PRIORITY:
		rule->priority = (int8_t)take_number(p, 0, 6);
		break;
	case CLAUSE_CONNECTIONS:
		rule->connections = (uint32_t)take_number(p, 1, 1000000);
		break;
	case CLAUSE_SETUPS:
		rule->setups = take_frequency(p);
		break;
	case CLAUSE_NUM:
		break;
	}
}

static enum clause find_clause(const struct parser *p)
{
	int i = 0;

	while (i < CLAUSE_NUM && !is(p, clauses[i]))
		i++;
	return (enum clause)i;
}

static bool has_ports(const struct policy_rule *rule)
{
	return rule->protocol == POLICY_PROTOCOL_TCP || rule->protocol == POLICY_PROTOCOL_UDP;
}

/* May the clause stand here? Reports where not. */
static void check_clause(struct parser *p, const struct policy_rule *rule, enum clause clause,
			 unsigned int seen)
{
	struct policy_place where = place(p);

	if (seen & 1u << clause)
		wrong(p, &where, "\"%s\" is said twice", clauses[clause]);
	else if (clause == CLAUSE_PORT && !has_ports(rule))
		wrong(p, &where, "ports are of tcp and udp only");
	else if (clause >= CLAUSE_RATE && rule->action == POLICY_DENY)
		wrong(p, &where, "\"%s\" is for what is allowed", clauses[clause]);
	else if ((clause == CLAUSE_TOS && seen & 1u << CLAUSE_DSCP) ||
		 (clause == CLAUSE_DSCP && seen & 1u << CLAUSE_TOS))
		wrong(p, &where, "\"dscp\" and \"tos\" are two ways to say the same");
	else if (clause >= CLAUSE_RATE && rule->protocol != POLICY_PROTOCOL_TCP &&
		 rule->protocol != POLICY_PROTOCOL_ANY)
		wrong(p, &where, "\"%s\" is of tcp connections", clauses[clause]);
}

static void take_clauses(struct parser *p, struct policy_rule *rule)
{
	unsigned int seen = 0;

	while (!p->bad && !at_end(p)) {
		enum clause clause = find_clause(p);

		if (clause == CLAUSE_NUM) {
			expected_of(p, "from, to, port, an option or the end of the line", clauses,
				    CLAUSE_NUM);
			return;
		}
		check_clause(p, rule, clause, seen);
		seen |= 1u << clause;
		advance(p);
		if (!p->bad)
			take_clause(p, rule, clause);
	}
}

/* All addresses of the tenant, for an end that is not named */
static uint32_t any_of(struct parser *p)
{
	struct policy_member member;

	memset(&member, 0, sizeof(member));
	member.type = POLICY_MEMBER_ANY;
	policy_build_set_open(p->build);
	policy_build_member(p->build, &member);
	return policy_build_set_close(p->build, p->tenant);
}

static enum policy_protocol take_protocol(struct parser *p)
{
	static const char *const names[POLICY_PROTOCOL_NUM] = {
		[POLICY_PROTOCOL_ANY] = "any",
		[POLICY_PROTOCOL_TCP] = "tcp",
		[POLICY_PROTOCOL_UDP] = "udp",
		[POLICY_PROTOCOL_ICMP] = "icmp",
	};

	for (int i = 0; i < POLICY_PROTOCOL_NUM; i++)
		if (accept_word(p, names[i]))
			return (enum policy_protocol)i;
	expected_of(p, "tcp, udp, icmp or any", names, POLICY_PROTOCOL_NUM);
	return POLICY_PROTOCOL_ANY;
}

static void take_rule(struct parser *p, enum policy_action action)
{
	struct policy_rule rule = {
		.place = p->start,
		.tenant = p->tenant,
		.source = POLICY_NONE,
		.destination = POLICY_NONE,
		.tos = -1,
		.priority = -1,
		.action = (uint8_t)action,
	};

	rule.protocol = (uint8_t)take_protocol(p);
	take_clauses(p, &rule);
	if (p->bad)
		return;
	if (rule.source == POLICY_NONE)
		rule.source = any_of(p);
	if (rule.destination == POLICY_NONE)
		rule.destination = any_of(p);
	if (p->build->policy->rules_num == POLICY_RULES_MAX)
		wrong(p, &p->start, "more than %u rules", POLICY_RULES_MAX);
	else if (!p->build->no_memory)
		policy_build_rule(p->build, &rule);
}

static void take_allow(struct parser *p)
{
	take_rule(p, POLICY_ALLOW);
}

static void take_deny(struct parser *p)
{
	take_rule(p, POLICY_DENY);
}

/* --- other statements --- */

static void take_default(struct parser *p)
{
	static const char *const names[] = { "allow", "deny" };
	struct policy_tenant *tenant = &p->build->policy->tenants[p->tenant];
	bool allow = is(p, "allow");

	if (!allow && !is(p, "deny")) {
		expected_of(p, "allow or deny", names, 2);
		return;
	}
	if (tenant->said) {
		wrong(p, &p->start, "the default of this tenant is said before, at %s:%u",
		      p->build->policy->sources.files[tenant->place.file].name,
		      tenant->place.line);
		return;
	}
	advance(p);
	tenant->action = allow ? POLICY_ALLOW : POLICY_DENY;
	tenant->place = p->start;
	tenant->said = true;
}

static void take_group(struct parser *p)
{
	struct policy_place where = place(p);
	struct policy_group *group;
	uint32_t name, set, n;

	if (!is_group_name(p)) {
		expected(p, "a group's name, which begins with a letter and is no word of the "
			    "language");
		return;
	}
	name = take_name(p, "a group's name");
	if (!accept_mark(p, CONFIG_TOKEN_EQUALS)) {
		expected(p, "\"=\" and the group's members");
		return;
	}
	set = take_ends(p);
	if (p->bad)
		set = any_of(p);	/* defined all the same: its uses are not to blame */
	n = policy_build_group(p->build, p->tenant, name, &where);
	if (n == POLICY_NONE || set == POLICY_NONE)
		return;
	group = &p->build->policy->groups[n];
	if (group->set != POLICY_NONE) {
		wrong(p, &where, "this group is defined before, at %s:%u",
		      p->build->policy->sources.files[group->place.file].name, group->place.line);
		return;
	}
	if (p->build->policy->sets[set].tenant != p->tenant)
		wrong(p, &where, "a group holds addresses of its own tenant");
	group->set = set;
	group->place = where;
}

static void take_limit(struct parser *p)
{
	struct policy_limit limit = {
		.place = p->start,
		.tenant = p->tenant,
		.set = POLICY_NONE,
	};
	struct policy_place where;

	if (accept_word(p, "each")) {
		where = place(p);
		limit.set = take_ends(p);
		if (!p->bad && p->build->policy->sets[limit.set].tenant != p->tenant)
			wrong(p, &where, "a limit is of the tenant's own containers");
	} else if (!accept_word(p, "tenant")) {
		expected(p, "tenant, or each and whom it limits");
	}
	if (!p->bad && !accept_word(p, "rate"))
		expected(p, "rate");
	if (!p->bad)
		limit.rate = take_rate(p);
	if (!p->bad)
		policy_build_limit(p->build, &limit);
}

/* --- files --- */

static void parse(struct parser *outer, uint32_t file);

static bool is_included_already(const struct parser *p, const char *path)
{
	const struct policy_sources *sources = &p->build->policy->sources;

	for (uint32_t i = 0; i < sources->files_num; i++)
		if (!strcmp(sources->files[i].name, path))
			return true;
	return false;
}

static void include_file(struct parser *p, const char *path)
{
	uint32_t file;
	int err;

	if (is_included_already(p, path)) {
		wrong(p, &p->start, "%s is read already", path);
		return;
	}
	err = policy_sources_read(&p->build->policy->sources, path, &file);
	if (err)
		wrong(p, &p->start, "%s: %s", path, strerror(-err));
	else
		parse(p, file);
}

static void include_all(struct parser *p, char **paths, int num)
{
	for (int i = 0; i < num; i++) {
		include_file(p, paths[i]);
		free(paths[i]);
	}
	free(paths);
}

/* @path is seen from the directory of the file that includes it. */
static bool resolve(const struct parser *p, const char *path, char *out, size_t size)
{
	const char *name = p->build->policy->sources.files[p->file].name;
	const char *slash = strrchr(name, '/');
	int dir = *path != '/' && slash ? (int)(slash - name) + 1 : 0;

	return (size_t)snprintf(out, size, "%.*s%s", dir, name, path) < size;
}

static void take_include(struct parser *p)
{
	char text[PATH_MAX], path[PATH_MAX], **paths;
	int num;

	if (!value(p, text, sizeof(text)) || !*text || !resolve(p, text, path, sizeof(path))) {
		expected(p, "the path of a file or a directory");
		return;
	}
	if (!p->includes)
		wrong(p, &p->start, "only a file can include others");
	else if (p->depth == INCLUDE_DEPTH)
		wrong(p, &p->start, "files include one another more than %d deep", INCLUDE_DEPTH);
	if (p->bad)
		return;
	num = policy_sources_list(&p->build->policy->sources, path, &paths);
	if (num < 0 && num != -ENOTDIR)
		wrong(p, &p->start, "%s: %s", path, strerror(-num));
	if (p->bad)
		return;
	advance(p);
	if (num < 0)
		include_file(p, path);
	else
		include_all(p, paths, num);
}

static const struct word statements[] = {
	{ "allow", take_allow },
	{ "deny", take_deny },
	{ "group", take_group },
	{ "default", take_default },
	{ "limit", take_limit },
	{ "include", take_include },
	{ "tenant", take_section },
};

#define STATEMENTS	(sizeof(statements) / sizeof(statements[0]))

static void unknown_statement(struct parser *p)
{
	const char *names[STATEMENTS];

	for (size_t i = 0; i < STATEMENTS; i++)
		names[i] = statements[i].name;
	expected_of(p, "allow, deny, group, default, limit, include or tenant", names,
		    STATEMENTS);
}

static void take_statement(struct parser *p)
{
	const struct word *statement = statements;

	while (statement < statements + STATEMENTS && !is(p, statement->name))
		statement++;
	if (statement == statements + STATEMENTS) {
		unknown_statement(p);
		return;
	}
	p->start = place(p);
	if (p->tenant == POLICY_NONE && statement->take != take_section &&
	    statement->take != take_include) {
		wrong(p, &p->start, "before this must stand whom it is about: tenant NAME");
		return;
	}
	advance(p);
	statement->take(p);
	if (!p->bad && !at_end(p))
		expected(p, "the end of the line");
}

/* A file that is included goes on with the tenant of the one that includes it, and changes
 * nothing there. */
static void parse(struct parser *outer, uint32_t file)
{
	const struct policy_source *source = &outer->build->policy->sources.files[file];
	struct parser p = {
		.build = outer->build,
		.report = outer->report,
		.config = outer->config,
		.file = file,
		.tenant = outer->tenant,
		.depth = outer->depth + 1,
		.includes = outer->includes,
	};

	config_lex_init(&p.lex, source->text, source->len);
	advance(&p);
	while (p.token.type != CONFIG_TOKEN_END && !p.build->no_memory) {
		p.bad = false;
		if (!at_end(&p))
			take_statement(&p);
		while (!at_end(&p))
			advance(&p);
		accept_mark(&p, CONFIG_TOKEN_NEWLINE);
	}
}

void policy_parse_file(struct policy_build *build, struct policy_report *report,
		       const struct config *config, bool includes)
{
	struct parser outer = {
		.build = build,
		.report = report,
		.config = config,
		.tenant = POLICY_NONE,
		.includes = includes,
	};

	parse(&outer, 0);
	if (!build->no_memory)
		policy_check(build->policy, config, report);
}
