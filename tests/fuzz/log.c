/* SPDX-License-Identifier: MIT */
/*
 * log.c - router/log.h for fuzz targets: messages are written, and read by nobody
 */
#include "../../router/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int log_level_parse(const char *name)
{
	return strcmp(name, "info") ? -EINVAL : LOG_LEVEL_INFO;
}

void log_level_set(enum log_level level)
{
	(void)level;
}

const char *log_error_first(void)
{
	return "";
}

void log_error_forget(void)
{
}

bool log_limit_ok(struct log_limit *limit)
{
	(void)limit;
	return true;
}

/* A sanitizer sees what the arguments are; FUZZ_LOG shows them to people too. */
static void say(const char *fmt, va_list args)
{
	char line[1024];

	vsnprintf(line, sizeof(line), fmt, args);
	if (getenv("FUZZ_LOG"))
		fprintf(stderr, "%s\n", line);
}

#define LOG_FUNCTION(name)				\
	void name(const char *fmt, ...)			\
	{						\
		va_list args;				\
							\
		va_start(args, fmt);			\
		say(fmt, args);				\
		va_end(args);				\
	}

LOG_FUNCTION(log_error)
LOG_FUNCTION(log_warning)
LOG_FUNCTION(log_info)
LOG_FUNCTION(log_debug)
