/* SPDX-License-Identifier: MIT */
/* clock.h - what time it is, without a system call where the kernel gives a way */
#ifndef SHIM_CLOCK_H
#define SHIM_CLOCK_H

#include <stdint.h>

/* Milliseconds since some moment, some of them late (a tick of the kernel's); never 0. */
uint64_t clock_ms(void);

/* The same of the time of day. */
uint64_t clock_realtime_ms(void);

#endif
