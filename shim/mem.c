/* SPDX-License-Identifier: MIT */
/*
 * mem.c - the four functions that gcc expects of a freestanding program
 *
 * Only linked into libslim.so, where they are hidden. The shim copies names and
 * frames, nothing large.
 */
#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t len)
{
	const unsigned char *s = from;
	unsigned char *d = to;

	for (; len >= sizeof(long); len -= sizeof(long), s += sizeof(long), d += sizeof(long))
		__builtin_memcpy(d, s, sizeof(long));
	while (len--)
		*d++ = *s++;
	return to;
}

void *memmove(void *to, const void *from, size_t len)
{
	const unsigned char *s = from;
	unsigned char *d = to;

	if (d <= s) {
		while (len--)
			*d++ = *s++;
		return to;
	}
	while (len--)
		d[len] = s[len];
	return to;
}

void *memset(void *to, int byte, size_t len)
{
	unsigned char *d = to;

	while (len--)
		*d++ = (unsigned char)byte;
	return to;
}

int memcmp(const void *a, const void *b, size_t len)
{
	const unsigned char *p = a, *q = b;

	for (; len; p++, q++, len--) {
		if (*p != *q)
			return *p - *q;
	}
	return 0;
}
