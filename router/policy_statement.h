/* SPDX-License-Identifier: MIT */
/* policy_statement.h - what a policy says, statement by statement, as text that can be compared */
#ifndef POLICY_STATEMENT_H
#define POLICY_STATEMENT_H

#include "policy.h"

enum policy_statement_kind {
	POLICY_STATEMENT_DEFAULT,
	POLICY_STATEMENT_GROUP,
	POLICY_STATEMENT_RULE,
	POLICY_STATEMENT_LIMIT,
	POLICY_STATEMENT_NUM
};

/*
 * @text:	without comments, line ends and superfluous blanks
 * @name_len:	of the beginning that says what the statement is about: of another one with the same
 *		beginning it is another version. The whole text of those that are about nothing else
 * @hash:	of that beginning, tenant and kind
 */
struct policy_statement {
	enum policy_statement_kind kind;
	const char *tenant;
	const char *text;
	size_t name_len;
	uint64_t hash;
	struct policy_place place;
};

/* @list: by kind, then by tenant, then as the policy has them */
struct policy_statements {
	struct policy_statement *list;
	uint32_t num;
	char *text;
};

/* @policy: without errors; borrowed. 0 or -ENOMEM; policy_statements_free() in any case */
int policy_statements_make(struct policy_statements *statements, const struct policy *policy);
void policy_statements_free(struct policy_statements *statements);

/* The statement that begins at @place, as its line has it, comments too; lines that backslashes join are one.
 * Text of @len bytes, which may hold anything; to be freed. NULL: no memory */
char *policy_statement_text(const struct policy *policy, const struct policy_place *place, size_t *len);

const char *policy_statement_kind_name(enum policy_statement_kind kind);

/* By kind and tenant: < 0, 0 or > 0 */
int policy_statement_compare(const struct policy_statement *a, const struct policy_statement *b);

#endif
