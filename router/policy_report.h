/* SPDX-License-Identifier: MIT */
/*
 * policy_report.h - what is wrong with a policy, said in one go
 *
 * A message is file:line:column: text, the line, and a caret below what is meant.
 */
#ifndef POLICY_REPORT_H
#define POLICY_REPORT_H

#include <stdbool.h>
#include <stdio.h>

#include "config_lex.h"
#include "policy_source.h"

#define POLICY_ERRORS_SHOWN	100	/* further ones are counted */

/* @errors: found, shown or not */
struct policy_report {
	const struct policy_sources *sources;
	FILE *out;
	char *text;
	size_t len;
	unsigned int errors;
};

/* @sources is borrowed. Returns 0 or -ENOMEM. */
int policy_report_init(struct policy_report *report, const struct policy_sources *sources);

/* Adds "found TOKEN, expected WHAT" about @token of file @file. */
void policy_report_expected(struct policy_report *report, uint32_t file,
			    const struct config_token *token, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Adds a message about the @width bytes that stand at @place. */
void policy_report_place(struct policy_report *report, const struct policy_place *place, size_t width,
			 const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* Is the next message one of those that are shown? */
bool policy_report_is_shown(const struct policy_report *report);

/* Adds a message about the policy as such. */
void policy_report_plain(struct policy_report *report, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Ends it. Returns the text, to be freed; NULL where memory did not suffice. */
char *policy_report_end(struct policy_report *report);

#endif
