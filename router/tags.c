/* SPDX-License-Identifier: MIT */
/* tags.c - a container's name and labels */
#include "tags.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The string at *@at, and moves on behind it. NULL: there is none, or a longer one than @max. */
static const char *take(const char **at, const char *end, size_t max)
{
	const char *text = *at;
	size_t len = strnlen(text, (size_t)(end - text));

	if (text + len == end || len > max)
		return NULL;
	*at = text + len + 1;
	return text;
}

/* Control characters would spoil logs and terminals. */
static bool is_printable(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return false;
	return true;
}

static bool is_new_key(const char *labels, const char *key)
{
	while (labels < key) {
		if (!strcmp(labels, key))
			return false;
		labels += strlen(labels) + 1;
		labels += strlen(labels) + 1;
	}
	return true;
}

bool tags_are_good(const char *text, size_t len)
{
	const char *at = text, *end = text + len, *labels;
	const char *name = take(&at, end, SLIM_WIRE_TAG_MAX);
	unsigned int num = 0;

	if (!name || !*name || !is_printable(name))
		return false;
	for (labels = at; at < end; num++) {
		const char *key = take(&at, end, SLIM_WIRE_TAG_MAX);
		const char *value = key ? take(&at, end, SLIM_WIRE_TAG_MAX) : NULL;

		if (!value || !*key || !is_printable(key) || !is_printable(value) ||
		    !is_new_key(labels, key))
			return false;
	}
	return num <= SLIM_WIRE_LABELS;
}

struct tags *tags_new(const char *text, size_t len)
{
	struct tags *tags = malloc(sizeof(*tags) + len);

	if (!tags)
		return NULL;
	tags->len = len;
	memcpy(tags->text, text, len);
	return tags;
}

/* @text has room for one that is a byte longer than what is good. */
static void put(char *text, size_t *len, const char *string)
{
	size_t more = strnlen(string, SLIM_WIRE_TAG_MAX + 1);

	memcpy(text + *len, string, more);
	text[*len + more] = '\0';
	*len += more + 1;
}

struct tags *tags_make(const char *name, json_t *labels)
{
	char text[SLIM_WIRE_TAGS_MAX + (2 * SLIM_WIRE_LABELS + 1)];
	size_t len = 0;
	const char *key;
	json_t *value;

	put(text, &len, name);
	if (json_object_size(labels) > SLIM_WIRE_LABELS)
		goto bad;
	json_object_foreach(labels, key, value) {
		put(text, &len, key);
		put(text, &len, json_string_value(value));
	}
	if (tags_are_good(text, len))
		return tags_new(text, len);
bad:
	errno = EINVAL;
	return NULL;
}

bool tags_equal(const struct tags *a, const struct tags *b)
{
	return a->len == b->len && !memcmp(a->text, b->text, a->len);
}

void tags_each(const struct tags *tags,
	       void (*each)(const char *key, const char *value, void *data), void *data)
{
	const char *at = tags->text + strlen(tags->text) + 1, *end = tags->text + tags->len;

	while (at < end) {
		const char *key = at;
		const char *value = key + strlen(key) + 1;

		each(key, value, data);
		at = value + strlen(value) + 1;
	}
}
