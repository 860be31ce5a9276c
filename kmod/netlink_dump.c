// SPDX-License-Identifier: GPL-2.0-only
/* netlink_dump.c - lists of sockets, tenants and rules */
#include "netlink_dump.h"

#include <linux/slab.h>
#include <linux/slim.h>

#include "event.h"
#include "force.h"
#include "netlink.h"
#include "request.h"
#include "tag.h"

/* A message of the dump */
static void *put_head(struct sk_buff *skb, struct netlink_callback *cb, u8 command)
{
	return genlmsg_put(skb, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq, &netlink_family,
			   NLM_F_MULTI, command);
}

/* --- sockets --- */

/* @iter: where the next message goes on; it keeps the one that had no room */
struct sockets_dump {
	struct host *host;
	struct rhashtable_iter iter;
};

int netlink_sockets_start(struct netlink_callback *cb)
{
	struct nlattr **attrs = request_dump_attrs(cb);
	struct sockets_dump *dump;

	if (attrs[SLIM_A_COOKIE])
		return -EINVAL;
	dump = kzalloc(sizeof(*dump), GFP_KERNEL);
	if (!dump)
		return -ENOMEM;
	dump->host = request_host(attrs);
	if (IS_ERR(dump->host)) {
		int err = PTR_ERR(dump->host);

		kfree(dump);
		return err;
	}
	tags_enter(&dump->iter);
	cb->args[0] = (long)dump;
	return 0;
}

int netlink_sockets_done(struct netlink_callback *cb)
{
	struct sockets_dump *dump = (struct sockets_dump *)cb->args[0];

	rhashtable_walk_exit(&dump->iter);
	request_put(dump->host);
	kfree(dump);
	return 0;
}

static int put_socket(struct sk_buff *skb, struct netlink_callback *cb, const struct tag *tag)
{
	void *head = put_head(skb, cb, SLIM_CMD_SOCKET);

	if (!head)
		return -EMSGSIZE;
	if (event_put_socket(skb, tag)) {
		genlmsg_cancel(skb, head);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, head);
	return 0;
}

int netlink_sockets_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct sockets_dump *dump = (struct sockets_dump *)cb->args[0];
	struct tag *tag;

	tags_resume(&dump->iter);
	while ((tag = rhashtable_walk_peek(&dump->iter))) {
		if (!IS_ERR(tag) && tag->host == dump->host && tag_is_sealed(tag) &&
		    put_socket(skb, cb, tag))
			break;
		if (!IS_ERR(tag))
			rhashtable_walk_next(&dump->iter);
	}
	rhashtable_walk_stop(&dump->iter);
	return skb->len;
}

/* --- tenants and rules: args[0] is the host, args[1] where to go on --- */

int netlink_host_start(struct netlink_callback *cb)
{
	struct host *host = request_host(request_dump_attrs(cb));

	if (IS_ERR(host))
		return PTR_ERR(host);
	cb->args[0] = (long)host;
	return 0;
}

int netlink_host_done(struct netlink_callback *cb)
{
	request_put((struct host *)cb->args[0]);
	return 0;
}

static int put_counts(struct sk_buff *skb, const struct tenant *tenant)
{
	const struct {
		int attr;
		u64 value;
	} counts[] = {
		{ SLIM_A_LIVE, atomic64_read(&tenant->live) },
		{ SLIM_A_SEALED, atomic64_read(&tenant->sealed) },
		{ SLIM_A_DENIED, atomic64_read(&tenant->denied) },
		{ SLIM_A_ATTACKS, atomic64_read(&tenant->attacks) },
		{ SLIM_A_RX_BYTES, atomic64_read(&tenant->rx_bytes) },
		{ SLIM_A_TX_BYTES, atomic64_read(&tenant->tx_bytes) },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(counts); i++)
		if (nla_put_u64_64bit(skb, counts[i].attr, counts[i].value, SLIM_A_PAD))
			return -EMSGSIZE;
	return 0;
}

static int put_tenant(struct sk_buff *skb, struct netlink_callback *cb,
		      const struct tenant *tenant)
{
	void *head = put_head(skb, cb, SLIM_CMD_TENANT);
	struct nlattr *nest;

	if (!head)
		return -EMSGSIZE;
	nest = nla_nest_start(skb, SLIM_A_TENANT);
	if (!nest || nla_put_u32(skb, SLIM_A_VNI, tenant->vni) || put_counts(skb, tenant)) {
		genlmsg_cancel(skb, head);
		return -EMSGSIZE;
	}
	nla_nest_end(skb, nest);
	genlmsg_end(skb, head);
	return 0;
}

int netlink_tenants_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct host *host = (struct host *)cb->args[0];
	unsigned long vni = cb->args[1];
	struct tenant *tenant;

	xa_for_each_start(&host->tenants, vni, tenant, vni) {
		if (put_tenant(skb, cb, tenant))
			break;
	}
	cb->args[1] = tenant ? vni : SLIM_VNI_MAX + 1;
	return skb->len;
}

static int put_rule(struct sk_buff *skb, struct netlink_callback *cb, const struct rule *rule)
{
	void *head = put_head(skb, cb, SLIM_CMD_RULE);
	struct nlattr *nest;

	if (!head)
		return -EMSGSIZE;
	nest = nla_nest_start(skb, SLIM_A_RULE);
	if (!nest || nla_put_u32(skb, SLIM_A_RULE_ID, rule->id) ||
	    nla_put_u64_64bit(skb, SLIM_A_HITS, atomic64_read(&rule->hits), SLIM_A_PAD)) {
		genlmsg_cancel(skb, head);
		return -EMSGSIZE;
	}
	nla_nest_end(skb, nest);
	genlmsg_end(skb, head);
	return 0;
}

/* args[2]: the policy's generation, as another one has other rules */
int netlink_rules_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct host *host = (struct host *)cb->args[0];
	const struct force *force;
	u32 i = cb->args[1];

	rcu_read_lock();
	force = rcu_dereference(host->force);
	if (force && !i)
		cb->args[2] = force->generation;
	for (; force && force->policy && (long)force->generation == cb->args[2] &&
	       i < force->policy->rules_num; i++) {
		const struct rule *rule = &force->policy->rules[i];

		if (atomic64_read(&rule->hits) && put_rule(skb, cb, rule))
			break;
	}
	rcu_read_unlock();
	cb->args[1] = i;
	return skb->len;
}
