/* SPDX-License-Identifier: MIT */
/*
 * openfiles.h - every file that this process has open
 */
#ifndef OPENFILES_H
#define OPENFILES_H

/*
 * Calls back for each descriptor behind standard error, in no order, until one call returns other
 * than 0, and returns that. Needs no descriptor itself. @each may close its own, and open none.
 */
int openfiles_each(int (*each)(int fd, void *data), void *data);

#endif
