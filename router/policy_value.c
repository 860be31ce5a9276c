/* SPDX-License-Identifier: MIT */
/* policy_value.c - the values of slim-policy(5): from text to C */
#include "policy_value.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_value.h"
#include "endpoint.h"

#define RATE_MAX	1000000000000ull	/* bits a second */
#define FRACTION_MAX	1000			/* of a rate: three digits */

static int zero_prefix(const char *text, struct in6_addr *first, struct in6_addr *last)
{
	struct config_prefix all = { .len = 0 };

	if (!strcmp(text, "0.0.0.0/0")) {
		all.addr = addr_map4(0);
		all.len = 96;
	} else if (strcmp(text, "::/0") != 0) {
		return -EINVAL;
	}
	*first = all.addr;
	*last = config_prefix_last(&all);
	return 0;
}

static int value_prefix(const char *text, struct in6_addr *first, struct in6_addr *last)
{
	struct config_prefix prefix;
	int err;

	if (!zero_prefix(text, first, last))
		return 0;
	err = config_value_prefix(text, &prefix);
	if (err)
		return err;
	*first = prefix.addr;
	*last = config_prefix_last(&prefix);
	return 0;
}

static int value_range(const char *text, const char *mark, struct in6_addr *first,
		       struct in6_addr *last)
{
	char before[INET6_ADDRSTRLEN];
	size_t len = (size_t)(mark - text);

	if (len >= sizeof(before))
		return -EINVAL;
	memcpy(before, text, len);
	before[len] = '\0';
	if (addr_parse(before, first) || addr_parse(mark + 1, last) ||
	    addr_is4(first) != addr_is4(last))
		return -EINVAL;
	return memcmp(first, last, sizeof(*first)) > 0 ? -ERANGE : 0;
}

int policy_value_addresses(const char *text, struct in6_addr *first, struct in6_addr *last)
{
	const char *mark = strchr(text, '-');

	if (strchr(text, '/'))
		return value_prefix(text, first, last);
	if (mark)
		return value_range(text, mark, first, last);
	if (addr_parse(text, first))
		return -EINVAL;
	*last = *first;
	return 0;
}

int policy_value_ports(const char *text, uint16_t *first, uint16_t *last)
{
	const char *mark = strchr(text, '-');
	unsigned long from, to;
	char before[8];

	if (mark && (size_t)(mark - text) < sizeof(before)) {
		memcpy(before, text, (size_t)(mark - text));
		before[mark - text] = '\0';
		text = before;
	} else if (mark) {
		return -EINVAL;
	}
	if (config_value_number(text, 0, 65535, &from))
		return -EINVAL;
	to = from;
	if (mark && config_value_number(mark + 1, 0, 65535, &to))
		return -EINVAL;
	if (to < from)
		return -ERANGE;
	*first = (uint16_t)from;
	*last = (uint16_t)to;
	return 0;
}

static int number(const char *text, unsigned long min, unsigned long max, uint64_t *out)
{
	unsigned long value;
	int err = config_value_number(text, min, max, &value);

	if (!err)
		*out = value;
	return err;
}

/* The unit that @text ends with, in bits; 0: none. @len is set to what is in front. */
static uint64_t rate_unit(const char *text, size_t *len)
{
	static const struct {
		const char *name;
		uint64_t bits;
	} units[] = {
		{ "kbit", 1000 }, { "mbit", 1000000 }, { "gbit", 1000000000 }, { "bit", 1 },
	};

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		size_t unit = strlen(units[i].name), all = strlen(text);

		if (all > unit && !strcmp(text + all - unit, units[i].name)) {
			*len = all - unit;
			return units[i].bits;
		}
	}
	return 0;
}

/* The digits behind the point, as thousandths */
static int fraction(const char *text, unsigned long *out)
{
	size_t len = strlen(text);

	if (len > 3 || config_value_number(text, 0, FRACTION_MAX, out))
		return -EINVAL;
	for (; len < 3; len++)
		*out *= 10;
	return 0;
}

int policy_value_rate(const char *text, uint64_t *out)
{
	unsigned long whole, thousandths = 0;
	char number[24], *point;
	uint64_t unit, bits;
	size_t len;

	unit = rate_unit(text, &len);
	if (!unit || len >= sizeof(number))
		return -EINVAL;
	memcpy(number, text, len);
	number[len] = '\0';
	point = strchr(number, '.');
	if (point) {
		*point = '\0';
		if (fraction(point + 1, &thousandths))
			return -EINVAL;
	}
	switch (config_value_number(number, 0, RATE_MAX / unit, &whole)) {
	case -EINVAL:
		return -EINVAL;
	case -ERANGE:
		return -ERANGE;
	}
	bits = whole * unit + thousandths * unit / FRACTION_MAX;
	if (bits < 8 || bits > RATE_MAX)
		return -ERANGE;
	*out = bits / 8;
	return 0;
}

int policy_value_frequency(const char *text, uint64_t *out)
{
	size_t len = strlen(text);
	char digits[16];

	if (len < 3 || strcmp(text + len - 2, "/s") != 0 || len - 2 >= sizeof(digits))
		return -EINVAL;
	memcpy(digits, text, len - 2);
	digits[len - 2] = '\0';
	return number(digits, 1, 1000000, out);
}

int policy_value_connections(const char *text, uint64_t *out)
{
	return number(text, 1, 1000000, out);
}

int policy_value_priority(const char *text, uint64_t *out)
{
	return number(text, 0, 6, out);
}

/* --- code points --- */

static const char *const dscp_names[] = {
	"cs0", "cs1", "cs2", "cs3", "cs4", "cs5", "cs6", "cs7", "af11", "af12", "af13", "af21", "af22",
	"af23", "af31", "af32", "af33", "af41", "af42", "af43", "ef", "le",
};

static const uint8_t dscp_numbers[] = {
	0, 8, 16, 24, 32, 40, 48, 56, 10, 12, 14, 18, 20, 22, 26, 28, 30, 34, 36, 38, 46, 1,
};

#define DSCP_NUM	(sizeof(dscp_names) / sizeof(dscp_names[0]))

const char *const *policy_value_dscp_names(size_t *num)
{
	*num = DSCP_NUM;
	return dscp_names;
}

int policy_value_dscp(const char *text, uint64_t *out)
{
	uint64_t code;

	for (size_t i = 0; i < DSCP_NUM; i++) {
		if (!strcmp(text, dscp_names[i])) {
			*out = (uint64_t)dscp_numbers[i] << 2;
			return 0;
		}
	}
	if (number(text, 0, 63, &code))
		return -EINVAL;
	*out = code << 2;
	return 0;
}

int policy_value_tos(const char *text, uint64_t *out)
{
	const char *digits = text + 2;
	size_t len;

	if (text[0] != '0' || text[1] != 'x')
		return number(text, 0, 255, out) ? -EINVAL : 0;
	len = strspn(digits, "0123456789abcdefABCDEF");
	if (!len || len > 2 || digits[len])
		return -EINVAL;
	*out = strtoul(digits, NULL, 16);
	return 0;
}
