/* SPDX-License-Identifier: MIT */
/*
 * option_verdicts.c - what the shim's own tables say of options: lines of NAME LEVEL NUMBER in, NAME VERDICT out
 */
#include <stdio.h>

#include "../../../shim/option_table.h"

static const char *const kinds[] = {
	[OPTION_CARRY] = "carried", [OPTION_CARRY_KNOWN] = "noted", [OPTION_CARRY_HALF] = "carried",
	[OPTION_PACKET] = "packet",
};

static const char *kind_in(const struct option *table, unsigned int num, int level, int name)
{
	for (unsigned int i = 0; i < num; i++)
		if (table[i].level == level && table[i].name == name)
			return kinds[table[i].kind];
	return NULL;
}

/* An option that sets another one's value has that one's bit. */
static const char *verdict(int level, int name)
{
	uint64_t bit = options_bit(level, name);

	if (!bit)
		return "traceless";
	if (bit == OPTIONS_STRANGE)
		return "strange";
	if (bit == OPTIONS_LISTENING)
		return "listening";
	if (bit == OPTIONS_RARE)
		return kind_in(option_rare, option_rare_num, level, name);
	return kinds[option_common[__builtin_ctzll(bit)].kind];
}

int main(void)
{
	char name[64];
	int level, number;

	while (scanf("%63s %d %d", name, &level, &number) == 3)
		printf("%s %s\n", name, verdict(level, number));
	return 0;
}
