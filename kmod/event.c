// SPDX-License-Identifier: GPL-2.0-only
/* event.c - what is told to whoever listens */
#include "event.h"

#include <linux/ratelimit.h>
#include <linux/sched.h>
#include <linux/timekeeping.h>
#include <net/genetlink.h>

#include "gone.h"
#include "netlink.h"

/* --- one socket --- */

static int put_names(struct sk_buff *skb, const struct tag *tag)
{
	if (nla_put(skb, SLIM_A_LOCAL, sizeof(tag->local), &tag->local) ||
	    nla_put(skb, SLIM_A_PEER, sizeof(tag->peer), &tag->peer) ||
	    nla_put_u32(skb, SLIM_A_CONTAINER, tag->container) ||
	    nla_put_u32(skb, SLIM_A_VNI, tag->vni) ||
	    nla_put_u32(skb, SLIM_A_PEER_VNI, tag->peer_vni) ||
	    nla_put_u32(skb, SLIM_A_SEAL_FLAGS, tag->flags))
		return -EMSGSIZE;
	return 0;
}

static int put_state(struct sk_buff *skb, const struct tag *tag)
{
	const struct sock *sk = tag->sk;
	struct stream_counts counts = stream_counts(&tag->stream, sk);

	if (nla_put_u64_64bit(skb, SLIM_A_COOKIE, tag->cookie, SLIM_A_PAD) ||
	    nla_put(skb, SLIM_A_SHAPE, sizeof(tag->shape), &tag->shape) ||
	    nla_put_u8(skb, SLIM_A_STATE, READ_ONCE(sk->sk_state)) ||
	    nla_put_u64_64bit(skb, SLIM_A_RX_BYTES, counts.rx, SLIM_A_PAD) ||
	    nla_put_u64_64bit(skb, SLIM_A_TX_BYTES, counts.tx, SLIM_A_PAD) ||
	    nla_put_u64_64bit(skb, SLIM_A_OPENED, tag->opened, SLIM_A_PAD))
		return -EMSGSIZE;
	if (tag->rule != SLIM_NO_RULE && nla_put_u32(skb, SLIM_A_RULE_ID, tag->rule))
		return -EMSGSIZE;
	return 0;
}

int event_put_socket(struct sk_buff *skb, const struct tag *tag)
{
	struct nlattr *nest = nla_nest_start(skb, SLIM_A_SOCKET);

	if (!nest || put_names(skb, tag) || put_state(skb, tag))
		return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

/* --- events --- */

static enum netlink_group group_of(enum slim_event event)
{
	return event == SLIM_EVENT_OPEN || event == SLIM_EVENT_CLOSE ?
		       NETLINK_GROUP_SOCKETS : NETLINK_GROUP_EVENTS;
}

/* *@head: for tell(); NULL: nobody listens, or there is no memory */
static struct sk_buff *begin(const struct tag *tag, enum slim_event event, void **head)
{
	struct sk_buff *skb;

	if (!genl_has_listeners(&netlink_family, &init_net, group_of(event)))
		return NULL;
	skb = genlmsg_new(NLMSG_DEFAULT_SIZE, GFP_ATOMIC);
	if (!skb)
		return NULL;
	*head = genlmsg_put(skb, 0, 0, &netlink_family, 0, SLIM_CMD_EVENT);
	if (*head && !nla_put_u32(skb, SLIM_A_EVENT, event) &&
	    !nla_put_u64_64bit(skb, SLIM_A_HOST_INO, tag->host->net->ns.inum, SLIM_A_PAD) &&
	    !event_put_socket(skb, tag))
		return skb;
	nlmsg_free(skb);
	return NULL;
}

static void tell(struct sk_buff *skb, void *head, enum slim_event event)
{
	genlmsg_end(skb, head);
	genlmsg_multicast_netns(&netlink_family, &init_net, skb, 0, group_of(event), GFP_ATOMIC);
}

void event_open(const struct tag *tag)
{
	void *head;
	struct sk_buff *skb = begin(tag, SLIM_EVENT_OPEN, &head);

	if (skb)
		tell(skb, head, SLIM_EVENT_OPEN);
}

void event_close(const struct tag *tag)
{
	struct stream_counts counts;
	void *head;
	struct sk_buff *skb;

	gone_tell(tag->cookie);
	skb = begin(tag, SLIM_EVENT_CLOSE, &head);
	if (!skb)
		return;
	counts = stream_counts(&tag->stream, tag->sk);
	if (nla_put_u64_64bit(skb, SLIM_A_DURATION, ktime_get_boottime_ns() - tag->opened,
			      SLIM_A_PAD) ||
	    nla_put_u64_64bit(skb, SLIM_A_RX_BYTES, counts.rx, SLIM_A_PAD) ||
	    nla_put_u64_64bit(skb, SLIM_A_TX_BYTES, counts.tx, SLIM_A_PAD) ||
	    nla_put_u32(skb, SLIM_A_RETRANSMITS, counts.retransmits) ||
	    nla_put_u32(skb, SLIM_A_RTT, counts.rtt))
		nlmsg_free(skb);
	else
		tell(skb, head, SLIM_EVENT_CLOSE);
}

void event_denied(const struct tag *tag)
{
	void *head;
	struct sk_buff *skb = begin(tag, SLIM_EVENT_DENIED, &head);

	if (!skb)
		return;
	if (tag->rule != SLIM_NO_RULE && nla_put_u32(skb, SLIM_A_RULE_ID, tag->rule))
		nlmsg_free(skb);
	else
		tell(skb, head, SLIM_EVENT_DENIED);
}

/* --- attacks --- */

static bool is_to_be_told(struct tag *tag)
{
	static DEFINE_RATELIMIT_STATE(limit, HZ, SLIM_ATTACKS_MAX);
	unsigned long last = READ_ONCE(tag->attack_at);

	ratelimit_set_flags(&limit, RATELIMIT_MSG_ON_RELEASE);
	if (time_before(jiffies, last + HZ) || cmpxchg(&tag->attack_at, last, jiffies) != last ||
	    !__ratelimit(&limit)) {
		atomic_inc(&tag->missed);
		return false;
	}
	return true;
}

void event_attack(struct tag *tag, enum slim_operation operation, u32 level, u32 number)
{
	struct sk_buff *skb;
	void *head;

	atomic64_inc(&tag->host->attacks);
	atomic64_inc(&tag->tenant->attacks);
	if (!is_to_be_told(tag))
		return;
	skb = begin(tag, SLIM_EVENT_ATTACK, &head);
	if (!skb)
		return;
	if (nla_put_u32(skb, SLIM_A_OPERATION, operation) ||
	    nla_put_u32(skb, SLIM_A_LEVEL, level) || nla_put_u32(skb, SLIM_A_NUMBER, number) ||
	    nla_put_u32(skb, SLIM_A_PID, task_tgid_nr(current)) ||
	    nla_put_u32(skb, SLIM_A_MISSED, atomic_xchg(&tag->missed, 0)))
		nlmsg_free(skb);
	else
		tell(skb, head, SLIM_EVENT_ATTACK);
}
