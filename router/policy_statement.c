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
 * @lines:	of each file, where its lines begin
 * @out:	where texts go, one after the other
 */
struct writing {
	const struct policy *policy;
	struct policy_statements *statements;
	const char ***lines;
	FILE *out;
	size_t size;
};

/* --- lines --- */

static const char **find_lines(const struct policy_source *source)
{
	const char *pos = source->text, *end = pos + source->len;
	const char **lines;
	size_t num = 1;

	for (const char *c = pos; c < end; c++)
		num += *c == '\n';
	lines = calloc(num, sizeof(*lines));
	if (!lines)
		return NULL;
	lines[0] = pos;
	for (num = 1; (pos = memchr(pos, '\n', (size_t)(end - pos))); num++)
		lines[num] = ++pos;
	return lines;
}

static int index_files(struct writing *writing)
{
	const struct policy_sources *sources = &writing->policy->sources;

	writing->lines = calloc(sources->files_num + 1u, sizeof(*writing->lines));
	if (!writing->lines)
		return -ENOMEM;
	for (uint32_t i = 0; i < sources->files_num; i++) {
		writing->lines[i] = find_lines(&sources->files[i]);
		if (!writing->lines[i])
			return -ENOMEM;
	}
	return 0;
}

static void free_lines(struct writing *writing)
{
	for (uint32_t i = 0; writing->lines && i < writing->policy->sources.files_num; i++)
		free(writing->lines[i]);
	free(writing->lines);
}

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
	const char *start = writing->lines[place->file][place->line - 1] + place->column - 1;
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
	err = statements->list && writing.out ? index_files(&writing) : -ENOMEM;
	if (!err)
		add_all(&writing);
	if (!memstream_close(writing.out, &statements->text))
		err = -ENOMEM;
	free_lines(&writing);
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
