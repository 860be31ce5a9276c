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

#define CONFIG_WORD_FAR		3	/* words that differ in this many letters are not alike */

/*
 * Does a token that begins with a letter resemble @word (in half of its letters at least) more than the one
 * that it resembles most so far, by *@least? Then sets that. It begins with CONFIG_WORD_FAR.
 */
bool config_word_is_nearer(const struct config_token *token, const char *word, unsigned int *least);

#endif
