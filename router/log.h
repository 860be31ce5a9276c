/* SPDX-License-Identifier: MIT */
/*
 * log.h - messages to stderr, with levels
 *
 * Under systemd (JOURNAL_STREAM) a line starts with <N>, elsewhere with time and level.
 * Thread-safe; one write(2) a line; never blocks on more than stderr itself.
 */
#ifndef LOG_H
#define LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG,
	LOG_LEVEL_NUM
};

/* Name ("error", "warning", "info", "debug") to level, or -EINVAL. */
int log_level_parse(const char *name);
void log_level_set(enum log_level level);

void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * What log_error() said first in this thread since log_error_forget(), for whoever asked for
 * what failed; "" where there was nothing.
 */
const char *log_error_first(void);
void log_error_forget(void);

/**
 * struct log_limit - at most @burst messages in a second from one place
 *
 * For messages that a container, a peer or a stranger can provoke. Zero-filled
 * but for @burst. What was left out is counted and said with the next message.
 */
struct log_limit {
	unsigned int burst;
	uint64_t second;
	unsigned int said, left_out;
};

/* Returns whether a message may be said now; logs how many were left out. */
bool log_limit_ok(struct log_limit *limit);

#endif
