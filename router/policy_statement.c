/* SPDX-License-Identifier: MIT */
/* policy_statement.c - what a policy says, statement by statement, as text that can be compared */
#include "policy_statement.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "endpoint.h"
#include "memstream.h"
#include "policy_lex.h"

/*
 * @out:	where texts go, one after the other
 */
struct writing {
	const struct policy *policy;
	struct policy_statements *statements;
	FILE *out;
	size_t size;
};

/* --- texts --- */

static void put_token(FILE *out, const struct config_token *token, bool first)
{
	bool string = token->type == CONFIG_TOKEN_STRING;

	if (!first && token->type != CONFIG_TOKEN_COMMA)
		putc(' ', out);
	if (string)
		putc('"', out);
	fwrite(token->text, 1, token->len, out);
	if (string)
		putc('"', out);
}

/* @before, and what is at @place as far as the statement's end */
static void put_statement(struct writing *writing, const struct policy_place *place,
			  const char *before)
{
	const struct policy_source *source = &writing->policy->sources.files[place->file];
	const char *start = source->text + place->offset;
	struct config_token token;
	struct config_lex lex;

	config_lex_init(&lex, start, (size_t)(source->text + source->len - start));
	fputs(before, writing->out);
	for (bool first = !before[0];; first = false) {
		token = policy_lex_next(&lex);
		if (token.type == CONFIG_TOKEN_NEWLINE || token.type == CONFIG_TOKEN_END)
			break;
		put_token(writing->out, &token, first);
	}
	putc('\0', writing->out);
}

/* @before, @about: words with which it begins, where it is about something. Texts are offsets until the
 * end. */
static void add(struct writing *writing, enum policy_statement_kind kind, uint32_t tenant,
		const struct policy_place *place, const char *before, const char *about)
{
	struct policy_statements *all = writing->statements;

	all->list[all->num++] = (struct policy_statement){
		.kind = kind,
		.tenant = policy_string(writing->policy, writing->policy->tenants[tenant].name),
		.text = (const char *)(uintptr_t)ftell(writing->out),
		.name_len = strlen(before) + (before[0] ? 1 : 0) + strlen(about),
		.place = *place,
	};
	put_statement(writing, place, before);
}

static void add_all(struct writing *writing)
{
	const struct policy *policy = writing->policy;

	for (uint32_t i = 0; i < policy->tenants_num; i++)
		if (policy->tenants[i].said)
			add(writing, POLICY_STATEMENT_DEFAULT, i, &policy->tenants[i].place, "",
			    "default");
	for (uint32_t i = 0; i < policy->groups_num; i++)
		add(writing, POLICY_STATEMENT_GROUP, policy->groups[i].tenant,
		    &policy->groups[i].place, "group",
		    policy_string(policy, policy->groups[i].name));
	for (uint32_t i = 0; i < policy->rules_num; i++)
		add(writing, POLICY_STATEMENT_RULE, policy->rules[i].tenant,
		    &policy->rules[i].place, "", "");
	for (uint32_t i = 0; i < policy->limits_num; i++)
		add(writing, POLICY_STATEMENT_LIMIT, policy->limits[i].tenant,
		    &policy->limits[i].place, "", "");
}

/* --- as it stands in the file --- */

/* The last line of the statement at @place */
static uint32_t last_line(const struct policy *policy, const struct policy_place *place)
{
	const struct policy_source *source = &policy->sources.files[place->file];
	const char *start = source->text + place->offset;
	struct config_token token;
	struct config_lex lex;

	config_lex_init(&lex, start, (size_t)(source->text + source->len - start));
	do
		token = policy_lex_next(&lex);
	while (token.type != CONFIG_TOKEN_NEWLINE && token.type != CONFIG_TOKEN_END);
	return place->line + token.line - 1;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* @line without what is around it, and without the backslash that joins it to the next one */
static void put_joined(FILE *out, const char *line, size_t len)
{
	while (len && is_blank(*line)) {
		line++;
		len--;
	}
	while (len && is_blank(line[len - 1]))
		len--;
	if (len && line[len - 1] == '\\')
		len--;
	while (len && is_blank(line[len - 1]))
		len--;
	fwrite(line, 1, len, out);
}

char *policy_statement_text(const struct policy *policy, const struct policy_place *place, size_t *len)
{
	uint32_t last = last_line(policy, place);
	struct policy_place at = *place;
	char *text = NULL;
	FILE *out = open_memstream(&text, len);

	for (; out && at.line <= last; at.line++) {
		size_t line_len;
		const char *line = policy_sources_line(&policy->sources, &at, &line_len);

		if (at.line > place->line)
			putc(' ', out);
		if (last > place->line)
			put_joined(out, line, line_len);
		else
			fwrite(line, 1, line_len, out);
		at.column = 1;
		at.offset = (uint32_t)(line - policy->sources.files[at.file].text + line_len) + 1;
	}
	if (memstream_close(out, &text))
		return text;
	free(text);
	return NULL;
}

/* --- all of it --- */

static void finish(struct policy_statements *all)
{
	for (uint32_t i = 0; i < all->num; i++) {
		struct policy_statement *statement = &all->list[i];
		uint64_t hash;

		statement->text = all->text + (uintptr_t)statement->text;
		if (!statement->name_len)
			statement->name_len = strlen(statement->text);
		hash = hash_bytes(statement->tenant, strlen(statement->tenant), statement->kind);
		statement->hash = hash_bytes(statement->text, statement->name_len, hash);
	}
}

int policy_statement_compare(const struct policy_statement *a, const struct policy_statement *b)
{
	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	return strcmp(a->tenant, b->tenant);
}

/* Those that are equal stay in the order of their texts, which is the policy's. */
static int compare(const void *a, const void *b)
{
	const struct policy_statement *first = a, *second = b;
	int order = policy_statement_compare(first, second);

	return order ? order : (first->text > second->text) - (first->text < second->text);
}

int policy_statements_make(struct policy_statements *statements, const struct policy *policy)
{
	struct writing writing = { .policy = policy, .statements = statements };
	size_t max = (size_t)policy->tenants_num + policy->groups_num + policy->rules_num +
		     policy->limits_num;
	int err;

	memset(statements, 0, sizeof(*statements));
	statements->list = calloc(max + 1, sizeof(*statements->list));
	writing.out = open_memstream(&statements->text, &writing.size);
	err = statements->list && writing.out ? 0 : -ENOMEM;
	if (!err)
		add_all(&writing);
	if (!memstream_close(writing.out, &statements->text))
		err = -ENOMEM;
	if (err)
		return err;
	finish(statements);
	qsort(statements->list, statements->num, sizeof(*statements->list), compare);
	return 0;
}

void policy_statements_free(struct policy_statements *statements)
{
	free(statements->list);
	free(statements->text);
	memset(statements, 0, sizeof(*statements));
}

const char *policy_statement_kind_name(enum policy_statement_kind kind)
{
	static const char *const names[POLICY_STATEMENT_NUM] = {
		[POLICY_STATEMENT_DEFAULT] = "default",
		[POLICY_STATEMENT_GROUP] = "group",
		[POLICY_STATEMENT_RULE] = "rule",
		[POLICY_STATEMENT_LIMIT] = "limit",
	};

	return names[kind];
}
