/* SPDX-License-Identifier: MIT */
/*
 * option.h - the socket options that scripts set and read
 */
#ifndef RANDOM_OPTION_H
#define RANDOM_OPTION_H

#define OPTION_VALUES	3

enum option_type {
	OPTION_INT,
	OPTION_LINGER,		/* a number: seconds, or -1 for off */
	OPTION_TIME,		/* a number: milliseconds */
	OPTION_READ,		/* of which only reading makes sense */
};

/* Those that rules speak of */
enum option_number {
	NUMBER_V6ONLY, NUMBER_TCLASS, NUMBER_HOPS, NUMBER_ERROR, NUMBER_REUSEADDR, NUMBER_REUSEPORT,
	NUMBER_RCVTIMEO, NUMBER_SNDTIMEO, NUMBER_FASTOPEN_CONNECT, NUMBER_MARK, NUMBER_RCVBUF, NUMBER_SNDBUF,
	NUMBER_MORE,
};

struct option {
	const char *word;
	int level, name;
	enum option_type type;
	int values[OPTION_VALUES];	/* that a generator sets */
};

extern const struct option options[];
extern const int options_num;

/* Its number, or -1 */
int option_find(const char *word);

#endif
