/* SPDX-License-Identifier: MIT */
/* format.c - figures as people read them */
#include "format.h"

#include <stddef.h>
#include <stdio.h>

/* Beyond this nobody reads on, and it fits the integers below (some 30,000 years). */
#define SECONDS_MAX	1e12

static const char *format_scaled(char *out, double value, const char *const *units, size_t num)
{
	size_t i = 0;

	for (; value >= 999.5 && i + 1 < num; i++)
		value /= 1000;
	snprintf(out, FORMAT_MAX, i && value < 9.95 ? "%.1f %s" : "%.0f %s", value, units[i]);
	return out;
}

const char *format_bytes(char *out, int64_t bytes)
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB", "PB", "EB" };

	return format_scaled(out, (double)bytes, units, sizeof(units) / sizeof(units[0]));
}

const char *format_microseconds(char *out, double us)
{
	static const char *const units[] = { "us", "ms", "s" };

	return format_scaled(out, us, units, sizeof(units) / sizeof(units[0]));
}

const char *format_duration(char *out, double seconds)
{
	uint64_t s;

	if (!(seconds >= 0 && seconds < SECONDS_MAX)) {
		snprintf(out, FORMAT_MAX, "?");
		return out;
	}
	s = (uint64_t)seconds;
	if (seconds < 9.95)
		snprintf(out, FORMAT_MAX, "%.1fs", seconds);
	else if (s < 60)
		snprintf(out, FORMAT_MAX, "%us", (unsigned int)s);
	else if (s < 3600)
		snprintf(out, FORMAT_MAX, "%um%02us", (unsigned int)s / 60, (unsigned int)s % 60);
	else if (s < 86400)
		snprintf(out, FORMAT_MAX, "%uh%02um", (unsigned int)s / 3600,
			 (unsigned int)s / 60 % 60);
	else
		snprintf(out, FORMAT_MAX, "%llud%02uh", (unsigned long long)(s / 86400),
			 (unsigned int)(s / 3600 % 24));
	return out;
}
