/* SPDX-License-Identifier: MIT */
/*
 * nft_process.h - nft commands, run by libnftables in a process of its own
 *
 * libnftables ends its process where it has no memory, and takes much of it for large rule sets. The
 * process is this program once more: it does not come as far as main().
 */
#ifndef NFT_PROCESS_H
#define NFT_PROCESS_H

#include <stddef.h>

/*
 * Runs @len bytes of @commands, as one transaction, in the calling thread's network namespace, as its user
 * (root, or it has no capabilities). @said: what nft prints and complains of; to be freed; NULL where there
 * was no room for it. Any thread; waits for its end. SIGCHLD must not be ignored.
 * 0; -EIO: nftables refuses; -ENOMEM: the process, or the kernel, had no memory; else there is no
 * process: -errno.
 */
int nft_process_run(const char *commands, size_t len, char **said);

#endif
