/* SPDX-License-Identifier: MIT */
/*
 * slimctl_text.h - members of a reply, as text for a table's cell
 *
 * Whatever a reply lacks, or has in another type, reads as nothing. Those that take @out
 * write at most SLIMCTL_TEXT_MAX bytes.
 */
#ifndef SLIMCTL_TEXT_H
#define SLIMCTL_TEXT_H

#include <jansson.h>

#define SLIMCTL_TEXT_MAX	4096

/* A string; "" where there is none. */
const char *slimctl_text(const json_t *item, const char *key);

void slimctl_text_string(char *out, const json_t *item, const char *key);
void slimctl_text_number(char *out, const json_t *item, const char *key);
void slimctl_text_bytes(char *out, const json_t *item, const char *key);
void slimctl_text_seconds(char *out, const json_t *item, const char *key);
void slimctl_text_milliseconds(char *out, const json_t *item, const char *key);
void slimctl_text_microseconds(char *out, const json_t *item, const char *key);

/* What makes several of one: "s", or "" */
const char *slimctl_text_plural(json_int_t num);

/* "yes" or "no" */
void slimctl_text_bool(char *out, const json_t *item, const char *key);
/* The strings of an array, with commas between */
void slimctl_text_list(char *out, const json_t *item, const char *key);
/* "K=V" of an object, with commas between */
void slimctl_text_labels(char *out, const json_t *item, const char *key);
/* The string at @key (an address) with the port beside it */
void slimctl_text_endpoint(char *out, const json_t *item, const char *key);
/* The string at @key with its reason, KEY_reason, in parentheses */
void slimctl_text_reason(char *out, const json_t *item, const char *key);

#endif
