/* SPDX-License-Identifier: MIT */
/* config_word.h - how far a word is from one that is known */
#ifndef CONFIG_WORD_H
#define CONFIG_WORD_H

#include <stdbool.h>
#include <stddef.h>

#include "config_lex.h"

/* Is the token just this word? */
bool config_word_is(const struct config_token *token, const char *word);

/*
 * How many letters must be changed, added, dropped or swapped with their neighbour to make
 * @word of the token; of both only the first 31 bytes are looked at.
 */
unsigned int config_word_distance(const struct config_token *token, const char *word);

#endif
