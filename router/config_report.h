/* SPDX-License-Identifier: MIT */
/*
 * config_report.h - what is wrong with a configuration, said in one go
 */
#ifndef CONFIG_REPORT_H
#define CONFIG_REPORT_H

#include <stdbool.h>
#include <stddef.h>

#include "config_lex.h"

/* A token as messages show it: quoted, printable, shortened */
#define CONFIG_FOUND_MAX	96

/*
 * Messages are lines of file:line:column: text; one that does not fit whole is counted
 * instead.
 */
struct config_report {
	const char *file;
	char *text;
	size_t size, used;
	unsigned int messages, left_out;
};

/* @text, @size: where messages go; @size may be 0. */
void config_report_init(struct config_report *report, const char *file, char *text, size_t size);

/* Adds a message about @token. */
void config_report_add(struct config_report *report, const struct config_token *token,
		       const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Adds "found TOKEN, expected WHAT". */
void config_report_expected(struct config_report *report, const struct config_token *token,
			    const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Adds a message about the file as such. */
void config_report_file(struct config_report *report, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* No message fits any more: there is no use in looking for more. */
bool config_report_full(const struct config_report *report);

/* Says how many messages did not fit. */
void config_report_end(struct config_report *report);

/* Writes @token to @out, CONFIG_FOUND_MAX bytes. Returns @out. */
const char *config_report_found(const struct config_token *token, char *out);

#endif
