/* SPDX-License-Identifier: GPL-2.0-only */
/* netlink_dump.h - lists of sockets, tenants and rules: <linux/slim.h> */
#ifndef KMOD_NETLINK_DUMP_H
#define KMOD_NETLINK_DUMP_H

#include <linux/netlink.h>

int netlink_sockets_start(struct netlink_callback *cb);
int netlink_sockets_dump(struct sk_buff *skb, struct netlink_callback *cb);
int netlink_sockets_done(struct netlink_callback *cb);

int netlink_host_start(struct netlink_callback *cb);
int netlink_host_done(struct netlink_callback *cb);
int netlink_tenants_dump(struct sk_buff *skb, struct netlink_callback *cb);
int netlink_rules_dump(struct sk_buff *skb, struct netlink_callback *cb);

#endif
