/* SPDX-License-Identifier: MIT */
/*
 * listener.c - listeners: who shares them, how they end, and how their connections do
 */
#include <netinet/tcp.h>
#include <pthread.h>
#include <sys/syscall.h>

#include "program.h"

#define WORKERS	3
#define ECHOES	30

/* --- several that accept --- */

/*
 * Children that share a listener; @own: or have one each, on the same port. All end when
 * the last of the connections has.
 */
static void workers(bool own)
{
	int from = own ? -1 : listener(64), pipes[2];
	pid_t all[WORKERS];

	if (pipe(pipes))
		return;
	for (int i = 0; i < WORKERS; i++) {
		all[i] = fork();
		if (all[i])
			continue;
		if (own) {
			from = bound(SO_REUSEPORT);
			listen(from, 64);
		}
		for (;;) {
			int fd = accept(from, NULL, NULL);

			echo_all(fd);
			close(fd);
			if (write(pipes[1], "x", 1) != 1)
				_exit(1);
		}
	}
	for (int i = 0; i < ECHOES; i++) {
		char byte;

		if (read(pipes[0], &byte, 1) != 1)
			break;
	}
	for (int i = 0; i < WORKERS; i++) {
		kill(all[i], SIGKILL);
		waitpid(all[i], NULL, 0);
	}
	puts("all have ended");
}

static void preforked(void)
{
	workers(false);
}

static void reuseport(void)
{
	workers(true);
}

static void many_echoes(void)
{
	int right = 0;

	for (int i = 0; i < ECHOES; i++) {
		char byte = (char)i, got = -1;
		int fd = tcp(0);

		right += connect(fd, TO, to_len) == 0 && write(fd, &byte, 1) == 1 &&
			 read(fd, &got, 1) == 1 && got == byte;
		close(fd);
	}
	printf("echoed: %d\n", right);
}

static void *accept_some(void *from)
{
	for (int i = 0; i < ECHOES / WORKERS; i++) {
		int fd = accept(*(int *)from, NULL, NULL);

		echo_all(fd);
		close(fd);
	}
	return NULL;
}

static void threads(void)
{
	int from = listener(64);
	pthread_t all[WORKERS];

	for (int i = 0; i < WORKERS; i++)
		pthread_create(&all[i], NULL, accept_some, &from);
	for (int i = 0; i < WORKERS; i++)
		pthread_join(all[i], NULL);
	say("all have ended", close(from));
}

/* --- listeners that end, and begin again --- */

static void ended(bool by_shutdown)
{
	int from = listener(8), fd = accepted(from);

	echo_all(fd);
	if (by_shutdown) {
		say("shutdown", shutdown(from, SHUT_RD));
		say("accept", accept(from, NULL, NULL));
	} else {
		say("close", close(from));
	}
	close(fd);
	poll(NULL, 0, 100);
	if (!by_shutdown)
		return;
	say("listen", listen(from, 8));
	serve_echo(accepted(from));
}

static void closed(void)
{
	ended(false);
}

static void shut_down(void)
{
	ended(true);
}

/* By which number a listener ends, and in which process */
static const char *const by[] = { "itself", "duplicate", "child", NULL };
static const char *const how[] = { "shut", "closed", "put_over", "close_range", NULL };

static void end_listener(int fd)
{
	if (chosen[1] == 0)
		say("shutdown", shutdown(fd, SHUT_RD));
	else if (chosen[1] == 1)
		say("close", close(fd));
	else if (chosen[1] == 2)
		say("dup2", dup2(STDOUT_FILENO, fd) == fd);
	else
		say("close_range", (int)syscall(SYS_close_range, fd, fd, 0));
}

/* Under one number the socket listens, under the other it ends. */
static void listen_and_end(int from, int other)
{
	int fd;

	say("listen", listen(from, 8));
	fd = accepted(from);
	if (other != from)
		close(from);
	end_listener(other);
	say("write", write(fd, "x", 1));
	say_end(fd);
	close(fd);
}

static void ends(void)
{
	int from = bound(SO_REUSEADDR), other = chosen[0] ? dup(from) : from;
	pid_t pid = chosen[0] >= 2 ? child() : 0;

	if (!pid) {
		listen_and_end(from, other);
		if (chosen[0] >= 2)
			child_ends();
		return;
	}
	close(from);
	close(other);
	printf("child: %d\n", status_of(pid));
}

static void ends_client(void)
{
	int fd = connected();
	char byte;

	say("read", read(fd, &byte, 1));
	until_refused(100);
	close(fd);
}

static void refused_at_last(void)
{
	one_echo();
	until_refused(300);
}

/* The listener listens again, soon: all comes right. */
static void echoes_at_last(void)
{
	int got = 0, tries = 300;

	one_echo();
	while (!got && tries--) {
		int fd = tcp(0);
		char byte = 'y';

		if (connect(fd, TO, to_len) == 0 && write(fd, &byte, 1) == 1 &&
		    read(fd, &byte, 1) == 1)
			got = byte == 'y';
		shutdown(fd, SHUT_WR);
		if (got)
			say_end(fd);
		close(fd);
		poll(NULL, 0, 10);
	}
	printf("echoed: %d\n", got);
}

/* The port is free at once, although connections of it are open or in TIME_WAIT. */
static void rebound(void)
{
	int from = listener(8), one, other;

	one = accepted(from);
	serve_echo(accepted(from));
	say("close", close(from));
	from = listener(8);
	say("a second listener", bind(tcp(0), TO, to_len));
	echo_all(one);
	say("close", close(one));
	other = accepted(from);
	say_names("accepted", other);
	serve_echo(other);
}

static void rebound_client(void)
{
	int first = connected();

	one_echo();
	echo(first);
	shutdown(first, SHUT_WR);
	say_end(first);
	one_echo();
}

/* --- how connections begin and end --- */

static void deferred(void)
{
	int from = bound(SO_REUSEADDR), fd;
	char byte;

	set_int(from, IPPROTO_TCP, TCP_DEFER_ACCEPT, 5);
	listen(from, 8);
	fcntl(from, F_SETFL, O_NONBLOCK);
	say("poll", poll(&(struct pollfd){ .fd = from, .events = POLLIN }, 1, WAIT_MS));
	fd = accepted(from);
	say("there at once", recv(fd, &byte, 1, MSG_DONTWAIT));
	say("write", write(fd, &byte, 1));
	serve_echo(fd);
}

/* Nothing is said for a while, or at all. */
static void late_byte(void)
{
	int fd = connected();

	poll(NULL, 0, 150);
	echo(fd);
	shutdown(fd, SHUT_WR);
	say_end(fd);
	close(fd);
}

/* @linger: a close() that resets; else there is data that nobody has read */
static void reset(bool linger)
{
	struct linger now = { .l_onoff = 1 };
	int from = listener(8), fd = accepted(from);
	char byte;

	say("recv", recv(fd, &byte, 1, linger ? 0 : MSG_PEEK));
	if (linger)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	say("close", close(fd));
}

static void lingers(void)
{
	reset(true);
}

static void unread(void)
{
	reset(false);
}

static void is_reset(void)
{
	int fd = connected();
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };

	say("write", write(fd, "x", 1));
	say("poll", poll(&pollfd, 1, WAIT_MS));
	printf("events %x\n", pollfd.revents);
	say_end(fd);
	say_end(fd);
	say("write", write(fd, "x", 1));
	close(fd);
}

/* The server speaks first. */
static void greeted(void)
{
	int fd = accepted(listener(8));

	say("write", write(fd, "hello", 5));
	say("shutdown", shutdown(fd, SHUT_WR));
	say_end(fd);
	close(fd);
}

static void greeting(void)
{
	char bytes[8];
	int fd = connected();

	say("read", recv(fd, bytes, 5, MSG_WAITALL));
	say_end(fd);
	say("write", write(fd, "x", 1));
	close(fd);
}

/* The queue of connections that nobody accepts yet. */
static void one_after_another(void)
{
	int from = listener(8);
	char byte;

	/* Until four wait. */
	poll(NULL, 0, 300);
	for (int i = 0; i < 4; i++) {
		int fd = accepted(from);

		say("read", read(fd, &byte, 1));
		printf("%c\n", byte);
		say("write", write(fd, &byte, 1));
		close(fd);
	}
}

static void four_at_once(void)
{
	int fds[4];
	char byte;

	for (int i = 0; i < 4; i++) {
		fds[i] = connected();
		byte = (char)('a' + i);
		say("write", write(fds[i], &byte, 1));
	}
	for (int i = 0; i < 4; i++) {
		say("read", read(fds[i], &byte, 1));
		printf("%c\n", byte);
		say_end(fds[i]);
	}
}

static const struct test tests[] = {
	{ "preforked", many_echoes, preforked, NULL },
	{ "reuseport", many_echoes, reuseport, NULL },
	{ "threads", many_echoes, threads, NULL },
	{ "closed", refused_at_last, closed, NULL },
	{ "ends", ends_client, ends, .dimensions = { by, how } },
	{ "shut_down", echoes_at_last, shut_down, NULL },
	{ "rebound", rebound_client, rebound, NULL },
	{ "deferred", late_byte, deferred, NULL },
	{ "lingers", is_reset, lingers, NULL },
	{ "unread", is_reset, unread, NULL },
	{ "greeted", greeting, greeted, NULL },
	{ "queued", four_at_once, one_after_another, NULL },
};

RUN_TESTS(tests)
