/* SPDX-License-Identifier: MIT */
/*
 * mem.h - memory functions, of mem.c or of the libc of a test
 *
 * Where sizes are known and small the compiler puts instructions in their place, though this is a
 * freestanding program.
 */
#ifndef SHIM_MEM_H
#define SHIM_MEM_H

#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t len);
void *memmove(void *to, const void *from, size_t len);
void *memset(void *to, int byte, size_t len);
int memcmp(const void *a, const void *b, size_t len);

#define memcpy(...)	__builtin_memcpy(__VA_ARGS__)
#define memmove(...)	__builtin_memmove(__VA_ARGS__)
#define memset(...)	__builtin_memset(__VA_ARGS__)
#define memcmp(...)	__builtin_memcmp(__VA_ARGS__)

#endif
