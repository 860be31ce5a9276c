/* SPDX-License-Identifier: MIT */
/*
 * fdlimit.h - how many files the router may have open
 */
#ifndef FDLIMIT_H
#define FDLIMIT_H

#include "config.h"

/*
 * Makes use of all that the hard limit allows, and raises that where @config can need more and we
 * may. Warns where there is no room for a container.
 */
void fdlimit_raise(const struct config *config);

/* There are so many containers now: warns, once, where they can need more. Control thread. */
void fdlimit_check(const struct config *config, unsigned long containers);

/* RLIMIT_NOFILE as it stands */
unsigned long fdlimit_get(void);

/* How many are open; 0: the kernel does not count them (before Linux 6.2) */
unsigned long fdlimit_used(void);

/* How many containers, one of them at its limits, it is enough for */
unsigned long fdlimit_containers(const struct config_limits *limits);

/* What many containers, and one of them at its limits, can need. */
unsigned long fdlimit_need(const struct config_limits *limits);

#endif
