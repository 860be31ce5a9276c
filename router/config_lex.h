/* SPDX-License-Identifier: MIT */
/*
 * config_lex.h - slimrouter.conf(5) as a row of tokens
 */
#ifndef CONFIG_LEX_H
#define CONFIG_LEX_H

#include <stddef.h>

enum config_token_type {
	CONFIG_TOKEN_END,
	CONFIG_TOKEN_WORD,
	CONFIG_TOKEN_STRING,
	CONFIG_TOKEN_OPEN,		/* { */
	CONFIG_TOKEN_CLOSE,		/* } */
	CONFIG_TOKEN_SEMICOLON,
	CONFIG_TOKEN_OPEN_STRING,	/* a string that does not end on its line */
	CONFIG_TOKEN_BYTE,		/* one that belongs in no configuration */
	CONFIG_TOKEN_COMMA,		/* these three in a policy alone (policy_lex.h) */
	CONFIG_TOKEN_EQUALS,
	CONFIG_TOKEN_NEWLINE,
	CONFIG_TOKEN_NUM
};

/*
 * @text, @len:		into the file's text; of a string, what is between the quotes
 * @line, @column:	where it starts, from 1; columns count bytes
 */
struct config_token {
	enum config_token_type type;
	const char *text;
	size_t len;
	unsigned int line, column;
};

struct config_lex {
	const char *pos, *end;
	const char *line_start;
	unsigned int line;
};

/* @text is borrowed, and needs no final zero. */
void config_lex_init(struct config_lex *lex, const char *text, size_t len);

/* The next token; at the end CONFIG_TOKEN_END, again and again. */
struct config_token config_lex_next(struct config_lex *lex);

/* Takes a string, which ends on its line, into @token. @lex is behind the opening quote. */
void config_lex_string(struct config_lex *lex, struct config_token *token);

#endif
