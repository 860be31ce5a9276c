/* SPDX-License-Identifier: MIT */
/*
 * debug.c - a log of the shim's doings, where SLIM_DEBUG names a file
 *
 * The file is opened for every line, so that no fd of ours stands in a program's way.
 */
#include <fcntl.h>
#include <stddef.h>

#include "debug.h"
#include "mem.h"
#include "signals.h"
#include "sys.h"

#define LINE_MAX_	160
#define FILE_MAX	256

#define AT_SECURE_	23

extern char **environ __attribute__((weak));
extern unsigned long getauxval(unsigned long type) __attribute__((weak));

/* Empty: there is no log. */
static char file_name[FILE_MAX];

/*
 * The environment changes, and moves, while threads run: what it says is taken when the library is
 * loaded.
 */
static __attribute__((constructor)) void take_file_name(void)
{
	static const char word[] = "SLIM_DEBUG=";

	/* A setuid program must not write where its caller says. */
	if (!&environ || !environ || !getauxval || getauxval(AT_SECURE_))
		return;
	for (char **variable = environ; *variable; variable++) {
		size_t i = 0, len = 0;

		while (word[i] && (*variable)[i] == word[i])
			i++;
		if (word[i])
			continue;
		while ((*variable)[i + len])
			len++;
		if (len < sizeof(file_name))
			memcpy(file_name, *variable + i, len + 1);
		return;
	}
}

static size_t put_number(char *to, int number)
{
	unsigned int rest = number < 0 ? 0u - (unsigned int)number : (unsigned int)number;
	char digits[12];
	size_t num = 0, at = 0;

	do {
		digits[num++] = (char)('0' + rest % 10);
		rest /= 10;
	} while (rest);
	if (number < 0)
		to[at++] = '-';
	while (num)
		to[at++] = digits[--num];
	return at;
}

static size_t format_line(char *line, const char *format, int number)
{
	size_t at = 0;

	memcpy(line, "slim[", 5);
	at = 5 + put_number(line + 5, (int)sys_getpid());
	line[at++] = ']';
	line[at++] = ' ';
	for (; *format && at < LINE_MAX_ - 16; format++) {
		if (format[0] == '%' && format[1] == 'd') {
			at += put_number(line + at, number);
			format++;
		} else {
			line[at++] = *format;
		}
	}
	line[at++] = '\n';
	return at;
}

void debug_say(const char *format, int number)
{
	uint64_t signals;
	char line[LINE_MAX_];
	long fd;

	if (!file_name[0])
		return;
	/* A handler that leaps away would leave the file open. */
	signals = signals_hold();
	fd = sys_openat(AT_FDCWD, file_name, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
			0600);
	if (fd >= 0) {
		sys_write((int)fd, line, format_line(line, format, number));
		sys_close((int)fd);
	}
	signals_let(signals);
}
