/* SPDX-License-Identifier: MIT */
/* slimctl_text.c - members of a reply, as text for a table's cell */
#include "slimctl_text.h"

#include <stdio.h>
#include <string.h>

#include "format.h"

const char *slimctl_text(const json_t *item, const char *key)
{
	const char *text = json_string_value(json_object_get(item, key));

	return text ? text : "";
}

void slimctl_text_string(char *out, const json_t *item, const char *key)
{
	snprintf(out, SLIMCTL_TEXT_MAX, "%s", slimctl_text(item, key));
}

void slimctl_text_number(char *out, const json_t *item, const char *key)
{
	const json_t *value = json_object_get(item, key);

	*out = '\0';
	if (json_is_integer(value))
		snprintf(out, SLIMCTL_TEXT_MAX, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
}

void slimctl_text_bytes(char *out, const json_t *item, const char *key)
{
	const json_t *value = json_object_get(item, key);

	*out = '\0';
	if (json_is_integer(value))
		format_bytes(out, json_integer_value(value));
}

void slimctl_text_seconds(char *out, const json_t *item, const char *key)
{
	const json_t *value = json_object_get(item, key);

	*out = '\0';
	if (json_is_number(value))
		format_duration(out, json_number_value(value));
}

/* A round trip of nothing has not been measured. */
static void round_trip(char *out, const json_t *value, double unit)
{
	*out = '\0';
	if (json_is_number(value) && json_number_value(value) > 0)
		format_microseconds(out, json_number_value(value) * unit);
}

void slimctl_text_milliseconds(char *out, const json_t *item, const char *key)
{
	round_trip(out, json_object_get(item, key), 1000);
}

void slimctl_text_microseconds(char *out, const json_t *item, const char *key)
{
	round_trip(out, json_object_get(item, key), 1);
}

void slimctl_text_bool(char *out, const json_t *item, const char *key)
{
	strcpy(out, json_is_true(json_object_get(item, key)) ? "yes" : "no");
}

/* Adds "KEY=TEXT" or TEXT; what does not fit is cut. */
static void append(char *out, const char *key, const char *text)
{
	size_t len = strlen(out);

	snprintf(out + len, SLIMCTL_TEXT_MAX - len, "%s%s%s%s", len ? "," : "", key,
		 *key ? "=" : "", text);
}

void slimctl_text_list(char *out, const json_t *item, const char *key)
{
	const json_t *array = json_object_get(item, key), *element;
	size_t i;

	*out = '\0';
	json_array_foreach(array, i, element)
		if (json_is_string(element))
			append(out, "", json_string_value(element));
}

void slimctl_text_labels(char *out, const json_t *item, const char *key)
{
	json_t *object = json_object_get(item, key), *value;
	const char *name;

	*out = '\0';
	json_object_foreach(object, name, value)
		if (json_is_string(value))
			append(out, name, json_string_value(value));
}

void slimctl_text_endpoint(char *out, const json_t *item, const char *key)
{
	const char *address = slimctl_text(item, key);

	snprintf(out, SLIMCTL_TEXT_MAX,
		 strchr(address, ':') ? "[%s]:%" JSON_INTEGER_FORMAT : "%s:%" JSON_INTEGER_FORMAT,
		 address, json_integer_value(json_object_get(item, "port")));
}

void slimctl_text_reason(char *out, const json_t *item, const char *key)
{
	char reason_key[64];
	const char *reason;

	snprintf(reason_key, sizeof(reason_key), "%s_reason", key);
	reason = slimctl_text(item, reason_key);
	snprintf(out, SLIMCTL_TEXT_MAX, *reason ? "%s (%s)" : "%s", slimctl_text(item, key), reason);
}

const char *slimctl_text_plural(json_int_t num)
{
	return num == 1 ? "" : "s";
}
