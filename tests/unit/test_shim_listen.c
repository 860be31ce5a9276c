/* SPDX-License-Identifier: MIT */
/*
 * test_shim_listen.c - which listeners the router is told again
 * links: shim/address.c shim/channel.c shim/channel_socket.c shim/clock.c shim/debug.c shim/exchange.c shim/fdtable.c
 * links: shim/failed.c shim/frame.c shim/late.c shim/listen.c shim/names.c shim/next.c shim/option_table.c shim/options.c
 * links: shim/readiness.c shim/slot.c shim/socket.c shim/user.c shim/world.c
 * links: tests/unit/fake_router.c
 *
 * The test is the container, in a network namespace of its own; needs root.
 */
#include <check.h>
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../../shim/calls.h"
#include "../../shim/channel.h"
#include "fake_router.h"
#include "suite.h"

#define RENEW_MS	1000	/* of shim/listen.c */

static struct fake_router *router;

static void setup(void)
{
	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	router = fake_router_new();
	fake_router_start(router, 0);
}

static void teardown(void)
{
	fake_router_stop(router);
	ck_assert_uint_eq(router->garbage, 0);
}

static void pause_ms(unsigned int ms)
{
	struct timespec time = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&time, NULL);
}

static int socket_that_listens(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	ck_assert_ptr_nonnull(channel_world());
	ck_assert_int_eq(call_listen(fd, 1), 0);
	return fd;
}

static const struct {
	uint32_t error;
	uint32_t times;		/* that it is told, with one renewal */
} answers[] = {
	{ 0, 1 },
	{ ENOENT, 1 },
	{ EADDRNOTAVAIL, 1 },
	{ EMFILE, 2 },
	{ ENFILE, 2 },
	{ ENOMEM, 2 },
	{ ENOBUFS, 2 },
	{ ENOSPC, 2 },
	{ ESHUTDOWN, 2 },
	{ EAGAIN, 2 },
	{ EPERM, 2 },
	{ EIO, 2 },
	{ 4095, 2 },
};

#define ANSWERS_NUM	((int)(sizeof(answers) / sizeof(answers[0])))

START_TEST(refused)
{
	int fd;

	ORDER(router, error, answers[_i].error);
	fd = socket_that_listens();
	ck_assert_uint_eq(COUNT(router, requests[SLIM_FRAME_LISTEN]), 1);
	listen_renew(fd);
	ck_assert_uint_eq(COUNT(router, requests[SLIM_FRAME_LISTEN]), answers[_i].times);
	/* Not each time that somebody connects. */
	listen_renew(fd);
	ck_assert_uint_eq(COUNT(router, requests[SLIM_FRAME_LISTEN]), answers[_i].times);
}
END_TEST

/* Taken at last, it is told no more. */
START_TEST(taken_later)
{
	int fd;

	ORDER(router, error, ENOSPC);
	fd = socket_that_listens();
	ORDER(router, error, 0);
	for (int i = 0; i < 3; i++) {
		listen_renew(fd);
		pause_ms(RENEW_MS + 10);
	}
	ck_assert_uint_eq(COUNT(router, requests[SLIM_FRAME_LISTEN]), 2);
}
END_TEST

/* Another router is told, whatever the last one said. */
START_TEST(another_router)
{
	int fd;

	ORDER(router, error, EADDRNOTAVAIL);
	fd = socket_that_listens();
	ORDER(router, generation, 2);
	listen_renew(fd);
	ck_assert_uint_eq(COUNT(router, requests[SLIM_FRAME_LISTEN]), 2);
}
END_TEST

START_TEST(no_answer)
{
	int fd;

	fake_router_order(router, MANNER_HOLD, SLIM_FRAME_LISTEN, 1);
	fd = socket_that_listens();
	fake_router_release(router);
	listen_renew(fd);
	ck_assert_uint_eq(COUNT(router, requests[SLIM_FRAME_LISTEN]), 2);
}
END_TEST

/* --- hints that a listener may have gone --- */

static int end_by_close(int fd)
{
	return call_close(fd);
}

static int end_by_shutdown(int fd)
{
	return call_shutdown(fd, SHUT_RD);
}

static int end_by_both(int fd)
{
	return call_shutdown(fd, SHUT_RDWR);
}

static int end_writing(int fd)
{
	return call_shutdown(fd, SHUT_WR);
}

static const struct {
	int (*end)(int fd);
	uint32_t hints;
} ends[] = {
	{ end_by_close, 1 }, { end_by_shutdown, 1 }, { end_by_both, 1 }, { end_writing, 0 },
};

#define ENDS_NUM	((int)(sizeof(ends) / sizeof(ends[0])))

/* A hint has no answer; what is asked behind it on the same channel comes behind it. */
static uint32_t hints(void)
{
	channel_refresh();
	return COUNT(router, requests[SLIM_FRAME_UNLISTEN]);
}

START_TEST(hinted)
{
	int fd = socket_that_listens();

	ck_assert_int_eq(ends[_i].end(fd), 0);
	ck_assert_uint_eq(hints(), ends[_i].hints);
}
END_TEST

START_TEST(hinted_by_duplicate)
{
	int fd = dup(socket_that_listens());

	ck_assert_int_eq(ends[_i].end(fd), 0);
	ck_assert_uint_eq(hints(), ends[_i].hints);
}
END_TEST

/* The child makes it listen under one number, and ends it under another one, which its parent had. */
START_TEST(hinted_by_child)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0), other = dup(fd), status;
	pid_t pid = fork();

	if (!pid)
		_exit(!channel_world() || call_listen(other, 1) || ends[_i].end(fd) ||
		      hints() != ends[_i].hints);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}
END_TEST

/* Nothing is said of what is no listener. */
START_TEST(not_hinted)
{
	int fd;

	socket_that_listens();
	fd = socket(AF_INET, SOCK_STREAM, 0);
	call_shutdown(fd, SHUT_RDWR);
	ck_assert_int_eq(call_close(fd), 0);
	ck_assert_int_eq(call_close(dup(0)), 0);
	ck_assert_uint_eq(hints(), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("shim: listen");
	TCase *tc = tcase_create("renewal");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 30);
	tcase_add_loop_test(tc, refused, 0, ANSWERS_NUM);
	tcase_add_test(tc, taken_later);
	tcase_add_test(tc, another_router);
	tcase_add_test(tc, no_answer);
	suite_add_tcase(suite, tc);
	tc = tcase_create("hints");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, hinted, 0, ENDS_NUM);
	tcase_add_loop_test(tc, hinted_by_duplicate, 0, ENDS_NUM);
	tcase_add_loop_test(tc, hinted_by_child, 0, ENDS_NUM);
	tcase_add_test(tc, not_hinted);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
