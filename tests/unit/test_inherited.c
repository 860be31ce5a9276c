/* SPDX-License-Identifier: MIT */
/*
 * test_inherited.c - what an earlier router left open is found, also where nothing more can be
 * opened
 * links: router/inherited.c router/openfiles.c router/endpoint.c router/log.c
 */
#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../router/inherited.h"
#include "../../router/keeper.h"
#include "../../router/openfiles.h"
#include "../../router/stray.h"
#include "suite.h"

static int unix_fd, pipe_fds[2], namespace_fd, kept_fd, closed_fds[4];

bool keeper_has_file(int fd)
{
	return fd == kept_fd;
}

void stray_close_fd(int fd)
{
	close(fd);
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

/* From here on, nothing can be opened. */
static void fill(void)
{
	int fd = dup(0);
	struct rlimit limit = { .rlim_cur = (rlim_t)fd };

	close(fd);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = (rlim_t)fd;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	ck_assert_int_lt(dup(0), 0);
}

static void setup(void)
{
	closed_fds[0] = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	closed_fds[1] = epoll_create1(EPOLL_CLOEXEC);
	closed_fds[2] = eventfd(0, EFD_CLOEXEC);
	closed_fds[3] = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0);
	kept_fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	unix_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	namespace_fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(pipe2(pipe_fds, O_CLOEXEC), 0);
	for (int i = 0; i < 4; i++)
		ck_assert_int_ge(closed_fds[i], 0);
}

/* The sanitiser looks for leaks with files. */
static void teardown(void)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

/* @_i: with room, or without any */
START_TEST(all_is_found)
{
	uint64_t cookie = inherited_cookie(unix_fd);

	if (_i)
		fill();
	ck_assert_int_eq(inherited_init(), 0);
	ck_assert(inherited_any());
	ck_assert_int_eq(inherited_take(0, cookie), unix_fd);
	ck_assert_int_eq(inherited_take_pipe(0, inherited_inode(pipe_fds[0]), false), pipe_fds[0]);
	ck_assert_int_eq(inherited_take_pipe(0, inherited_inode(pipe_fds[1]), true), pipe_fds[1]);
	ck_assert(is_open(namespace_fd));
	ck_assert(is_open(kept_fd));
	/* Whoever is to begin has room for as many as these. */
	for (int i = 0; i < 4; i++)
		ck_assert(!is_open(closed_fds[i]));
	for (int i = 0; i < 4; i++)
		ck_assert_int_ge(dup(0), 0);
}
END_TEST

static int mark(int fd, void *seen)
{
	((bool *)seen)[fd] = true;
	return 0;
}

START_TEST(those_above_the_limit_are_seen)
{
	struct rlimit limit;
	static bool seen[1024];
	int high = fcntl(0, F_DUPFD, 900);

	ck_assert_int_ge(high, 900);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = 3;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	ck_assert_int_eq(openfiles_each(mark, seen), 0);
	ck_assert(seen[high] && seen[unix_fd] && seen[pipe_fds[1]]);
	ck_assert(!seen[0] && !seen[1] && !seen[2] && !seen[high - 1]);
}
END_TEST

static int stop_at_first(int fd, void *unused)
{
	(void)unused;
	return fd;
}

START_TEST(a_look_can_be_ended)
{
	if (_i)
		fill();
	ck_assert_int_ge(openfiles_each(stop_at_first, NULL), 3);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("inherited");
	TCase *tc = tcase_create("inherited");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, all_is_found, 0, 2);
	tcase_add_test(tc, those_above_the_limit_are_seen);
	tcase_add_loop_test(tc, a_look_can_be_ended, 0, 2);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
