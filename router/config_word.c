/* SPDX-License-Identifier: MIT */
/* config_word.c - how far a word is from one that is known */
#include "config_word.h"

#include <string.h>

#define LOOKED_AT	31

static unsigned int least(unsigned int a, unsigned int b, unsigned int c)
{
	unsigned int ab = a < b ? a : b;

	return ab < c ? ab : c;
}

/*
 * Optimal string alignment: cost[i][j] is the distance of the first i bytes of one from the
 * first j of the other. (L. Boytsov, Indexing methods for approximate dictionary searching,
 * 2011, section 2.2.)
 */
unsigned int config_word_distance(const struct config_token *token, const char *word)
{
	unsigned int cost[LOOKED_AT + 1][LOOKED_AT + 1];
	size_t a_len = token->len < LOOKED_AT ? token->len : LOOKED_AT;
	size_t b_len = strnlen(word, LOOKED_AT);
	const char *a = token->text;

	for (size_t i = 0; i <= a_len; i++)
		cost[i][0] = (unsigned int)i;
	for (size_t j = 0; j <= b_len; j++)
		cost[0][j] = (unsigned int)j;
	for (size_t i = 1; i <= a_len; i++) {
		for (size_t j = 1; j <= b_len; j++) {
			unsigned int differs = a[i - 1] != word[j - 1];

			cost[i][j] = least(cost[i - 1][j] + 1, cost[i][j - 1] + 1,
					   cost[i - 1][j - 1] + differs);
			if (i > 1 && j > 1 && a[i - 1] == word[j - 2] && a[i - 2] == word[j - 1] &&
			    cost[i - 2][j - 2] + 1 < cost[i][j])
				cost[i][j] = cost[i - 2][j - 2] + 1;
		}
	}
	return cost[a_len][b_len];
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool config_word_is_nearer(const struct config_token *token, const char *word, unsigned int *least)
{
	size_t len = strlen(word);
	size_t longer = len > token->len ? len - token->len : token->len - len;
	unsigned int distance;

	if (!token->len || !is_letter(token->text[0]) || longer >= *least)
		return false;
	distance = config_word_distance(token, word);
	if (distance >= *least || distance * 2 > len)
		return false;
	*least = distance;
	return true;
}
