/* SPDX-License-Identifier: MIT */
/*
 * memory_preload.c - an allocator that fails when it is told to
 *
 * FAULT_MEMORY names a file of two numbers (32 bits, this host's order), which a test writes:
 * how many allocations succeed from now on, and how many fail after them; then all succeed
 * again. Both zero: all do. Failures are counted in a third number.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct orders {
	uint32_t succeed, fail, failed;		/* atomic */
};

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t num, size_t size);
extern void *__libc_realloc(void *old, size_t size);

static struct orders none;
static struct orders *orders = &none;

__attribute__((constructor)) static void obey(void)
{
	const char *path = getenv("FAULT_MEMORY");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *map = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof(*orders), PROT_READ | PROT_WRITE,
						 MAP_SHARED, fd, 0);

	if (fd >= 0)
		close(fd);
	if (map != MAP_FAILED)
		orders = map;
}

/* One less, unless it is zero already: returns whether it was not. */
static bool take_one(uint32_t *number)
{
	uint32_t left = __atomic_load_n(number, __ATOMIC_RELAXED);

	while (left)
		if (__atomic_compare_exchange_n(number, &left, left - 1, true, __ATOMIC_RELAXED,
						__ATOMIC_RELAXED))
			return true;
	return false;
}

static bool fails(void)
{
	if (!__atomic_load_n(&orders->fail, __ATOMIC_RELAXED) || take_one(&orders->succeed) ||
	    !take_one(&orders->fail))
		return false;
	__atomic_add_fetch(&orders->failed, 1, __ATOMIC_RELAXED);
	errno = ENOMEM;
	return true;
}

void *malloc(size_t size)
{
	return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t num, size_t size)
{
	return fails() ? NULL : __libc_calloc(num, size);
}

void *realloc(void *old, size_t size)
{
	return fails() ? NULL : __libc_realloc(old, size);
}
