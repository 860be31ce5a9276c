/* SPDX-License-Identifier: MIT */
/*
 * epoll.c - registrations in epoll sets, before and after a connection is made
 */
#include <sys/epoll.h>

#include "program.h"

static void epoll_say(int set)
{
	struct epoll_event event = { 0 };

	say("epoll_wait", epoll_wait(set, &event, 1, WAIT_MS));
	printf("events %x, data %llx\n", event.events, (unsigned long long)event.data.u64);
}

/* No connection is made by itself while this process is here. */
static void epoll_quiet(int set)
{
	struct epoll_event event;

	say("epoll_wait, nothing new", epoll_wait(set, &event, 1, 0));
}

/* What the unconnected socket says (EPOLLHUP) must not be taken for the connection's. */
static void epoll_settle(int set)
{
	struct epoll_event event = { .events = EPOLLHUP };

	while (event.events & EPOLLHUP)
		if (epoll_wait(set, &event, 1, WAIT_MS) <= 0)
			event.events = 0;
	printf("events %x, data %llx\n", event.events, (unsigned long long)event.data.u64);
}

/* @copy: a duplicate keeps the old socket open meanwhile */
static void epoll_before(uint32_t events, bool copy)
{
	struct epoll_event event = { .events = EPOLLIN | events, .data.u64 = 0x123456789abcdef0 };
	int fd = tcp(SOCK_NONBLOCK), set = epoll_create1(0), other = copy ? dup(fd) : -1;

	say("EPOLL_CTL_ADD", epoll_ctl(set, EPOLL_CTL_ADD, fd, &event));
	event.events = EPOLLOUT | events;
	event.data.u64 = 0x0fedcba987654321;
	say("EPOLL_CTL_MOD", epoll_ctl(set, EPOLL_CTL_MOD, fd, &event));
	say("connect", connect(fd, TO, to_len));
	epoll_settle(set);
	if (events & (EPOLLET | EPOLLONESHOT))
		epoll_quiet(set);
	else
		epoll_say(set);
	event.events = EPOLLIN | events;
	say("EPOLL_CTL_MOD", epoll_ctl(set, EPOLL_CTL_MOD, fd, &event));
	say("write", write(fd, "y", 1));
	epoll_say(set);
	say("read", read(fd, &event, 1));
	event.events = EPOLLIN;
	say("EPOLL_CTL_ADD", epoll_ctl(set, EPOLL_CTL_ADD, fd, &event));
	say("EPOLL_CTL_DEL", epoll_ctl(set, EPOLL_CTL_DEL, fd, NULL));
	say("EPOLL_CTL_DEL", epoll_ctl(set, EPOLL_CTL_DEL, fd, NULL));
	close(other);
	finish(fd);
	close(set);
}

static void level(void)
{
	epoll_before(0, false);
}

static void edge(void)
{
	epoll_before(EPOLLET, false);
}

static void level_dup(void)
{
	epoll_before(0, true);
}

/* It has fired before the connection is made, and must not be armed by that. */
static void oneshot(void)
{
	struct epoll_event event = { .events = EPOLLOUT | EPOLLONESHOT, .data.u64 = 7 };
	int fd = tcp(SOCK_NONBLOCK), set = epoll_create1(0);
	struct pollfd pollfd = { .fd = fd, .events = POLLOUT };

	say("EPOLL_CTL_ADD", epoll_ctl(set, EPOLL_CTL_ADD, fd, &event));
	epoll_say(set);
	epoll_quiet(set);
	say("connect", connect(fd, TO, to_len));
	say("poll", poll(&pollfd, 1, WAIT_MS));
	epoll_quiet(set);
	event.events = EPOLLOUT | EPOLLONESHOT;
	event.data.u64 = 8;
	say("EPOLL_CTL_MOD", epoll_ctl(set, EPOLL_CTL_MOD, fd, &event));
	epoll_say(set);
	epoll_quiet(set);
	finish(fd);
	close(set);
}

static void registered_after(void)
{
	struct epoll_event event = { .events = EPOLLOUT | EPOLLET, .data.u64 = 0xabcdef0123456789 };
	int fd = tcp(SOCK_NONBLOCK), set = epoll_create1(0);

	say("connect", connect(fd, TO, to_len));
	say("EPOLL_CTL_ADD", epoll_ctl(set, EPOLL_CTL_ADD, fd, &event));
	epoll_say(set);
	epoll_quiet(set);
	finish(fd);
	close(set);
}

/* More sets than the shim keeps notes of; one of them within another. */
static void many(void)
{
	struct epoll_event event = { .events = EPOLLOUT };
	int fd = tcp(SOCK_NONBLOCK), sets[8], outer = epoll_create1(0);
	struct pollfd pollfd = { .fd = fd, .events = POLLOUT };

	for (int i = 0; i < 8; i++) {
		sets[i] = epoll_create1(0);
		event.data.u64 = 0x100u + (unsigned int)i;
		epoll_ctl(sets[i], EPOLL_CTL_ADD, fd, &event);
	}
	event.data.u64 = 99;
	event.events = EPOLLIN;
	say("a set in a set", epoll_ctl(outer, EPOLL_CTL_ADD, sets[3], &event));
	say("connect", connect(fd, TO, to_len));
	say("poll", poll(&pollfd, 1, WAIT_MS));
	for (int i = 0; i < 8; i++)
		epoll_say(sets[i]);
	epoll_say(outer);
	finish(fd);
}

/* Registered as a duplicate under another number, which stays the old socket's. */
static void in_fork(void)
{
	struct epoll_event event = { .events = EPOLLOUT, .data.u64 = 5 };
	int fd = tcp(SOCK_NONBLOCK), set = epoll_create1(0), status = -1;

	epoll_ctl(set, EPOLL_CTL_ADD, fd, &event);
	fflush(stdout);
	if (!fork()) {
		say("child: connect", connect(fd, TO, to_len));
		epoll_settle(set);
		finish(fd);
		fflush(stdout);
		_exit(0);
	}
	wait(&status);
	printf("child: %d\n", status);
}

static const struct test tests[] = {
	{ "level", level, NULL, NULL },
	{ "edge", edge, NULL, NULL },
	{ "level_dup", level_dup, NULL, NULL },
	{ "oneshot", oneshot, NULL, NULL },
	{ "registered_after", registered_after, NULL, NULL },
	{ "many", many, NULL, NULL },
	{ "in_fork", in_fork, NULL, NULL },
};

RUN_TESTS(tests)
