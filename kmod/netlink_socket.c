// SPDX-License-Identifier: GPL-2.0-only
/* netlink_socket.c - commands about the guard, a host and its sockets */
#include "netlink_socket.h"

#include <linux/slab.h>
#include <linux/slim.h>

#include "event.h"
#include "force.h"
#include "hook.h"
#include "request.h"
#include "shape.h"
#include "sockops.h"
#include "tag.h"

static u64 generation_of(const struct host *host)
{
	const struct force *force;
	u64 generation;

	rcu_read_lock();
	force = rcu_dereference(host->force);
	generation = force ? force->generation : 0;
	rcu_read_unlock();
	return generation;
}

/* --- the guard itself --- */

static u32 features(void)
{
	return SLIM_FEATURE_SEAL | SLIM_FEATURE_POLICY | SLIM_FEATURE_EVENTS |
	       (sockops_have_ipv6() ? SLIM_FEATURE_IPV6 : 0);
}

static int put_missing(struct sk_buff *skb)
{
	u32 missing = hooks_missing(), bit;

	if (nla_put_u32(skb, SLIM_A_MISSING, missing))
		return -EMSGSIZE;
	for (bit = 1; bit && bit <= missing; bit <<= 1)
		if (missing & bit && nla_put_string(skb, SLIM_A_REASON, hooks_reason(bit)))
			return -EMSGSIZE;
	return 0;
}

static int put_guard(struct sk_buff *skb, const struct host *host, u32 portid)
{
	u32 owner = READ_ONCE(host->owner);

	if (nla_put_u32(skb, SLIM_A_VERSION, SLIM_GUARD_VERSION) ||
	    nla_put_u32(skb, SLIM_A_FEATURES, features()) || put_missing(skb) ||
	    nla_put_u8(skb, SLIM_A_OWNED, !owner ? 0 : owner == portid ? 2 : 1) ||
	    nla_put_u8(skb, SLIM_A_DRAINING, READ_ONCE(host->draining)) ||
	    nla_put_u64_64bit(skb, SLIM_A_GENERATION, generation_of(host), SLIM_A_PAD) ||
	    nla_put_u64_64bit(skb, SLIM_A_LIVE, atomic64_read(&host->live), SLIM_A_PAD))
		return -EMSGSIZE;
	return 0;
}

int netlink_get(struct sk_buff *skb, struct genl_info *info)
{
	return reply_of_host(info, put_guard);
}

int netlink_own(struct sk_buff *skb, struct genl_info *info)
{
	struct host *host;
	int err;

	if (!info->attrs[SLIM_A_VERSION])
		return -EINVAL;
	host = request_host(info->attrs);
	if (IS_ERR(host))
		return PTR_ERR(host);
	err = host_own(host, info->snd_portid);
	request_put(host);
	return err;
}

/* --- sockets --- */

static int reply_socket(struct genl_info *info, const struct tag *tag)
{
	void *head;
	struct sk_buff *reply = reply_begin(info, NLMSG_DEFAULT_SIZE, &head);

	return reply ? reply_end(reply, head, info, event_put_socket(reply, tag)) : -ENOMEM;
}

int netlink_socket(struct sk_buff *skb, struct genl_info *info)
{
	struct host *host;
	struct tag *tag;
	int err = -ENOENT;

	if (!info->attrs[SLIM_A_COOKIE])
		return -EINVAL;
	host = request_host(info->attrs);
	if (IS_ERR(host))
		return PTR_ERR(host);
	tag = tag_get(host, nla_get_u64(info->attrs[SLIM_A_COOKIE]));
	if (tag) {
		err = reply_socket(info, tag);
		tag_release(tag);
	}
	request_put(host);
	return err;
}

static bool revoke_visit(struct tag *tag, const void *data)
{
	const u32 *container = data;

	return (!container || tag->container == *container) && tag_revoke(tag);
}

static u64 revoke(struct host *host, struct nlattr **attrs)
{
	u64 num;
	u32 container;
	struct tag *tag;

	if (attrs[SLIM_A_CONTAINER]) {
		container = nla_get_u32(attrs[SLIM_A_CONTAINER]);
		return tags_each(host, revoke_visit, &container);
	}
	tag = tag_get(host, nla_get_u64(attrs[SLIM_A_COOKIE]));
	if (!tag)
		return 0;
	num = tag_revoke(tag);
	tag_release(tag);
	return num;
}

static int reply_cut(struct genl_info *info, const struct host *host, u64 cut, bool live)
{
	void *head;
	struct sk_buff *reply = reply_begin(info, NLMSG_DEFAULT_SIZE, &head);
	int err;

	if (!reply)
		return -ENOMEM;
	err = nla_put_u64_64bit(reply, SLIM_A_CUT, cut, SLIM_A_PAD);
	if (!err && live)
		err = nla_put_u64_64bit(reply, SLIM_A_LIVE, atomic64_read(&host->live), SLIM_A_PAD);
	return reply_end(reply, head, info, err);
}

int netlink_revoke(struct sk_buff *skb, struct genl_info *info)
{
	struct host *host;
	u64 cut;
	int err;

	if (!info->attrs[SLIM_A_COOKIE] == !info->attrs[SLIM_A_CONTAINER])
		return -EINVAL;
	host = request_lock(info);
	if (IS_ERR(host))
		return PTR_ERR(host);
	cut = revoke(host, info->attrs);
	err = cut ? reply_cut(info, host, cut, false) : -ENOENT;
	request_unlock(host);
	return err;
}

int netlink_shape(struct sk_buff *skb, struct genl_info *info)
{
	struct slim_shape shape;
	struct host *host;
	struct tag *tag;

	if (!info->attrs[SLIM_A_COOKIE] || !info->attrs[SLIM_A_SHAPE])
		return -EINVAL;
	nla_memcpy(&shape, info->attrs[SLIM_A_SHAPE], sizeof(shape));
	if (!shape_is_valid(&shape))
		return -EINVAL;
	host = request_lock(info);
	if (IS_ERR(host))
		return PTR_ERR(host);
	tag = tag_get(host, nla_get_u64(info->attrs[SLIM_A_COOKIE]));
	if (tag) {
		tag_shape(tag, &shape);
		tag_release(tag);
	}
	request_unlock(host);
	return tag ? 0 : -ENOENT;
}

/* --- the host --- */

int netlink_drain(struct sk_buff *skb, struct genl_info *info)
{
	struct host *host;
	u64 cut = 0;
	u32 drain;
	int err;

	if (!info->attrs[SLIM_A_DRAIN])
		return -EINVAL;
	drain = nla_get_u32(info->attrs[SLIM_A_DRAIN]);
	host = request_lock_unowned(info);
	if (IS_ERR(host))
		return PTR_ERR(host);
	WRITE_ONCE(host->draining, drain != SLIM_DRAIN_STOP);
	/* Who has not seen that is in the table then. */
	synchronize_rcu();
	if (drain == SLIM_DRAIN_CUT)
		cut = tags_each(host, revoke_visit, NULL);
	err = reply_cut(info, host, cut, true);
	request_unlock(host);
	return err;
}

static u64 memory_of(const struct host *host)
{
	u64 memory = atomic64_read(&host->live) * kmalloc_size_roundup(sizeof(struct tag));
	const struct force *force;

	rcu_read_lock();
	force = rcu_dereference(host->force);
	if (force)
		memory += force_size(force);
	rcu_read_unlock();
	return memory;
}

static int put_stats(struct sk_buff *skb, const struct host *host, u32 portid)
{
	const struct {
		int attr;
		u64 value;
	} stats[] = {
		{ SLIM_A_LIVE, atomic64_read(&host->live) },
		{ SLIM_A_SEALED, atomic64_read(&host->sealed) },
		{ SLIM_A_DENIED, atomic64_read(&host->denied) },
		{ SLIM_A_ATTACKS, atomic64_read(&host->attacks) },
		{ SLIM_A_CUT, atomic64_read(&host->cut) },
		{ SLIM_A_MEMORY, memory_of(host) },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(stats); i++)
		if (nla_put_u64_64bit(skb, stats[i].attr, stats[i].value, SLIM_A_PAD))
			return -EMSGSIZE;
	return 0;
}

int netlink_stats(struct sk_buff *skb, struct genl_info *info)
{
	return reply_of_host(info, put_stats);
}
