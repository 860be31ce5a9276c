/* SPDX-License-Identifier: MIT */
/*
 * slice.h - a thread that is at work for many ms does not keep others from a processor
 *
 * All get the same share of the processors. One that asks for long slices of its share is interrupted when another
 * one wakes up, which would have to wait until the next tick otherwise (4 ms with HZ=250):
 * Documentation/scheduler/sched-eevdf.rst, sched_setattr(2). To ask for short ones, where somebody waits
 * for the answer, is no good: a worker then interrupts the very program that it answers (connect() took
 * 102 us instead of 62).
 */
#ifndef SLIM_SLICE_H
#define SLIM_SLICE_H

/*
 * For the calling thread, and for what it makes afterwards: threads and processes. Kernels before Linux 6.12
 * pay no attention, and are not asked to say so.
 */
void slice_be_long(void);

#endif
