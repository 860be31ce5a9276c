/* SPDX-License-Identifier: MIT */
/* config_report.c - what is wrong with a configuration, said in one go */
#include "config_report.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Of the text, kept for config_report_end() */
#define RESERVED	48
#define MESSAGE_MAX	1024

void config_report_init(struct config_report *report, const char *file, char *text, size_t size)
{
	memset(report, 0, sizeof(*report));
	report->file = file;
	report->text = text;
	report->size = size;
	if (size)
		text[0] = '\0';
}

/* A caller with little room gets the first message cut rather than none. */
static void add_line(struct config_report *report, const char *line, size_t reserved)
{
	size_t len = strlen(line);
	size_t room = report->size - report->used;

	report->messages++;
	if (report->used && len + 2 + reserved > room) {
		report->left_out++;
		return;
	}
	if (room < 2)
		return;
	if (len + 2 > room)
		len = room - 2;
	memcpy(report->text + report->used, line, len);
	report->used += len;
	report->text[report->used++] = '\n';
	report->text[report->used] = '\0';
}

static void add(struct config_report *report, const struct config_token *token,
		const char *before, const char *fmt, va_list args)
{
	char line[MESSAGE_MAX];
	int len;

	if (token)
		len = snprintf(line, sizeof(line), "%.400s:%u:%u: %s", report->file, token->line,
			       token->column, before);
	else
		len = snprintf(line, sizeof(line), "%.400s: %s", report->file, before);
	vsnprintf(line + len, sizeof(line) - (size_t)len, fmt, args);
	add_line(report, line, RESERVED);
}

void config_report_add(struct config_report *report, const struct config_token *token,
		       const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	add(report, token, "", fmt, args);
	va_end(args);
}

void config_report_expected(struct config_report *report, const struct config_token *token,
			    const char *fmt, ...)
{
	char found[CONFIG_FOUND_MAX], before[CONFIG_FOUND_MAX + 32];
	va_list args;

	snprintf(before, sizeof(before), "found %s, expected ",
		 config_report_found(token, found));
	va_start(args, fmt);
	add(report, token, before, fmt, args);
	va_end(args);
}

void config_report_file(struct config_report *report, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	add(report, NULL, "", fmt, args);
	va_end(args);
}

bool config_report_full(const struct config_report *report)
{
	return report->left_out > 0;
}

void config_report_end(struct config_report *report)
{
	if (report->left_out)
		add_line(report, "there are more errors, not shown here", 0);
}

/* Control characters and odd bytes must not reach a terminal. */
static void copy_printable(char *out, const char *text, size_t len, size_t size)
{
	bool cut = len > size - 1;

	if (cut)
		len = size - 1;
	for (size_t i = 0; i < len; i++)
		out[i] = text[i] >= ' ' && text[i] < 0x7f ? text[i] : '?';
	out[len] = '\0';
	if (cut)
		memcpy(out + len - 3, "...", 3);
}

const char *config_report_found(const struct config_token *token, char *out)
{
	char text[CONFIG_FOUND_MAX - 40];

	copy_printable(text, token->text, token->len, sizeof(text));
	switch (token->type) {
	case CONFIG_TOKEN_END:
		snprintf(out, CONFIG_FOUND_MAX, "the end of the file");
		break;
	case CONFIG_TOKEN_NEWLINE:
		snprintf(out, CONFIG_FOUND_MAX, "the end of the line");
		break;
	case CONFIG_TOKEN_OPEN_STRING:
		snprintf(out, CONFIG_FOUND_MAX, "a string without its closing quote");
		break;
	case CONFIG_TOKEN_BYTE:
		snprintf(out, CONFIG_FOUND_MAX, "the byte 0x%02x", (unsigned char)*token->text);
		break;
	default:
		snprintf(out, CONFIG_FOUND_MAX, "\"%s\"", text);
	}
	return out;
}
