/* SPDX-License-Identifier: MIT */
/*
 * slice.h - how soon a thread runs when it becomes ready, beside others that are as important
 *
 * All get the same share of the processors. One that asks for short slices of it gets each of them
 * soon; one that asks for long ones is interrupted by others that wake up, and never keeps them waiting
 * until the next tick (4 ms with HZ=250): Documentation/scheduler/sched-eevdf.rst, sched_setattr(2).
 */
#ifndef SLIM_SLICE_H
#define SLIM_SLICE_H

/*
 * For the calling thread, and for what it makes afterwards: threads and processes. Kernels before Linux 6.12
 * pay no attention, and are not asked to say so.
 */
void slice_be_short(void);	/* somebody waits for each thing that it does */
void slice_be_long(void);	/* it is at work for many ms */

#endif
