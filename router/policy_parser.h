/* SPDX-License-Identifier: MIT */
/*
 * policy_parser.h - where reading a policy's file has come to, and what all that reads it does
 *
 * What takes something finds it at @token, and goes on behind it; what is wrong is reported once a statement:
 * from then on @bad is set, and nothing more is reported until the next one begins.
 */
#ifndef POLICY_PARSER_H
#define POLICY_PARSER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"
#include "config_lex.h"
#include "policy_build.h"
#include "policy_report.h"

/*
 * @token:	the next one, looked at but not taken
 * @file:	its number
 * @tenant:	whom statements are about; POLICY_NONE before the first "tenant"
 * @start:	where the statement began
 * @depth:	of inclusion
 * @bad:	the statement has been reported
 * @includes:	may files include others?
 */
struct policy_parser {
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

/* --- tokens --- */

void policy_parser_advance(struct policy_parser *p);
bool policy_parser_is(const struct policy_parser *p, const char *word);

/* Of a line, or of the file */
bool policy_parser_at_end(const struct policy_parser *p);

/* Takes it, if it is there. */
bool policy_parser_accept_word(struct policy_parser *p, const char *word);
bool policy_parser_accept_mark(struct policy_parser *p, enum config_token_type mark);

struct policy_place policy_parser_place(const struct policy_parser *p);

/* --- what is wrong --- */

/* "found TOKEN, expected WHAT" */
void policy_parser_expected(struct policy_parser *p, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* The same, with the one of @names that the token resembles, if there is one */
void policy_parser_expected_of(struct policy_parser *p, const char *what, const char *const *names,
			       size_t num);

/* Reports about the statement, or its clause, that began at @where. */
void policy_parser_wrong(struct policy_parser *p, const struct policy_place *where, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* --- values --- */

/* The token's text with a final zero; @out. NULL where it is no value, or too long. */
const char *policy_parser_value(const struct policy_parser *p, char *out, size_t size);

/* Takes what @convert makes a number of, as policy_value.h does; 0: reported */
uint64_t policy_parser_number(struct policy_parser *p, int (*convert)(const char *text, uint64_t *out),
			      const char *what);

/* Takes a rate, in bytes a second. */
uint64_t policy_parser_rate(struct policy_parser *p);

/* Takes a name as the configuration's are: a string of the policy. POLICY_NONE: reported */
uint32_t policy_parser_name(struct policy_parser *p, const char *what);

/* Takes a text of 1 to 63 bytes, as the names and labels of containers are; else likewise. */
uint32_t policy_parser_text(struct policy_parser *p, const char *what);

#endif
