/* SPDX-License-Identifier: MIT */
/*
 * policy_rule.c - rules, as a policy's file says them
 *
 *   rule:       ("allow" | "deny") PROTOCOL clause*
 *   clause:     ("from" | "to") ends
 *               "port" PORTS ("," PORTS)*
 *               "rate" RATE | "dscp" DSCP | "tos" OCTET | "priority" NUMBER
 *               "connections" NUMBER | "setups" NUMBER"/s" | "log"
 */
#include "policy_rule.h"

#include "policy_ends.h"
#include "policy_value.h"

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

/* --- clauses --- */

static void take_ports(struct policy_parser *p, struct policy_rule *rule)
{
	struct policy_ports ports;
	char text[16];

	do {
		if (!policy_parser_value(p, text, sizeof(text)) ||
		    policy_value_ports(text, &ports.first, &ports.last)) {
			policy_parser_expected(p, "a port from 0 to 65535, or a range of them");
			return;
		}
		policy_parser_advance(p);
		policy_build_ports(p->build, rule, &ports);
	} while (policy_parser_accept_mark(p, CONFIG_TOKEN_COMMA));
}

static int16_t take_dscp(struct policy_parser *p)
{
	static const char what[] = "a code point: cs0 to cs7, af11 to af43, ef, le, or 0 to 63";
	const char *const *names;
	uint64_t octet;
	char text[16];
	size_t num;

	if (!policy_parser_value(p, text, sizeof(text)) || policy_value_dscp(text, &octet)) {
		names = policy_value_dscp_names(&num);
		policy_parser_expected_of(p, what, names, num);
		return -1;
	}
	policy_parser_advance(p);
	return (int16_t)octet;
}

static int16_t take_tos(struct policy_parser *p)
{
	return (int16_t)policy_parser_number(p, policy_value_tos, "an octet: 0 to 255, or 0x00 to 0xff");
}

static void take_clause(struct policy_parser *p, struct policy_rule *rule, enum clause clause)
{
	switch (clause) {
	case CLAUSE_FROM:
		rule->source = policy_ends_take(p);
		break;
	case CLAUSE_TO:
		rule->destination = policy_ends_take(p);
		break;
	case CLAUSE_PORT:
		take_ports(p, rule);
		break;
	case CLAUSE_LOG:
		rule->log = true;
		break;
	case CLAUSE_RATE:
		rule->rate = policy_parser_rate(p);
		break;
	case CLAUSE_DSCP:
		rule->tos = take_dscp(p);
		break;
	case CLAUSE_TOS:
		rule->tos = take_tos(p);
		break;
	case CLAUSE_PRIORITY:
		rule->priority = (int8_t)policy_parser_number(p, policy_value_priority,
							      "a number from 0 to 6");
		break;
	case CLAUSE_CONNECTIONS:
		rule->connections = (uint32_t)policy_parser_number(p, policy_value_connections,
								   "a number from 1 to 1000000");
		break;
	case CLAUSE_SETUPS:
		rule->setups = (uint32_t)policy_parser_number(p, policy_value_frequency,
			"a number of connections a second from 1/s to 1000000/s");
		break;
	case CLAUSE_NUM:
		break;
	}
}

static enum clause find_clause(const struct policy_parser *p)
{
	int i = 0;

	while (i < CLAUSE_NUM && !policy_parser_is(p, clauses[i]))
		i++;
	return (enum clause)i;
}

static bool has_ports(const struct policy_rule *rule)
{
	return rule->protocol == POLICY_PROTOCOL_TCP || rule->protocol == POLICY_PROTOCOL_UDP;
}

/* May the clause stand here? Reports where not. */
static void check_clause(struct policy_parser *p, const struct policy_rule *rule, enum clause clause,
			 unsigned int seen)
{
	struct policy_place where = policy_parser_place(p);

	if (seen & 1u << clause)
		policy_parser_wrong(p, &where, "\"%s\" is said twice", clauses[clause]);
	else if (clause == CLAUSE_PORT && !has_ports(rule))
		policy_parser_wrong(p, &where, "ports are of tcp and udp only");
	else if (clause >= CLAUSE_RATE && rule->action == POLICY_DENY)
		policy_parser_wrong(p, &where, "\"%s\" is for what is allowed", clauses[clause]);
	else if ((clause == CLAUSE_TOS && seen & 1u << CLAUSE_DSCP) ||
		 (clause == CLAUSE_DSCP && seen & 1u << CLAUSE_TOS))
		policy_parser_wrong(p, &where, "\"dscp\" and \"tos\" are two ways to say the same");
	else if (clause >= CLAUSE_RATE && rule->protocol != POLICY_PROTOCOL_TCP &&
		 rule->protocol != POLICY_PROTOCOL_ANY)
		policy_parser_wrong(p, &where, "\"%s\" is of tcp connections", clauses[clause]);
}

static void take_clauses(struct policy_parser *p, struct policy_rule *rule)
{
	unsigned int seen = 0;

	while (!p->bad && !policy_parser_at_end(p)) {
		enum clause clause = find_clause(p);

		if (clause == CLAUSE_NUM) {
			policy_parser_expected_of(p, "from, to, port, an option or the end of the line",
						  clauses, CLAUSE_NUM);
			return;
		}
		check_clause(p, rule, clause, seen);
		seen |= 1u << clause;
		policy_parser_advance(p);
		if (!p->bad)
			take_clause(p, rule, clause);
	}
}

/* --- rules --- */

static enum policy_protocol take_protocol(struct policy_parser *p)
{
	static const char *const names[POLICY_PROTOCOL_NUM] = {
		[POLICY_PROTOCOL_ANY] = "any",
		[POLICY_PROTOCOL_TCP] = "tcp",
		[POLICY_PROTOCOL_UDP] = "udp",
		[POLICY_PROTOCOL_ICMP] = "icmp",
	};

	for (int i = 0; i < POLICY_PROTOCOL_NUM; i++)
		if (policy_parser_accept_word(p, names[i]))
			return (enum policy_protocol)i;
	policy_parser_expected_of(p, "tcp, udp, icmp or any", names, POLICY_PROTOCOL_NUM);
	return POLICY_PROTOCOL_ANY;
}

void policy_rule_take(struct policy_parser *p, enum policy_action action)
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
		rule.source = policy_ends_any(p);
	if (rule.destination == POLICY_NONE)
		rule.destination = policy_ends_any(p);
	if (p->build->policy->rules_num == POLICY_RULES_MAX)
		policy_parser_wrong(p, &p->start, "more than %u rules", POLICY_RULES_MAX);
	else if (!p->build->no_memory)
		policy_build_rule(p->build, &rule);
}
