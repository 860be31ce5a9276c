/* SPDX-License-Identifier: MIT */
/*
 * policy_ends.c - who, as a policy's file says it: tenants, addresses, groups, containers, labels
 *
 *   ends:       member ("," member)* ("of" TENANT)?
 *   member:     "any" | "outside" | ADDRESS | PREFIX | RANGE | GROUP
 *               "container" NAME | "label" KEY "=" VALUE
 */
#include "policy_ends.h"

#include <errno.h>
#include <string.h>

#include "config_value.h"
#include "config_word.h"
#include "policy_value.h"

#define MEMBER	"an address, prefix, range, group, container, label, any or outside"

/* --- tenants --- */

static void expected_tenant(struct policy_parser *p)
{
	unsigned int distance = CONFIG_WORD_FAR;
	const char *best = NULL;

	for (size_t i = 0; i < p->config->tenants_num && p->token.type == CONFIG_TOKEN_WORD; i++)
		if (config_word_is_nearer(&p->token, p->config->tenants[i].name, &distance))
			best = p->config->tenants[i].name;
	policy_parser_expected_of(p, "a tenant of slimrouter.conf", &best, best != NULL);
}

uint32_t policy_ends_tenant(struct policy_parser *p)
{
	const struct config_tenant *tenant = NULL;
	char text[CONFIG_NAME_MAX];
	uint32_t name;

	if (p->config) {
		if (policy_parser_value(p, text, sizeof(text)))
			tenant = config_tenant_by_name(p->config, text);
		if (!tenant) {
			expected_tenant(p);
			return POLICY_NONE;
		}
	}
	name = policy_parser_name(p, "a tenant's name");
	if (name == POLICY_NONE)
		return POLICY_NONE;
	return policy_build_tenant(p->build, name, tenant ? tenant->vni : 0);
}

/* --- groups --- */

static const char *const reserved[] = {
	"any", "outside", "container", "label", "of", "from", "to", "port", "log", "rate",
	"dscp", "tos", "priority", "connections", "setups", "tenant", "each",
};

static bool is_reserved(const struct policy_parser *p)
{
	for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
		if (policy_parser_is(p, reserved[i]))
			return true;
	return false;
}

/* A group's name, unlike an address, begins with a letter and has no colon. */
bool policy_ends_is_group(const struct policy_parser *p)
{
	char text[CONFIG_NAME_MAX];

	return p->token.type == CONFIG_TOKEN_WORD &&
	       (p->token.text[0] < '0' || p->token.text[0] > '9') && !is_reserved(p) &&
	       policy_parser_value(p, text, sizeof(text)) && config_value_name_ok(text);
}

const char *policy_ends_nearest(const struct config_token *token, unsigned int *least)
{
	static const char *const words[] = { "any", "outside", "container", "label" };
	const char *best = NULL;

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (config_word_is_nearer(token, words[i], least))
			best = words[i];
	return best;
}

/* Whose it is, is known when all of a set is read. */
static void member_group(struct policy_parser *p, struct policy_member *member)
{
	member->type = POLICY_MEMBER_GROUP;
	member->named.place = policy_parser_place(p);
	member->named.name = policy_parser_name(p, "a group's name");
}

/* Names of groups become groups, of the tenant that is known by now. */
static void find_groups(struct policy_parser *p, uint32_t tenant)
{
	struct policy *policy = p->build->policy;

	for (uint32_t i = p->build->set_first; i < policy->members_num; i++) {
		struct policy_member *member = &policy->members[i], named = *member;

		if (member->type != POLICY_MEMBER_GROUP)
			continue;
		memset(member, 0, sizeof(*member));
		member->type = POLICY_MEMBER_GROUP;
		member->group = policy_build_group(p->build, tenant, named.named.name,
						   &named.named.place);
	}
}

/* --- members --- */

static void member_addresses(struct policy_parser *p, struct policy_member *member)
{
	char text[128];

	member->type = POLICY_MEMBER_RANGE;
	if (!policy_parser_value(p, text, sizeof(text))) {
		policy_parser_expected(p, MEMBER);
		return;
	}
	switch (policy_value_addresses(text, &member->range.first, &member->range.last)) {
	case 0:
		policy_parser_advance(p);
		return;
	case -ERANGE:
		if (strchr(text, '/'))
			policy_parser_expected(p, "a prefix without bits beyond its length");
		else
			policy_parser_expected(p, "a range whose end is not before its beginning");
		return;
	default:
		policy_parser_expected(p, MEMBER);
	}
}

static void member_label(struct policy_parser *p, struct policy_member *member)
{
	char text[CONFIG_NAME_MAX];

	member->type = POLICY_MEMBER_LABEL;
	member->text.name = policy_parser_text(p, "a label as KEY=VALUE, of 63 bytes each at most");
	if (!p->bad && !policy_parser_accept_mark(p, CONFIG_TOKEN_EQUALS))
		policy_parser_expected(p, "\"=\" and the label's value");
	if (p->bad)
		return;
	if (!policy_parser_value(p, text, sizeof(text))) {
		policy_parser_expected(p, "the label's value, of 63 bytes at most");
		return;
	}
	member->text.value = policy_build_string(p->build, text, p->token.len);
	policy_parser_advance(p);
}

static void take_member(struct policy_parser *p, struct policy_member *member)
{
	memset(member, 0, sizeof(*member));	/* they are compared by their bytes */
	if (policy_parser_accept_word(p, "any")) {
		member->type = POLICY_MEMBER_ANY;
	} else if (policy_parser_accept_word(p, "outside")) {
		member->type = POLICY_MEMBER_OUTSIDE;
	} else if (policy_parser_accept_word(p, "container")) {
		member->type = POLICY_MEMBER_CONTAINER;
		member->text.name = policy_parser_text(p, "a container's name, of 1 to 63 bytes");
	} else if (policy_parser_accept_word(p, "label")) {
		member_label(p, member);
	} else if (policy_ends_is_group(p)) {
		member_group(p, member);
	} else {
		member_addresses(p, member);
	}
}

/* --- sets --- */

/* Is there any of @type among the open set's members? */
static bool has(const struct policy_parser *p, enum policy_member_type type)
{
	const struct policy *policy = p->build->policy;

	for (uint32_t i = p->build->set_first; i < policy->members_num; i++)
		if (policy->members[i].type == type)
			return true;
	return false;
}

uint32_t policy_ends_take(struct policy_parser *p)
{
	struct policy_place where = policy_parser_place(p);
	uint32_t set, tenant = p->tenant;
	struct policy_member member;

	policy_build_set_open(p->build);
	do {
		take_member(p, &member);
		if (p->bad)
			return POLICY_NONE;
		policy_build_member(p->build, &member);
	} while (policy_parser_accept_mark(p, CONFIG_TOKEN_COMMA));
	if (policy_parser_accept_word(p, "of"))
		tenant = policy_ends_tenant(p);
	if (tenant != p->tenant && has(p, POLICY_MEMBER_OUTSIDE))
		policy_parser_wrong(p, &where, "\"outside\" belongs to no other tenant");
	if (p->build->policy->members_num - p->build->set_first > 1 && has(p, POLICY_MEMBER_ANY))
		policy_parser_wrong(p, &where, "\"any\" includes what else is listed");
	if (p->bad)
		return POLICY_NONE;
	find_groups(p, tenant);
	set = policy_build_set_close(p->build, tenant);
	p->bad = set == POLICY_NONE;	/* no memory, which is reported at the end */
	return set;
}

uint32_t policy_ends_any(struct policy_parser *p)
{
	struct policy_member member;

	memset(&member, 0, sizeof(member));
	member.type = POLICY_MEMBER_ANY;
	policy_build_set_open(p->build);
	policy_build_member(p->build, &member);
	return policy_build_set_close(p->build, p->tenant);
}
