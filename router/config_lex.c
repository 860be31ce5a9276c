/* SPDX-License-Identifier: MIT */
/* config_lex.c - slimrouter.conf(5) as a row of tokens */
#include "config_lex.h"

#include <stdbool.h>

void config_lex_init(struct config_lex *lex, const char *text, size_t len)
{
	lex->pos = text;
	lex->end = text + len;
	lex->line_start = text;
	lex->line = 1;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_control(char c)
{
	return (unsigned char)c < ' ' || c == 0x7f;
}

static bool ends_word(char c)
{
	return is_control(c) || c == ' ' || c == '{' || c == '}' || c == ';' || c == '"' ||
	       c == '#';
}

static void skip_comment(struct config_lex *lex)
{
	while (lex->pos < lex->end && *lex->pos != '\n')
		lex->pos++;
}

static void skip_space(struct config_lex *lex)
{
	while (lex->pos < lex->end) {
		if (*lex->pos == '#') {
			skip_comment(lex);
			continue;
		}
		if (!is_space(*lex->pos))
			return;
		if (*lex->pos++ == '\n') {
			lex->line++;
			lex->line_start = lex->pos;
		}
	}
}

void config_lex_string(struct config_lex *lex, struct config_token *token)
{
	token->text = lex->pos;
	while (lex->pos < lex->end && *lex->pos != '"' && !is_control(*lex->pos))
		lex->pos++;
	token->len = (size_t)(lex->pos - token->text);
	if (lex->pos < lex->end && *lex->pos == '"') {
		token->type = CONFIG_TOKEN_STRING;
		lex->pos++;
	} else {
		token->type = CONFIG_TOKEN_OPEN_STRING;
	}
}

static void take_word(struct config_lex *lex, struct config_token *token)
{
	token->type = CONFIG_TOKEN_WORD;
	while (lex->pos < lex->end && !ends_word(*lex->pos))
		lex->pos++;
	token->len = (size_t)(lex->pos - token->text);
}

static enum config_token_type mark_type(char c)
{
	switch (c) {
	case '{':
		return CONFIG_TOKEN_OPEN;
	case '}':
		return CONFIG_TOKEN_CLOSE;
	case ';':
		return CONFIG_TOKEN_SEMICOLON;
	default:
		return CONFIG_TOKEN_BYTE;
	}
}

struct config_token config_lex_next(struct config_lex *lex)
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
		token.type = mark_type(*lex->pos);
		token.len = 1;
		lex->pos++;
	}
	return token;
}
