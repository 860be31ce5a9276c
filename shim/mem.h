/* SPDX-License-Identifier: MIT */
/*
 * mem.h - memory functions, of mem.c or of the libc of a test
 */
#ifndef SHIM_MEM_H
#define SHIM_MEM_H

#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t len);
void *memmove(void *to, const void *from, size_t len);
void *memset(void *to, int byte, size_t len);
int memcmp(const void *a, const void *b, size_t len);

#endif
