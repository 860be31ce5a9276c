/* SPDX-License-Identifier: MIT */
/*
 * test_stray.c - nobody waits for a socket whose end somebody else puts off
 * links: router/stray.c router/log.c
 * libs: urcu urcu-common
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "../../router/stray.h"
#include "suite.h"

#define MANY	40
#define SOON	(STRAY_PATIENCE * 10)	/* ms; an hour is what is asked for */

static unsigned int closed_num;

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static void setup(void)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd;

	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	ck_assert_int_eq(ioctl(fd, SIOCSIFFLAGS, &ifr), 0);
	close(fd);
	ck_assert_int_eq(stray_init(), 0);
}

/* One whose last close takes an hour: its peer does not read. */
static int lingering_socket(void)
{
	struct sockaddr_in sin = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	struct linger hour = { .l_onoff = 1, .l_linger = 3600 };
	socklen_t len = sizeof(sin);
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	static char data[65536];

	ck_assert_int_eq(bind(listener, (struct sockaddr *)&sin, len), 0);
	ck_assert_int_eq(listen(listener, 1), 0);
	ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&sin, &len), 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&sin, len), 0);
	ck_assert_int_ge(accept(listener, NULL, NULL), 0);
	close(listener);
	while (send(fd, data, sizeof(data), MSG_DONTWAIT) > 0)
		;
	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_LINGER, &hour, sizeof(hour)), 0);
	return fd;
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

START_TEST(own_close_is_interrupted_and_then_left_to_others)
{
	int fds[MANY];
	uint64_t began;

	for (int i = 0; i < MANY; i++)
		fds[i] = lingering_socket();
	began = now_us();
	stray_close_fd(fds[0]);
	ck_assert_uint_lt(now_us() - began, SOON * 1000);
	ck_assert(!is_open(fds[0]));
	/* Many more times nobody waits again at all. */
	began = now_us();
	for (int i = 1; i < MANY; i++)
		stray_close_fd(fds[i]);
	ck_assert_uint_lt(now_us() - began, STRAY_PATIENCE * 1000 * MANY / 4);
	stray_exit();
	for (int i = 0; i < MANY; i++)
		ck_assert(!is_open(fds[i]));
}
END_TEST

START_TEST(own_close_is_done_at_once)
{
	for (int i = 0; i < 10000; i++) {
		int fd = dup(0);

		stray_close_fd(fd);
		ck_assert(!is_open(fd));
	}
}
END_TEST

static void closed(struct stray *stray)
{
	__atomic_add_fetch(&closed_num, 1, __ATOMIC_RELAXED);
	free(stray);
}

static void send_fd(int channel, int fd)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { .align = {
		.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS,
		.cmsg_len = CMSG_LEN(sizeof(int)),
	} };
	struct iovec iov = { .iov_base = "x", .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control.bytes, .msg_controllen = sizeof(control.bytes),
	};

	memcpy(CMSG_DATA(&control.align), &fd, sizeof(fd));
	ck_assert_int_eq(sendmsg(channel, &msg, MSG_DONTWAIT), 1);
}

/* A channel with unread messages that hold what lingers. */
START_TEST(closers_end_what_a_queue_holds)
{
	uint64_t began = now_us();

	for (int i = 0; i < MANY; i++) {
		struct stray *stray = calloc(1, sizeof(*stray));
		int pair[2], fd = lingering_socket();

		ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
		send_fd(pair[0], fd);
		close(fd);
		stray->fd = pair[1];
		stray->closed = closed;
		began = now_us();
		stray_close(stray);
		ck_assert_uint_lt(now_us() - began, SOON * 1000);
		close(pair[0]);
	}
	stray_exit();
	ck_assert_uint_eq(__atomic_load_n(&closed_num, __ATOMIC_RELAXED), MANY);
}
END_TEST

static unsigned int threads(void)
{
	char line[128];
	unsigned int num = 0;
	FILE *file = fopen("/proc/self/status", "re");

	while (fgets(line, sizeof(line), file))
		sscanf(line, "Threads: %u", &num);
	fclose(file);
	return num;
}

static double cpu_seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* When all is closed, all but one of them end, and that one sleeps. */
START_TEST(idle_closers_rest)
{
	unsigned int before = threads();
	double used;

	for (int i = 0; i < MANY; i++) {
		struct stray *stray = calloc(1, sizeof(*stray));

		stray->fd = lingering_socket();
		stray->closed = closed;
		stray_close(stray);
	}
	stray_exit();
	for (int i = 0; i < 100 && threads() > before; i++)
		poll(NULL, 0, 50);
	ck_assert_uint_eq(threads(), before);
	used = cpu_seconds();
	poll(NULL, 0, 2000);
	ck_assert_double_lt(cpu_seconds() - used, 0.5);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("stray");
	TCase *tcase = tcase_create("stray");

	tcase_add_checked_fixture(tcase, setup, NULL);
	tcase_set_timeout(tcase, 30);
	tcase_add_test(tcase, own_close_is_done_at_once);
	tcase_add_test(tcase, own_close_is_interrupted_and_then_left_to_others);
	tcase_add_test(tcase, idle_closers_rest);
	tcase_add_test(tcase, closers_end_what_a_queue_holds);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
