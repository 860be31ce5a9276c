/* SPDX-License-Identifier: GPL-2.0-only */
/* netlink.h - the generic netlink family of <linux/slim.h> */
#ifndef KMOD_NETLINK_H
#define KMOD_NETLINK_H

#include <net/genetlink.h>

/* Multicast groups */
enum netlink_group {
	NETLINK_GROUP_EVENTS,
	NETLINK_GROUP_SOCKETS,
	NETLINK_GROUP_GONE,
};

extern struct genl_family netlink_family;

int netlink_init(void);
void netlink_exit(void);

#endif
