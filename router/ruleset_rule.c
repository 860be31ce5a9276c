/* SPDX-License-Identifier: MIT */
/* ruleset_rule.c - one rule of nf_tables, match by match */
#include "ruleset_rule.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/ip6.h>

#include "link_request.h"

struct expression {
	struct nlattr *element, *data;
};

static void put_number(struct nl_msg *msg, int attr, uint32_t value)
{
	link_put_u32(msg, attr, htonl(value));
}

static void put_value(struct nl_msg *msg, int attr, const void *value, size_t len)
{
	struct nlattr *nest = link_nest(msg, attr);

	link_put(msg, NFTA_DATA_VALUE, value, len);
	link_nest_end(msg, nest);
}

static struct expression expression_begin(struct nl_msg *msg, const char *name)
{
	struct expression expression = { .element = link_nest(msg, NFTA_LIST_ELEM) };

	link_put_string(msg, NFTA_EXPR_NAME, name);
	expression.data = link_nest(msg, NFTA_EXPR_DATA);
	return expression;
}

static void expression_end(struct nl_msg *msg, const struct expression *expression)
{
	link_nest_end(msg, expression->data);
	link_nest_end(msg, expression->element);
}

/* All that is looked at goes by way of one register. */
static void compare(struct nl_msg *msg, enum nft_cmp_ops op, const void *value, size_t len)
{
	struct expression expression = expression_begin(msg, "cmp");

	put_number(msg, NFTA_CMP_SREG, NFT_REG_1);
	put_number(msg, NFTA_CMP_OP, op);
	put_value(msg, NFTA_CMP_DATA, value, len);
	expression_end(msg, &expression);
}

void ruleset_rule_begin(struct ruleset_rule *rule, const char *table, const char *chain)
{
	rule->msg = ruleset_message(NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);
	link_put_string(rule->msg, NFTA_RULE_TABLE, table);
	link_put_string(rule->msg, NFTA_RULE_CHAIN, chain);
	rule->list = link_nest(rule->msg, NFTA_RULE_EXPRESSIONS);
}

void ruleset_rule_payload(struct ruleset_rule *rule, enum nft_payload_bases base,
			  size_t offset, enum nft_cmp_ops op, const void *value, size_t len)
{
	struct expression expression = expression_begin(rule->msg, "payload");

	put_number(rule->msg, NFTA_PAYLOAD_DREG, NFT_REG_1);
	put_number(rule->msg, NFTA_PAYLOAD_BASE, base);
	put_number(rule->msg, NFTA_PAYLOAD_OFFSET, (uint32_t)offset);
	put_number(rule->msg, NFTA_PAYLOAD_LEN, (uint32_t)len);
	expression_end(rule->msg, &expression);
	compare(rule->msg, op, value, len);
}

void ruleset_rule_meta(struct ruleset_rule *rule, enum nft_meta_keys key, enum nft_cmp_ops op,
		       const void *value, size_t len)
{
	struct expression expression = expression_begin(rule->msg, "meta");

	put_number(rule->msg, NFTA_META_DREG, NFT_REG_1);
	put_number(rule->msg, NFTA_META_KEY, key);
	expression_end(rule->msg, &expression);
	compare(rule->msg, op, value, len);
}

void ruleset_rule_fragment(struct ruleset_rule *rule)
{
	static const uint16_t zero;
	const uint16_t mask = IP6F_OFF_MASK;
	struct nl_msg *msg = rule->msg;
	struct expression expression = expression_begin(msg, "exthdr");

	put_number(msg, NFTA_EXTHDR_DREG, NFT_REG_1);
	link_put_u8(msg, NFTA_EXTHDR_TYPE, IPPROTO_FRAGMENT);
	put_number(msg, NFTA_EXTHDR_OFFSET, offsetof(struct ip6_frag, ip6f_offlg));
	put_number(msg, NFTA_EXTHDR_LEN, sizeof(mask));
	expression_end(msg, &expression);
	expression = expression_begin(msg, "bitwise");
	put_number(msg, NFTA_BITWISE_SREG, NFT_REG_1);
	put_number(msg, NFTA_BITWISE_DREG, NFT_REG_1);
	put_number(msg, NFTA_BITWISE_LEN, sizeof(mask));
	put_value(msg, NFTA_BITWISE_MASK, &mask, sizeof(mask));
	put_value(msg, NFTA_BITWISE_XOR, &zero, sizeof(zero));
	expression_end(msg, &expression);
	compare(msg, NFT_CMP_NEQ, &zero, sizeof(zero));
}

void ruleset_rule_counter(struct ruleset_rule *rule, const char *name)
{
	struct expression expression = expression_begin(rule->msg, "objref");

	put_number(rule->msg, NFTA_OBJREF_IMM_TYPE, NFT_OBJECT_COUNTER);
	link_put_string(rule->msg, NFTA_OBJREF_IMM_NAME, name);
	expression_end(rule->msg, &expression);
}

void ruleset_rule_end(struct ruleset_rule *rule, int verdict, const char *chain,
		      struct ruleset_transaction *transaction)
{
	struct nl_msg *msg = rule->msg;
	struct expression expression = expression_begin(msg, "immediate");
	struct nlattr *data, *nest;

	put_number(msg, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
	data = link_nest(msg, NFTA_IMMEDIATE_DATA);
	nest = link_nest(msg, NFTA_DATA_VERDICT);
	put_number(msg, NFTA_VERDICT_CODE, (uint32_t)verdict);
	if (chain)
		link_put_string(msg, NFTA_VERDICT_CHAIN, chain);
	link_nest_end(msg, nest);
	link_nest_end(msg, data);
	expression_end(msg, &expression);
	link_nest_end(msg, rule->list);
	ruleset_transaction_add(transaction, msg);
}
