// SPDX-License-Identifier: GPL-2.0-only
/* request.c - which host a netlink request is about, and the reply to it */
#include "request.h"

#include <linux/slim.h>
#include <linux/version.h>

#include "netlink.h"

struct host *request_host(struct nlattr **attrs)
{
	struct net *net;

	if (!attrs[SLIM_A_HOST_FD])
		return host_of(get_net(&init_net));
	net = get_net_ns_by_fd(nla_get_s32(attrs[SLIM_A_HOST_FD]));
	return IS_ERR(net) ? ERR_CAST(net) : host_of(net);
}

void request_put(struct host *host)
{
	put_net(host->net);
}

/* @unowned: the error where there is no owner, or 0 */
static struct host *lock(struct genl_info *info, int unowned)
{
	struct host *host = request_host(info->attrs);
	int err;

	if (IS_ERR(host))
		return host;
	mutex_lock(&host->lock);
	err = host_check_owner(host, info->snd_portid);
	if (err == -ESTALE)
		err = unowned;
	if (!err)
		return host;
	request_unlock(host);
	return ERR_PTR(err);
}

struct host *request_lock(struct genl_info *info)
{
	return lock(info, -ESTALE);
}

struct host *request_lock_unowned(struct genl_info *info)
{
	return lock(info, 0);
}

void request_unlock(struct host *host)
{
	mutex_unlock(&host->lock);
	request_put(host);
}

struct nlattr **request_dump_attrs(struct netlink_callback *cb)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 7, 0)
	return genl_dumpit_info(cb)->attrs;
#else
	return genl_info_dump(cb)->attrs;
#endif
}

struct sk_buff *reply_begin(struct genl_info *info, size_t size, void **head)
{
	struct sk_buff *skb = genlmsg_new(size, GFP_KERNEL);

	if (!skb)
		return NULL;
	*head = genlmsg_put_reply(skb, info, &netlink_family, 0, info->genlhdr->cmd);
	if (*head)
		return skb;
	nlmsg_free(skb);
	return NULL;
}

int reply_end(struct sk_buff *skb, void *head, struct genl_info *info, int err)
{
	if (err) {
		nlmsg_free(skb);
		return err;
	}
	genlmsg_end(skb, head);
	return genlmsg_reply(skb, info);
}

int reply_of_host(struct genl_info *info,
		  int (*put)(struct sk_buff *skb, const struct host *host, u32 portid))
{
	struct host *host = request_host(info->attrs);
	struct sk_buff *reply;
	void *head;
	int err = -ENOMEM;

	if (IS_ERR(host))
		return PTR_ERR(host);
	reply = reply_begin(info, NLMSG_DEFAULT_SIZE, &head);
	if (reply)
		err = reply_end(reply, head, info, put(reply, host, info->snd_portid));
	request_put(host);
	return err;
}
