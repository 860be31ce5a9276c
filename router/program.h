/* SPDX-License-Identifier: MIT */
/*
 * program.h - the file of a program that runs
 */
#ifndef PROGRAM_H
#define PROGRAM_H

#include <stddef.h>

/*
 * Which name it has or, if that is another file's by now, had. @link: /proc/self/exe, or what is open
 * (/proc/self/fd/N). 0 or -errno
 */
int program_path(const char *link, char *path, size_t size);

#endif
