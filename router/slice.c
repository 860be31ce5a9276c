/* SPDX-License-Identifier: MIT */
/* slice.c - a thread that is at work for many ms does not keep others from a processor */
#include "slice.h"

#include <linux/sched.h>
#include <linux/sched/types.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SLICE_MAX	100000000	/* ns: more the kernel does not take (__setparam_fair()) */

void slice_be_long(void)
{
	struct sched_attr attr = { .size = sizeof(attr) };

	if (syscall(SYS_sched_getattr, 0, &attr, sizeof(attr), 0) || attr.sched_policy != SCHED_NORMAL)
		return;
	attr.sched_runtime = SLICE_MAX;
	(void)syscall(SYS_sched_setattr, 0, &attr, 0);
}
