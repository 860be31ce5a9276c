/* SPDX-License-Identifier: MIT */
/*
 * option_table.h - which socket options there are, and how each follows a socket
 */
#ifndef SHIM_OPTION_TABLE_H
#define SHIM_OPTION_TABLE_H

#include <stdint.h>

enum option_kind {
	OPTION_CARRY,		/* set on the new socket what the old one has */
	OPTION_CARRY_KNOWN,	/* ... only where it is known to have been set: connections differ */
	OPTION_CARRY_HALF,	/* ... half of it: the kernel doubles what it is given */
	OPTION_PACKET,		/* not zero: the socket stays on the packet path */
};

struct option {
	int level, name;
	enum option_kind kind;
	uint16_t size;		/* of its value; 0: a string */
};

/*
 * Each option of the common table has a bit, by its place there. Of the rare ones, which hardly any program
 * sets, one bit says that there are some: all of them are looked at then.
 */
#define OPTION_COMMON_MAX	60
#define OPTIONS_LISTENING	(1ull << 60)	/* some that say something of listeners alone */
#define OPTIONS_RARE		(1ull << 61)
#define OPTIONS_STRANGE		(1ull << 62)	/* some that cannot be carried, whatever their value */

extern const struct option option_common[], option_rare[];
extern const unsigned int option_common_num, option_rare_num;

/* The bit of an option; 0 for one that does not concern us. */
uint64_t options_bit(int level, int name);

#endif
