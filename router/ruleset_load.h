/* SPDX-License-Identifier: MIT */
/* ruleset_load.h - tables as text, loaded by nft_process.h, and what nftables say of them */
#ifndef RULESET_LOAD_H
#define RULESET_LOAD_H

#include <stddef.h>

/*
 * Runs @commands, @len bytes, as one transaction in the calling thread's network namespace. @error, of @size
 * bytes: what nftables said, as far as there is room; "" where nothing. Any thread; waits for it. As
 * nft_process_run(): 0, -EIO (refused), -ENOMEM, or another -errno.
 */
int ruleset_load(const char *commands, size_t len, char *error, size_t size);

#endif
