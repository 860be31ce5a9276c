/* SPDX-License-Identifier: MIT */
/*
 * user.c - memory that the application names
 *
 * Theory of operation
 *
 * rt_sigprocmask(2) copies the 8 bytes of the new mask in before it looks at
 * @how: with an impossible @how it says EFAULT where they cannot be read, EINVAL
 * where they can, and does nothing else. An aligned word lies in one page, so
 * the words that hold the first and the last byte speak for their pages.
 *
 * getrandom(2) writes exactly the bytes asked for, and says how far it came.
 */
#include <errno.h>
#include <stdint.h>

#include "sys.h"
#include "user.h"

#define GETRANDOM_NONBLOCK	1u

static bool word_readable(uintptr_t at)
{
	const uint64_t *word = (const uint64_t *)(at & ~(uintptr_t)7);

	return sys_sigprocmask(~0, word, NULL) != -EFAULT;
}

bool user_ask_readable(const void *from, size_t len)
{
	uintptr_t first = (uintptr_t)from, last = first + len - 1;

	/* Not the word at address 0: no set at all is no error. */
	if (first < USER_PAGE || last < first || !word_readable(first))
		return false;
	return first / USER_PAGE == last / USER_PAGE || word_readable(last);
}

bool user_ask_writable(void *to, size_t len)
{
	long r = sys_getrandom(to, len, GETRANDOM_NONBLOCK);

	/* An error other than EFAULT is the kernel's own trouble, say at boot. */
	return r < 0 ? r != -EFAULT : (size_t)r == len;
}
