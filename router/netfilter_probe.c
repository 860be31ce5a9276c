/* SPDX-License-Identifier: MIT */
/*
 * netfilter_probe.c - does a network namespace have netfilter rules?
 *
 * Asks nf_tables itself, message by message, and stops at the first rule that counts: a
 * container may have loaded rules enough to fill the memory of whoever lists
 * them as a whole.
 */
#include "netfilter_probe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "link_request.h"
#include "namespace.h"
#include "packetpath.h"

#define CHAINS_MAX	64
#define RULES_MAX	1024	/* that match loopback alone */

#define IPV4_SADDR	12	/* offsets in the network header */
#define IPV4_DADDR	16
#define IPV6_SADDR	8
#define IPV6_DADDR	24

#define LOOPBACK_NET	127
#define LOOPBACK_INDEX	1

struct chain {
	uint8_t family;
	char table[NFT_NAME_MAXLEN];
	char name[NFT_NAME_MAXLEN];
};

struct probe {
	struct nl_sock *sock;
	const char *except;
	bool counts;			/* the answer */
	size_t rules_num;
	size_t chains_num;
	struct chain chains[CHAINS_MAX];
};

/* What the last expression has put into a register, as far as it matters here. */
enum loaded {
	LOADED_OTHER,
	LOADED_ADDR4,
	LOADED_ADDR6,
	LOADED_IFNAME,
	LOADED_IFINDEX,
};

static struct nl_msg *nft_message(int type, uint8_t family)
{
	struct nfgenmsg info = { .nfgen_family = family, .version = NFNETLINK_V0 };

	return link_message(NFNL_SUBSYS_NFTABLES << 8 | type, NLM_F_DUMP, &info, sizeof(info));
}

static uint32_t attr_u32(struct nlattr *attr)
{
	return attr && nla_len(attr) >= 4 ? ntohl(nla_get_u32(attr)) : 0;
}

static bool is_excepted(const struct probe *probe, const char *table)
{
	size_t len = probe->except ? strlen(probe->except) : 0;

	return len && !strncmp(table, probe->except, len) && (!table[len] || table[len] == '_');
}

static bool chain_found(struct nlmsghdr *nlh, void *data)
{
	struct nfgenmsg *info = nlmsg_data(nlh);
	struct nlattr *attrs[NFTA_CHAIN_MAX + 1];
	struct probe *probe = data;
	struct chain *chain;

	if (nlmsg_parse(nlh, sizeof(*info), attrs, NFTA_CHAIN_MAX, NULL) < 0 ||
	    !attrs[NFTA_CHAIN_TABLE] || !attrs[NFTA_CHAIN_NAME] || !attrs[NFTA_CHAIN_HOOK])
		return true;
	if (is_excepted(probe, nla_get_string(attrs[NFTA_CHAIN_TABLE])))
		return true;
	if (probe->chains_num == CHAINS_MAX ||
	    (attrs[NFTA_CHAIN_POLICY] && attr_u32(attrs[NFTA_CHAIN_POLICY]) != NF_ACCEPT)) {
		probe->counts = true;
		return false;
	}
	chain = &probe->chains[probe->chains_num++];
	chain->family = info->nfgen_family;
	nla_strlcpy(chain->table, attrs[NFTA_CHAIN_TABLE], sizeof(chain->table));
	nla_strlcpy(chain->name, attrs[NFTA_CHAIN_NAME], sizeof(chain->name));
	return true;
}

static enum loaded payload_loads(struct nlattr *data)
{
	struct nlattr *attrs[NFTA_PAYLOAD_MAX + 1];
	uint32_t offset, len;

	if (nla_parse_nested(attrs, NFTA_PAYLOAD_MAX, data, NULL) < 0 ||
	    attr_u32(attrs[NFTA_PAYLOAD_BASE]) != NFT_PAYLOAD_NETWORK_HEADER)
		return LOADED_OTHER;
	offset = attr_u32(attrs[NFTA_PAYLOAD_OFFSET]);
	len = attr_u32(attrs[NFTA_PAYLOAD_LEN]);
	if (len >= 1 && len <= 4 && (offset == IPV4_SADDR || offset == IPV4_DADDR))
		return LOADED_ADDR4;
	if (len == 16 && (offset == IPV6_SADDR || offset == IPV6_DADDR))
		return LOADED_ADDR6;
	return LOADED_OTHER;
}

static enum loaded meta_loads(struct nlattr *data)
{
	struct nlattr *attrs[NFTA_META_MAX + 1];

	if (nla_parse_nested(attrs, NFTA_META_MAX, data, NULL) < 0 || !attrs[NFTA_META_DREG])
		return LOADED_OTHER;
	switch (attr_u32(attrs[NFTA_META_KEY])) {
	case NFT_META_IIFNAME:
	case NFT_META_OIFNAME:
		return LOADED_IFNAME;
	case NFT_META_IIF:
	case NFT_META_OIF:
		return LOADED_IFINDEX;
	default:
		return LOADED_OTHER;
	}
}

/* A mask keeps the first byte of an IPv4 address, which is what is looked at, or not. */
static enum loaded bitwise_loads(struct nlattr *data, enum loaded before)
{
	struct nlattr *attrs[NFTA_BITWISE_MAX + 1];
	struct nlattr *mask;

	if (before != LOADED_ADDR4 || nla_parse_nested(attrs, NFTA_BITWISE_MAX, data, NULL) < 0 ||
	    !attrs[NFTA_BITWISE_MASK])
		return LOADED_OTHER;
	mask = nla_find(nla_data(attrs[NFTA_BITWISE_MASK]), nla_len(attrs[NFTA_BITWISE_MASK]),
			NFTA_DATA_VALUE);
	if (!mask || nla_len(mask) < 1 || *(uint8_t *)nla_data(mask) != 0xff)
		return LOADED_OTHER;
	return before;
}

static bool is_loopback(enum loaded loaded, const uint8_t *value, size_t len)
{
	static const uint8_t addr6[16] = { [15] = 1 };
	uint32_t index;

	switch (loaded) {
	case LOADED_ADDR4:
		return len >= 1 && value[0] == LOOPBACK_NET;
	case LOADED_ADDR6:
		return len == sizeof(addr6) && !memcmp(value, addr6, len);
	case LOADED_IFNAME:
		return len >= sizeof("lo") && !memcmp(value, "lo", sizeof("lo"));
	case LOADED_IFINDEX:
		if (len != sizeof(index))
			return false;
		memcpy(&index, value, sizeof(index));
		return index == LOOPBACK_INDEX;
	default:
		return false;
	}
}

static bool compares_loopback(struct nlattr *data, enum loaded loaded)
{
	struct nlattr *attrs[NFTA_CMP_MAX + 1];
	struct nlattr *value;

	if (nla_parse_nested(attrs, NFTA_CMP_MAX, data, NULL) < 0 || !attrs[NFTA_CMP_DATA] ||
	    attr_u32(attrs[NFTA_CMP_OP]) != NFT_CMP_EQ)
		return false;
	value = nla_find(nla_data(attrs[NFTA_CMP_DATA]), nla_len(attrs[NFTA_CMP_DATA]),
			 NFTA_DATA_VALUE);
	return value && is_loopback(loaded, nla_data(value), (size_t)nla_len(value));
}

/* All expressions of a rule must hold: one that wants loopback is enough. */
static bool rule_loopback_only(struct nlattr *expressions)
{
	enum loaded loaded = LOADED_OTHER;
	struct nlattr *expr;
	int rest;

	nla_for_each_nested(expr, expressions, rest) {
		struct nlattr *attrs[NFTA_EXPR_MAX + 1];
		struct nlattr *name, *data;

		if (nla_parse_nested(attrs, NFTA_EXPR_MAX, expr, NULL) < 0)
			return false;
		name = attrs[NFTA_EXPR_NAME];
		data = attrs[NFTA_EXPR_DATA];
		if (!name || !data)
			continue;
		if (!nla_strcmp(name, "payload"))
			loaded = payload_loads(data);
		else if (!nla_strcmp(name, "meta"))
			loaded = meta_loads(data);
		else if (!nla_strcmp(name, "bitwise"))
			loaded = bitwise_loads(data, loaded);
		else if (!nla_strcmp(name, "cmp") && compares_loopback(data, loaded))
			return true;
	}
	return false;
}

static bool rule_found(struct nlmsghdr *nlh, void *data)
{
	struct nlattr *expressions = nlmsg_find_attr(nlh, sizeof(struct nfgenmsg),
						     NFTA_RULE_EXPRESSIONS);
	struct probe *probe = data;

	if (expressions && rule_loopback_only(expressions) && ++probe->rules_num < RULES_MAX)
		return true;
	probe->counts = true;
	return false;
}

static int rules_probe(struct probe *probe, const struct chain *chain)
{
	struct nl_msg *msg = nft_message(NFT_MSG_GETRULE, chain->family);

	link_put_string(msg, NFTA_RULE_TABLE, chain->table);
	link_put_string(msg, NFTA_RULE_CHAIN, chain->name);
	return link_query(probe->sock, msg, rule_found, probe);
}

static int chains_probe(struct probe *probe)
{
	int err = link_query(probe->sock, nft_message(NFT_MSG_GETCHAIN, NFPROTO_UNSPEC),
			     chain_found, probe);

	if (err == -EINVAL || err == -EOPNOTSUPP)
		return 0;		/* a kernel without nf_tables */
	for (size_t i = 0; i < probe->chains_num && !err && !probe->counts; i++) {
		err = rules_probe(probe, &probe->chains[i]);
		if (err == -ENOENT)
			err = 0;	/* just removed */
	}
	return err ? err : probe->counts;
}

static int nft_probe(const char *except)
{
	struct probe *probe = calloc(1, sizeof(*probe));
	int err = -ENOMEM;

	if (!probe)
		return err;
	probe->except = except;
	probe->sock = nl_socket_alloc();
	if (!probe->sock)
		goto free;
	errno = 0;
	if (nl_connect(probe->sock, NETLINK_NETFILTER) < 0)
		err = errno == EPROTONOSUPPORT ? 0 : errno ? -errno : -EIO;
	else
		err = chains_probe(probe);
	nl_socket_free(probe->sock);
free:
	free(probe);
	return err;
}

int netfilter_probe(const char *except)
{
	int found = nft_probe(except);

	return found ? found : netfilter_probe_legacy();
}

int packetpath_netfilter_probe(int netns_fd)
{
	int found = namespace_enter(netns_fd);

	if (found)
		return found;
	found = netfilter_probe(NULL);
	namespace_leave();
	return found;
}
