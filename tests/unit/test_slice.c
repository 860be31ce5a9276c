/* SPDX-License-Identifier: MIT */
/*
 * test_slice.c - a thread asks for long slices of the processor, and stays as important as it was
 * links: router/slice.c
 */
#include <check.h>
#include <linux/sched.h>
#include <linux/sched/types.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "../../router/slice.h"
#include "suite.h"

#define NICE	5
#define SLICE	100000000	/* ns */

/* Linux 6.12 or later */
static bool kernel_has_slices(void)
{
	struct utsname name;
	int major, minor;

	ck_assert_int_eq(uname(&name), 0);
	ck_assert_int_eq(sscanf(name.release, "%d.%d", &major, &minor), 2);
	return major > 6 || (major == 6 && minor >= 12);
}

static void check_slice(void)
{
	struct sched_attr attr = { .size = sizeof(attr) };

	ck_assert_int_eq(syscall(SYS_sched_getattr, 0, &attr, sizeof(attr), 0), 0);
	ck_assert_uint_eq(attr.sched_policy, SCHED_NORMAL);
	ck_assert_int_eq(attr.sched_nice, NICE);
	if (kernel_has_slices())
		ck_assert_uint_eq(attr.sched_runtime, SLICE);
}

START_TEST(slices)
{
	ck_assert_int_eq(setpriority(PRIO_PROCESS, 0, NICE), 0);
	slice_be_long();
	check_slice();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("slice");
	TCase *tc = tcase_create("userspace");

	tcase_add_test(tc, slices);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
