/* SPDX-License-Identifier: MIT */
/* policy_report.c - what is wrong with a policy, said in one go */
#include "policy_report.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "config_report.h"
#include "memstream.h"
#include "policy_lex.h"

#define LINE_SHOWN	160	/* bytes of the line that a message quotes */

int policy_report_init(struct policy_report *report, const struct policy_sources *sources)
{
	memset(report, 0, sizeof(*report));
	report->sources = sources;
	report->out = open_memstream(&report->text, &report->len);
	return report->out ? 0 : -ENOMEM;
}

/* Control characters and odd bytes must not reach a terminal. */
static char printable(char c)
{
	if (c == '\t')
		return ' ';
	return c >= ' ' && c < 0x7f ? c : '?';
}

/* The line, cut on both sides where it is long, and a caret below @place. */
static void show_line(struct policy_report *report, const struct policy_place *place, size_t width)
{
	size_t len, from = 0, at = place->column - 1;
	const char *line = policy_sources_line(report->sources, place, &len);

	if (at > len)
		return;
	if (at > LINE_SHOWN / 2)
		from = at - LINE_SHOWN / 2;
	if (len > from + LINE_SHOWN)
		len = from + LINE_SHOWN;
	if (width > len - at)
		width = len - at;
	fputs("    ", report->out);
	for (size_t i = from; i < len; i++)
		putc(printable(line[i]), report->out);
	fprintf(report->out, "\n    %*s^", (int)(at - from), "");
	for (size_t i = 1; i < width; i++)
		putc('~', report->out);
	putc('\n', report->out);
}

bool policy_report_is_shown(const struct policy_report *report)
{
	return report->errors < POLICY_ERRORS_SHOWN;
}

/* Counts a message. Is it shown? */
static bool count(struct policy_report *report)
{
	return report->errors++ < POLICY_ERRORS_SHOWN;
}

static void add(struct policy_report *report, const struct policy_place *place, size_t width,
		const char *before, const char *fmt, va_list args)
{
	if (!count(report))
		return;
	fprintf(report->out, "%s:%u:%u: %s", report->sources->files[place->file].name,
		place->line, place->column, before);
	vfprintf(report->out, fmt, args);
	putc('\n', report->out);
	show_line(report, place, width);
}

void policy_report_expected(struct policy_report *report, uint32_t file,
			    const struct config_token *token, const char *fmt, ...)
{
	char found[CONFIG_FOUND_MAX], before[CONFIG_FOUND_MAX + 32];
	struct policy_place place = policy_lex_place(file, report->sources->files[file].text, token);
	va_list args;

	snprintf(before, sizeof(before), "found %s, expected ",
		 config_report_found(token, found));
	va_start(args, fmt);
	add(report, &place, token->len, before, fmt, args);
	va_end(args);
}

void policy_report_place(struct policy_report *report, const struct policy_place *place, size_t width,
			 const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	add(report, place, width, "", fmt, args);
	va_end(args);
}

void policy_report_plain(struct policy_report *report, const char *fmt, ...)
{
	va_list args;

	if (!count(report))
		return;
	va_start(args, fmt);
	vfprintf(report->out, fmt, args);
	va_end(args);
	putc('\n', report->out);
}

char *policy_report_end(struct policy_report *report)
{
	if (report->errors > POLICY_ERRORS_SHOWN)
		fprintf(report->out, "%u more errors, not shown here\n",
			report->errors - POLICY_ERRORS_SHOWN);
	if (!memstream_close(report->out, &report->text)) {
		free(report->text);
		report->text = NULL;
	}
	report->out = NULL;
	return report->text;
}
