/* SPDX-License-Identifier: MIT */
/*
 * ruleset_message.h - messages to nf_tables itself, several to a transaction
 *
 * For what comes and goes with each container: libnftables asks for all tables and chains
 * of the host before it says anything. Family netdev; control thread only. Only
 * allocating can fail on the way: ruleset_transaction_run() says so at the end.
 */
#ifndef RULESET_MESSAGE_H
#define RULESET_MESSAGE_H

#include <netlink/msg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Messages between begin and run; all of them take effect, or none. */
struct ruleset_transaction {
	FILE *out;
	char *data;
	size_t len;
	uint32_t seq;
	bool failed;
};

/* In the calling thread's network namespace. 0 or -errno. */
int ruleset_message_init(void);
void ruleset_message_exit(void);

/* -ENOMEM */
int ruleset_transaction_begin(struct ruleset_transaction *transaction);
/* Takes @msg, which may be NULL. */
void ruleset_transaction_add(struct ruleset_transaction *transaction, struct nl_msg *msg);
/* Ends it: 0 or the kernel's -errno for the first message that it refuses. */
int ruleset_transaction_run(struct ruleset_transaction *transaction);

/* @type: NFT_MSG_...; @flags: NLM_F_... NULL: no memory, which all functions pass on. */
struct nl_msg *ruleset_message(int type, int flags);

/* A base chain on ingress of @device whose policy is to drop. */
struct nl_msg *ruleset_message_ingress(const char *table, const char *chain,
				       const char *device, int priority);

/* A counter that rules of the table may name; nothing changes where it is there. */
struct nl_msg *ruleset_message_counter(const char *table, const char *name);

/*
 * The tables of family netdev whose names begin with @prefix: removes them, but those that
 * @is_kept (may be NULL) says are to stay. 0 or -errno; a kernel without nf_tables has none.
 */
int ruleset_message_flush(const char *prefix, bool (*is_kept)(const char *table));

/* Calls @each for all chains of family netdev, of whatever table. As above */
int ruleset_message_chains(void (*each)(const char *table, const char *chain, void *data),
			   void *data);

/* Calls @each for all counters that have a name, of whatever family and table. As above; -EINTR: they changed
 * meanwhile */
int ruleset_message_counters(void (*each)(uint8_t family, const char *table, const char *name,
					  uint64_t packets, void *data), void *data);

#endif
