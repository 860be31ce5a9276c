/* SPDX-License-Identifier: MIT */
/*
 * test_shim_clock.c - the shim's time is the kernel's, and costs no system call
 * links: shim/clock.c
 * libs:
 */
#include <check.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "../../shim/clock.h"
#include "suite.h"

#define TICK_MS	20	/* 10 at HZ=100, and one more on its way */

static uint64_t kernel_ms(clockid_t clock)
{
	struct timespec ts;

	syscall(SYS_clock_gettime, clock, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* What it says lies between what the kernel said before, less a tick, and after */
static void is_between(uint64_t before, uint64_t said, uint64_t after)
{
	ck_assert_uint_ge(said + TICK_MS, before);
	ck_assert_uint_le(said, after + 1);
}

START_TEST(kernels_time)
{
	uint64_t before = kernel_ms(CLOCK_MONOTONIC), said = clock_ms();

	is_between(before, said, kernel_ms(CLOCK_MONOTONIC));
	before = kernel_ms(CLOCK_REALTIME);
	said = clock_realtime_ms();
	is_between(before, said, kernel_ms(CLOCK_REALTIME));
}
END_TEST

START_TEST(goes_on)
{
	uint64_t before = clock_ms(), end = kernel_ms(CLOCK_MONOTONIC) + 2 * TICK_MS;

	while (kernel_ms(CLOCK_MONOTONIC) < end)
		;
	ck_assert_uint_ge(clock_ms(), before + TICK_MS);
}
END_TEST

/* The system call is forbidden: whoever makes it is killed. */
START_TEST(no_system_call)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clock_gettime, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(filter) / sizeof(filter[0]), filter };

	ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
	ck_assert_uint_gt(clock_ms(), 0);
	ck_assert_uint_gt(clock_realtime_ms(), 0);
	_exit(0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("shim: clock");
	TCase *tcase = tcase_create("clock");

	tcase_add_test(tcase, kernels_time);
	tcase_add_test(tcase, goes_on);
	tcase_add_exit_test(tcase, no_system_call, 0);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
