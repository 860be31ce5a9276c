/* SPDX-License-Identifier: MIT */
/*
 * backlog.c - a listener whose queue is full, and what becomes of those that wait for room in it
 *
 * A queue of N has room for N + 1. Who comes then waits, since the kernel drops what would open a connection; a
 * second later it is sent again.
 */
#include <sys/time.h>

#include "program.h"

#define MANY		64
#define MOMENT_MS	300

static const char *const backlogs[] = { "none", "one", NULL };
static const char *const thens[] = { "accepted", "raised", "closed", NULL };

enum then { ACCEPTED, RAISED, CLOSED };

/* (Each takes more than a second.) */
static bool then_applies(void)
{
	return (chosen[0] == 1) == (chosen[1] == RAISED);
}

/* --- server --- */

static void accept_all(int from, int num)
{
	int fds[MANY], right = 0;
	char byte;

	for (int i = 0; i < num; i++)
		fds[i] = accept(from, NULL, NULL);
	for (int i = 0; i < num; i++) {
		right += read(fds[i], &byte, 1) == 1 && write(fds[i], &byte, 1) == 1;
		close(fds[i]);
	}
	printf("all of them: %d\n", right == num);
}

static void filled(void)
{
	int from = listener((int)chosen[0]), told = accepted(from);
	char num = 0;

	say("write", write(told, "x", 1));
	say("read", read(told, &num, 1));
	if (chosen[1] == RAISED)
		say("listen", listen(from, MANY));
	if (chosen[1] != CLOSED)
		accept_all(from, num);
	say("close", close(from));
	say_end(told);
}

/* --- client --- */

static bool is_there(int fd, int ms)
{
	return poll(&(struct pollfd){ .fd = fd, .events = POLLOUT }, 1, ms) == 1;
}

static int connect_timed(void)
{
	struct timeval time = { .tv_usec = 100000 }, none = { 0 };
	int fd = tcp(0);

	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof(time));
	if (connect(fd, TO, to_len))
		printf("with SO_SNDTIMEO: %s\n", error_name(errno));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &none, sizeof(none));
	return fd;
}

/* How many there are then, until one has to wait: others hear a moment later that there is no room. */
static int fill_queue(int fds[MANY])
{
	int num = 0;

	for (; num < (int)chosen[0] + 2; num++) {
		fds[num] = tcp(SOCK_NONBLOCK);
		say("connect", connect(fds[num], TO, to_len));
		if (num > (int)chosen[0])
			differs("full-queue");
		say("is there", is_there(fds[num], num > (int)chosen[0] ? MOMENT_MS : WAIT_MS));
	}
	while (num < MANY) {
		fds[num] = connect_timed();
		if (!is_there(fds[num++], 20))
			break;
		poll(NULL, 0, 20);
	}
	return num;
}

/* Whose turn comes first is not said. Returns how many had their byte sent back. */
static int echo_each(const int fds[], int num)
{
	bool written[MANY];
	int right = 0;

	for (int i = 0; i < num; i++)
		written[i] = is_there(fds[i], WAIT_MS) && !get_int(fds[i], SOL_SOCKET, SO_ERROR) &&
			     write(fds[i], "x", 1) == 1;
	for (int i = 0; i < num; i++) {
		char byte = 0;

		fcntl(fds[i], F_SETFL, 0);
		right += written[i] && read(fds[i], &byte, 1) == 1 && byte == 'x';
		close(fds[i]);
	}
	return right;
}

static void fills(void)
{
	int fds[MANY], told = connected(), num, right;
	char byte;

	say("read", read(told, &byte, 1));
	num = fill_queue(fds);
	byte = (char)num;
	say("write", write(told, &byte, 1));
	right = echo_each(fds, num);
	printf("echoed: %s\n", right == num ? "all" : right ? "some" : "none");
	close(told);
}

static const struct test tests[] = {
	{ "fills", fills, filled, "slow", .dimensions = { backlogs, thens }, .applies = then_applies },
};

RUN_TESTS(tests)
