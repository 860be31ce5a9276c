/* SPDX-License-Identifier: MIT */
/*
 * policy_source.h - the files that a policy is made of
 */
#ifndef POLICY_SOURCE_H
#define POLICY_SOURCE_H

#include <stddef.h>
#include <stdint.h>

#define POLICY_FILES_MAX	4096
#define POLICY_BYTES_MAX	(256u << 20)	/* of all files together */

/* Where something was said: @file counts a policy's files, @line and @column from 1; @offset: bytes from the
 * beginning of the file */
struct policy_place {
	uint32_t file, line, column, offset;
};

struct policy_source {
	char *name;
	char *text;
	size_t len;
};

/*
 * All zero when new.
 * @files:	in the order in which they were read
 * @saved:	or NULL: files are taken from these instead of the disk
 */
struct policy_sources {
	struct policy_source *files;
	uint32_t files_num;
	size_t bytes;
	const struct policy_sources *saved;
};

/**
 * policy_sources_read() - read a file
 * @path:	of a regular file
 * @index:	set to its number
 *
 * Returns 0, -errno, or -EFBIG where files or bytes are too many. Never waits for a fifo.
 */
int policy_sources_read(struct policy_sources *sources, const char *path, uint32_t *index);

/**
 * policy_sources_list() - what `include` of a directory reads
 * @paths:	set to the paths of its files whose names end in ".policy", in order; each of them, and
 *		the array, to be freed
 *
 * Returns their number, -ENOTDIR (it is a file), or another -errno.
 */
int policy_sources_list(const struct policy_sources *sources, const char *path, char ***paths);

/* As policy_sources_read(), with a text in memory, which is copied; @name stands for the file in messages. */
int policy_sources_add(struct policy_sources *sources, const char *name, const char *text,
		       size_t len, uint32_t *index);

void policy_sources_free(struct policy_sources *sources);

/* The line of @place, without its end. */
const char *policy_sources_line(const struct policy_sources *sources,
				const struct policy_place *place, size_t *len);

#endif
