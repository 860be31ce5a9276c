/* SPDX-License-Identifier: MIT */
/* open_fds.h - whether a program leaves descriptors open */
#ifndef OPEN_FDS_H
#define OPEN_FDS_H

/* How many entries this process's /proc/self/fd has: to compare with itself. Takes a descriptor. */
int open_fds(void);

#endif
