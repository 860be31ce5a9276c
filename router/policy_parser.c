/* SPDX-License-Identifier: MIT */
/* policy_parser.c - where reading a policy's file has come to, and what all that reads it does */
#include "policy_parser.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "config_value.h"
#include "config_word.h"
#include "policy_lex.h"
#include "policy_value.h"

/* --- tokens --- */

void policy_parser_advance(struct policy_parser *p)
{
	p->token = policy_lex_next(&p->lex);
}

bool policy_parser_is(const struct policy_parser *p, const char *word)
{
	return p->token.type == CONFIG_TOKEN_WORD && config_word_is(&p->token, word);
}

bool policy_parser_at_end(const struct policy_parser *p)
{
	return p->token.type == CONFIG_TOKEN_NEWLINE || p->token.type == CONFIG_TOKEN_END;
}

bool policy_parser_accept_word(struct policy_parser *p, const char *word)
{
	if (!policy_parser_is(p, word))
		return false;
	policy_parser_advance(p);
	return true;
}

bool policy_parser_accept_mark(struct policy_parser *p, enum config_token_type mark)
{
	if (p->token.type != mark)
		return false;
	policy_parser_advance(p);
	return true;
}

struct policy_place policy_parser_place(const struct policy_parser *p)
{
	return policy_lex_place(p->file, p->build->policy->sources.files[p->file].text, &p->token);
}

/* --- what is wrong --- */

void policy_parser_expected(struct policy_parser *p, const char *fmt, ...)
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

void policy_parser_expected_of(struct policy_parser *p, const char *what, const char *const *names,
			       size_t num)
{
	unsigned int distance = CONFIG_WORD_FAR;
	const char *best = NULL;

	for (size_t i = 0; i < num && p->token.type == CONFIG_TOKEN_WORD; i++)
		if (config_word_is_nearer(&p->token, names[i], &distance))
			best = names[i];
	if (best)
		policy_parser_expected(p, "%s; did you mean \"%s\"?", what, best);
	else
		policy_parser_expected(p, "%s", what);
}

void policy_parser_wrong(struct policy_parser *p, const struct policy_place *where, const char *fmt, ...)
{
	char what[512];
	va_list args;

	if (p->bad)
		return;
	va_start(args, fmt);
	vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);
	policy_report_place(p->report, where, 1, "%s", what);
	p->bad = true;
}

/* --- values --- */

const char *policy_parser_value(const struct policy_parser *p, char *out, size_t size)
{
	if ((p->token.type != CONFIG_TOKEN_WORD && p->token.type != CONFIG_TOKEN_STRING) ||
	    p->token.len >= size)
		return NULL;
	memcpy(out, p->token.text, p->token.len);
	out[p->token.len] = '\0';
	return out;
}

uint64_t policy_parser_number(struct policy_parser *p, int (*convert)(const char *text, uint64_t *out),
			      const char *what)
{
	uint64_t number = 0;
	char text[32];

	if (!policy_parser_value(p, text, sizeof(text)) || convert(text, &number)) {
		policy_parser_expected(p, "%s", what);
		return 0;
	}
	policy_parser_advance(p);
	return number;
}

uint64_t policy_parser_rate(struct policy_parser *p)
{
	return policy_parser_number(p, policy_value_rate,
				    "a rate from 8bit to 1000gbit, as 64kbit, 100mbit or 2.5gbit");
}

static uint32_t take_string(struct policy_parser *p)
{
	uint32_t string = policy_build_string(p->build, p->token.text, p->token.len);

	policy_parser_advance(p);
	return string;
}

uint32_t policy_parser_name(struct policy_parser *p, const char *what)
{
	char text[CONFIG_NAME_MAX];

	if (policy_parser_value(p, text, sizeof(text)) && config_value_name_ok(text))
		return take_string(p);
	policy_parser_expected(p, "%s", what);
	return POLICY_NONE;
}

uint32_t policy_parser_text(struct policy_parser *p, const char *what)
{
	char text[CONFIG_NAME_MAX];

	if (policy_parser_value(p, text, sizeof(text)) && *text)
		return take_string(p);
	policy_parser_expected(p, "%s", what);
	return POLICY_NONE;
}
