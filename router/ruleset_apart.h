/* SPDX-License-Identifier: MIT */
/*
 * ruleset_apart.h - many nft commands, run by a process of its own
 *
 * libnftables ends the process that has no memory left, and needs a lot of it for many elements: some 2 kB
 * each, which malloc keeps. So what is long is run by this very program in another process, which ends when
 * it is done.
 */
#ifndef RULESET_APART_H
#define RULESET_APART_H

#include <stddef.h>

/* The program's first argument then */
#define RULESET_APART_OPTION	"--run-rules"

/*
 * Runs @text, @len bytes, as one transaction in the router's network namespace, and waits for that. Any
 * thread but those that others wait for. 0, -EAGAIN (it was refused, or the process was killed; @error says
 * what nftables said, as far as @size allows), or another -errno.
 */
int ruleset_apart_run(const char *text, size_t len, char *error, size_t size);

/* That process's part; @argv as main() has it. Returns the exit status. */
int ruleset_apart_main(char **argv);

#endif
