/* SPDX-License-Identifier: MIT */
/* policy_lex.c - slim-policy(5) as a row of tokens */
#include "policy_lex.h"

#include <stdbool.h>

/* A table, since each byte of a policy is looked up */
static bool ends_word(char c)
{
	static const bool ends[256] = {
		[0 ... ' '] = true, [0x7f] = true, [','] = true, ['='] = true, ['"'] = true,
		['#'] = true, ['\\'] = true,
	};

	return ends[(unsigned char)c];
}

static void next_line(struct config_lex *lex)
{
	lex->pos++;
	lex->line++;
	lex->line_start = lex->pos;
}

/* Is there a backslash, and nothing but space behind it on its line? Then goes there. */
static bool skip_joint(struct config_lex *lex)
{
	const char *pos = lex->pos + 1;

	while (pos < lex->end && (*pos == ' ' || *pos == '\t' || *pos == '\r'))
		pos++;
	if (pos < lex->end && *pos != '\n')
		return false;
	lex->pos = pos;
	if (pos < lex->end)
		next_line(lex);
	return true;
}

static void skip_space(struct config_lex *lex)
{
	while (lex->pos < lex->end) {
		char c = *lex->pos;

		if (c == ' ' || c == '\t' || c == '\r') {
			lex->pos++;
		} else if (c == '#') {
			while (lex->pos < lex->end && *lex->pos != '\n')
				lex->pos++;
		} else if (c != '\\' || !skip_joint(lex)) {
			return;
		}
	}
}

static void take_word(struct config_lex *lex, struct config_token *token)
{
	token->type = CONFIG_TOKEN_WORD;
	while (lex->pos < lex->end && !ends_word(*lex->pos))
		lex->pos++;
	token->len = (size_t)(lex->pos - token->text);
}

static void take_mark(struct config_lex *lex, struct config_token *token)
{
	token->len = 1;
	if (*lex->pos == '\n') {
		token->type = CONFIG_TOKEN_NEWLINE;
		next_line(lex);
		return;
	}
	if (*lex->pos == ',')
		token->type = CONFIG_TOKEN_COMMA;
	else if (*lex->pos == '=')
		token->type = CONFIG_TOKEN_EQUALS;
	else
		token->type = CONFIG_TOKEN_BYTE;
	lex->pos++;
}

struct config_token policy_lex_next(struct config_lex *lex)
{
	struct config_token token = { .type = CONFIG_TOKEN_END };

	skip_space(lex);
	token.text = lex->pos;
	token.line = lex->line;
	token.column = (unsigned int)(lex->pos - lex->line_start) + 1;
	if (lex->pos == lex->end)
		return token;
	if (*lex->pos == '"') {
		lex->pos++;
		config_lex_string(lex, &token);
	} else if (!ends_word(*lex->pos)) {
		take_word(lex, &token);
	} else {
		take_mark(lex, &token);
	}
	return token;
}

struct policy_place policy_lex_place(uint32_t file, const char *text, const struct config_token *token)
{
	bool quoted = token->type == CONFIG_TOKEN_STRING || token->type == CONFIG_TOKEN_OPEN_STRING;

	return (struct policy_place){
		.file = file,
		.line = token->line,
		.column = token->column,
		.offset = (uint32_t)(token->text - text) - quoted,
	};
}
