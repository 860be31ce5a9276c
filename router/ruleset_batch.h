/* SPDX-License-Identifier: MIT */
/*
 * ruleset_batch.h - nft commands, written as text and run as one transaction
 */
#ifndef RULESET_BATCH_H
#define RULESET_BATCH_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct ruleset_batch {
	FILE *out;
	char *text;
	size_t len;
};

/* Write commands to @batch->out between begin and run. -ENOMEM */
int ruleset_batch_begin(struct ruleset_batch *batch);

/*
 * Runs what was written and frees it. @what: for the log, "cannot <what>"; NULL
 * where failing is expected. In the calling thread's namespace. 0; -errno: -EIO where nftables refuses
 */
int ruleset_batch_run(struct ruleset_batch *batch, const char *what);

/* Addresses of one family with ", " between them; returns how many. */
size_t ruleset_batch_addresses(struct ruleset_batch *batch, const struct in6_addr *addresses,
			       size_t num, bool v4);

#endif
