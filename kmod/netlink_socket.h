/* SPDX-License-Identifier: GPL-2.0-only */
/* netlink_socket.h - commands about the guard, a host and its sockets: <linux/slim.h> says what each does */
#ifndef KMOD_NETLINK_SOCKET_H
#define KMOD_NETLINK_SOCKET_H

#include <net/genetlink.h>

int netlink_get(struct sk_buff *skb, struct genl_info *info);
int netlink_own(struct sk_buff *skb, struct genl_info *info);
int netlink_socket(struct sk_buff *skb, struct genl_info *info);
int netlink_revoke(struct sk_buff *skb, struct genl_info *info);
int netlink_shape(struct sk_buff *skb, struct genl_info *info);
int netlink_drain(struct sk_buff *skb, struct genl_info *info);
int netlink_stats(struct sk_buff *skb, struct genl_info *info);

#endif
