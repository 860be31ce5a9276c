/* SPDX-License-Identifier: MIT */
/* config_word.h - how far a word is from one that is known */
#ifndef CONFIG_WORD_H
#define CONFIG_WORD_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "config_lex.h"

/* Is the token just this word? */
static inline bool config_word_is(const struct config_token *token, const char *word)
{
	return token->len && token->text[0] == word[0] &&
	       !strncmp(token->text, word, token->len) && !word[token->len];
}

/*
 * How many letters must be changed, added, dropped or swapped with their neighbour to make
 * @word of the token; of both only the first 31 bytes are looked at.
 */
unsigned int config_word_distance(const struct config_token *token, const char *word);

#endif
