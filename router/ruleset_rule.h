/* SPDX-License-Identifier: MIT */
/*
 * ruleset_rule.h - one rule of nf_tables, match by match
 *
 * A rule is begun, gets its matches, all of which must hold, and ends with what becomes
 * of the frame. What nft(8) would write is said with each match.
 */
#ifndef RULESET_RULE_H
#define RULESET_RULE_H

#include <linux/netfilter/nf_tables.h>
#include <stddef.h>
#include <stdint.h>

#include "ruleset_message.h"

struct ruleset_rule {
	struct nl_msg *msg;
	struct nlattr *list;
};

void ruleset_rule_begin(struct ruleset_rule *rule, const char *table, const char *chain);

/* "@ll,OFFSET,LEN VALUE", and likewise @nh, @th; offset and length in bytes. */
void ruleset_rule_payload(struct ruleset_rule *rule, enum nft_payload_bases base,
			  size_t offset, enum nft_cmp_ops op, const void *value, size_t len);

/* "meta KEY VALUE" */
void ruleset_rule_meta(struct ruleset_rule *rule, enum nft_meta_keys key, enum nft_cmp_ops op,
		       const void *value, size_t len);

/* "frag frag-off > 0": not the first fragment */
void ruleset_rule_fragment(struct ruleset_rule *rule);

/* "counter name NAME": one of the table's; not a match */
void ruleset_rule_counter(struct ruleset_rule *rule, const char *name);

/* @verdict: NF_ACCEPT, NF_DROP, or NFT_GOTO to @chain. Adds it to @transaction. */
void ruleset_rule_end(struct ruleset_rule *rule, int verdict, const char *chain,
		      struct ruleset_transaction *transaction);

#endif
