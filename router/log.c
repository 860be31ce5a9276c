/* SPDX-License-Identifier: MIT */
/* log.c - messages to stderr, with levels */
#include "log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *const level_names[LOG_LEVEL_NUM] = {
	[LOG_LEVEL_ERROR] = "error",
	[LOG_LEVEL_WARNING] = "warning",
	[LOG_LEVEL_INFO] = "info",
	[LOG_LEVEL_DEBUG] = "debug",
};

/* syslog(3) priorities, for systemd */
static const int level_priorities[LOG_LEVEL_NUM] = { 3, 4, 6, 7 };

static enum log_level level_max = LOG_LEVEL_INFO;
static __thread char error_first[512];

int log_level_parse(const char *name)
{
	for (int i = 0; i < LOG_LEVEL_NUM; i++)
		if (!strcmp(name, level_names[i]))
			return i;
	return -EINVAL;
}

void log_level_set(enum log_level level)
{
	level_max = level;
}

static int prefix(char *line, size_t size, enum log_level level)
{
	struct timespec ts;
	struct tm tm;

	if (getenv("JOURNAL_STREAM"))
		return snprintf(line, size, "<%d>", level_priorities[level]);
	clock_gettime(CLOCK_REALTIME, &ts);
	gmtime_r(&ts.tv_sec, &tm);
	return snprintf(line, size, "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ %s: ",
			tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
			tm.tm_min, tm.tm_sec, ts.tv_nsec / 1000000, level_names[level]);
}

const char *log_error_first(void)
{
	return error_first;
}

void log_error_forget(void)
{
	error_first[0] = '\0';
}

/* What others sent must not forge lines or drive a terminal. */
static void clean(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = '?';
}

static void say(enum log_level level, const char *fmt, va_list args)
{
	char line[1024];
	size_t len;
	int saved = errno;

	if (level > level_max)
		return;
	len = (size_t)prefix(line, sizeof(line), level);
	vsnprintf(line + len, sizeof(line) - len - 1, fmt, args);
	clean(line);
	if (level == LOG_LEVEL_ERROR && !error_first[0])
		snprintf(error_first, sizeof(error_first), "%s", line + len);
	len = strlen(line);
	line[len++] = '\n';
	if (write(STDERR_FILENO, line, len) < 0)
		errno = 0;	/* there is nobody to tell */
	errno = saved;
}

#define LOG_FUNCTION(name, level)			\
	void name(const char *fmt, ...)			\
	{						\
		va_list args;				\
							\
		va_start(args, fmt);			\
		say(level, fmt, args);			\
		va_end(args);				\
	}

LOG_FUNCTION(log_error, LOG_LEVEL_ERROR)
LOG_FUNCTION(log_warning, LOG_LEVEL_WARNING)
LOG_FUNCTION(log_info, LOG_LEVEL_INFO)
LOG_FUNCTION(log_debug, LOG_LEVEL_DEBUG)

bool log_limit_ok(struct log_limit *limit)
{
	struct timespec ts;
	unsigned int left_out;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	if (__atomic_exchange_n(&limit->second, (uint64_t)ts.tv_sec, __ATOMIC_RELAXED) !=
	    (uint64_t)ts.tv_sec) {
		__atomic_store_n(&limit->said, 0, __ATOMIC_RELAXED);
		left_out = __atomic_exchange_n(&limit->left_out, 0, __ATOMIC_RELAXED);
		if (left_out)
			log_warning("%u messages like the next were left out", left_out);
	}
	if (__atomic_fetch_add(&limit->said, 1, __ATOMIC_RELAXED) < limit->burst)
		return true;
	__atomic_fetch_add(&limit->left_out, 1, __ATOMIC_RELAXED);
	return false;
}
