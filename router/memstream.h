/* SPDX-License-Identifier: MIT */
/*
 * memstream.h - the end of what open_memstream(3) has begun
 */
#ifndef MEMSTREAM_H
#define MEMSTREAM_H

#include <stdbool.h>
#include <stdio.h>

/**
 * memstream_close() - close the stream, so that its text is there
 * @out:	NULL where open_memstream() failed
 * @text:	what open_memstream() was given; to be freed in any case
 *
 * Returns false where not all of it was written. (A stream that has no memory when it is closed leaves
 * no text, and says nothing.)
 */
static inline bool memstream_close(FILE *out, char *const *text)
{
	bool whole = out && !ferror(out);

	if (out && fclose(out))
		whole = false;
	return whole && *text;
}

#endif
