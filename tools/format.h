/* SPDX-License-Identifier: MIT */
/*
 * format.h - figures as people read them
 *
 * Each writes to @out, FORMAT_MAX bytes, and returns it.
 */
#ifndef FORMAT_H
#define FORMAT_H

#include <stdint.h>

#define FORMAT_MAX	32

/* "512 B", "1.2 kB", "34 MB": powers of 1000, two digits at least */
const char *format_bytes(char *out, int64_t bytes);

/* "0.4s", "45s", "3m12s", "2h05m", "4d03h" */
const char *format_duration(char *out, double seconds);

/* "85 us", "1.2 ms", "3.4 s" */
const char *format_microseconds(char *out, double us);

#endif
