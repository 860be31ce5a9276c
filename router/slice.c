/* SPDX-License-Identifier: MIT */
/* slice.c - how soon a thread runs when it becomes ready */
#include "slice.h"

#include <linux/sched.h>
#include <linux/sched/types.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The bounds of what the kernel takes, in ns (__setparam_fair() of kernel/sched/syscalls.c) */
#define SLICE_MIN	100000
#define SLICE_MAX	100000000

static void set(uint64_t slice)
{
	struct sched_attr attr = { .size = sizeof(attr) };

	if (syscall(SYS_sched_getattr, 0, &attr, sizeof(attr), 0) || attr.sched_policy != SCHED_NORMAL)
		return;
	attr.sched_runtime = slice;
	(void)syscall(SYS_sched_setattr, 0, &attr, 0);
}

void slice_be_short(void)
{
	set(SLICE_MIN);
}

void slice_be_long(void)
{
	set(SLICE_MAX);
}
