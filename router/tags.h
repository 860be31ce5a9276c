/* SPDX-License-Identifier: MIT */
/*
 * tags.h - a container's name and labels
 *
 * As they go over the wire, too: the name, then each label's key and its value, each with a final
 * zero. Immutable.
 */
#ifndef TAGS_H
#define TAGS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <urcu.h>

#include "../include/slim/wire.h"

struct tags {
	struct rcu_head rcu;		/* for who shares it with readers */
	size_t len;
	char text[];
};

/* Is it tags: printable, a name, each key once, none of them empty but values, not too many, nothing
 * too long? */
bool tags_are_good(const char *text, size_t len);

/* Of good ones. To be freed with free(3); NULL: no memory. */
struct tags *tags_new(const char *text, size_t len);

/* The same of a name and an object of strings. NULL with errno ENOMEM, or EINVAL where those make no
 * good tags. */
struct tags *tags_make(const char *name, json_t *labels);

bool tags_equal(const struct tags *a, const struct tags *b);

static inline const char *tags_name(const struct tags *tags)
{
	return tags->text;
}

/* Calls @each for every label. */
void tags_each(const struct tags *tags,
	       void (*each)(const char *key, const char *value, void *data), void *data);

#endif
