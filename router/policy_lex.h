/* SPDX-License-Identifier: MIT */
/*
 * policy_lex.h - slim-policy(5) as a row of tokens
 *
 * One statement a line; a backslash at the end of a line joins the next one to it.
 */
#ifndef POLICY_LEX_H
#define POLICY_LEX_H

#include "config_lex.h"
#include "policy_source.h"

/* The next token of a lexer that config_lex_init() made. CONFIG_TOKEN_NEWLINE ends each
 * line; at the end CONFIG_TOKEN_END, again and again. */
struct config_token policy_lex_next(struct config_lex *lex);

/* Where @token stands in file number @file, whose text begins at @text. */
struct policy_place policy_lex_place(uint32_t file, const char *text, const struct config_token *token);

#endif
