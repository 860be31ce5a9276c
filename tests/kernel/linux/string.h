/* SPDX-License-Identifier: MIT */
/* string.h - what core/ takes from the kernel's header of this name */
#include <stddef.h>

void *memcpy(void *to, const void *from, size_t len);
void *memmove(void *to, const void *from, size_t len);
void *memset(void *data, int byte, size_t len);
int memcmp(const void *a, const void *b, size_t len);
