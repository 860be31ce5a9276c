/* SPDX-License-Identifier: MIT */
/*
 * accepting.c - accept() that waits, and what ends that before a connection comes
 *
 * The client's first connection tells it when to make the second one: when the server has been disturbed.
 */
#include <sys/time.h>

#include "program.h"

static int told;	/* the first connection: a byte sent on it calls for the second one */

static void call_for_it(void)
{
	if (write(told, "x", 1) != 1)
		_exit(3);
}

static void second_when_told(void)
{
	int fd = connected();
	char byte;

	say("read", read(fd, &byte, 1));
	one_echo();
	close(fd);
}

/* --- disturbed by a signal, or by time --- */

enum { PLAIN, RESTART };

static const char *const flags[] = { "plain", "restart", NULL };
static const char *const times[] = { "forever", "timed", NULL };

static void handle(int signal)
{
	(void)signal;
	/* What is started anew waits for what comes now. */
	if (chosen[0] == RESTART && !chosen[1])
		call_for_it();
}

static void interrupted(void)
{
	struct sigaction action = { .sa_handler = handle,
				    .sa_flags = chosen[0] == RESTART ? SA_RESTART : 0 };
	struct itimerval soon = { .it_value.tv_usec = 5000 };
	struct timeval time = { .tv_sec = chosen[1] ? 5 : 0 };
	int from = listener(8), fd;

	told = accepted(from);
	setsockopt(from, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time));
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &soon, NULL);
	fd = accepted(from);
	if (fd < 0) {
		call_for_it();
		fd = accepted(from);
	}
	serve_echo(fd);
}

static void timed(void)
{
	struct timeval time = { .tv_usec = 5000 };
	int from = listener(8);

	told = accepted(from);
	setsockopt(from, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time));
	accepted(from);
	time = (struct timeval){ .tv_sec = 5 };
	setsockopt(from, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time));
	call_for_it();
	serve_echo(accepted(from));
}

static const struct test tests[] = {
	{ "interrupted", second_when_told, interrupted, .dimensions = { flags, times } },
	{ "timed", second_when_told, timed },
};

RUN_TESTS(tests)
