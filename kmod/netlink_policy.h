/* SPDX-License-Identifier: GPL-2.0-only */
/* netlink_policy.h - commands about a host's policy: <linux/slim.h> says what each does */
#ifndef KMOD_NETLINK_POLICY_H
#define KMOD_NETLINK_POLICY_H

#include <net/genetlink.h>

int netlink_stage(struct sk_buff *skb, struct genl_info *info);
int netlink_commit(struct sk_buff *skb, struct genl_info *info);
int netlink_abort(struct sk_buff *skb, struct genl_info *info);
int netlink_query(struct sk_buff *skb, struct genl_info *info);

#endif
