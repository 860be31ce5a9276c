// SPDX-License-Identifier: GPL-2.0-only
/* gone.c - which sockets are gone */
#include "gone.h"

#include <linux/slim.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>
#include <net/genetlink.h>

#include "netlink.h"

#define COOKIES_MAX	256

static void send_later(struct work_struct *work);

/* @num: of @cookies that are kept; while there are any, the work is on its way */
static struct {
	spinlock_t lock;
	unsigned int num;
	u64 cookies[COOKIES_MAX];
} gone = { .lock = __SPIN_LOCK_UNLOCKED(gone.lock) };

static DECLARE_DELAYED_WORK(sending, send_later);

static struct sk_buff *message(void)
{
	size_t size = gone.num * sizeof(*gone.cookies);
	struct sk_buff *skb = genlmsg_new(nla_total_size(sizeof(u32)) + nla_total_size(size),
					  GFP_ATOMIC);
	void *head;

	if (!skb)
		return NULL;
	head = genlmsg_put(skb, 0, 0, &netlink_family, 0, SLIM_CMD_EVENT);
	if (!head || nla_put_u32(skb, SLIM_A_EVENT, SLIM_EVENT_GONE) ||
	    nla_put(skb, SLIM_A_COOKIES, size, gone.cookies)) {
		nlmsg_free(skb);
		return NULL;
	}
	genlmsg_end(skb, head);
	return skb;
}

/* Under the lock. What there is no memory for is not told. */
static void send(void)
{
	struct sk_buff *skb = message();

	gone.num = 0;
	if (skb)
		genlmsg_multicast_netns(&netlink_family, &init_net, skb, 0, NETLINK_GROUP_GONE,
					GFP_ATOMIC);
}

static void send_later(struct work_struct *work)
{
	spin_lock_bh(&gone.lock);
	if (gone.num)
		send();
	spin_unlock_bh(&gone.lock);
}

void gone_tell(u64 cookie)
{
	if (!genl_has_listeners(&netlink_family, &init_net, NETLINK_GROUP_GONE))
		return;
	spin_lock_bh(&gone.lock);
	if (!gone.num)
		schedule_delayed_work(&sending, msecs_to_jiffies(SLIM_GONE_MS));
	gone.cookies[gone.num++] = cookie;
	if (gone.num == COOKIES_MAX)
		send();
	spin_unlock_bh(&gone.lock);
}

void gone_exit(void)
{
	cancel_delayed_work_sync(&sending);
}
