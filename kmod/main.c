// SPDX-License-Identifier: GPL-2.0-only
/*
 * main.c - slim.ko: what a container's host socket can be used for
 *
 * docs/security.md says what it promises, <linux/slim.h> how a router speaks with it.
 */
#include <linux/module.h>
#include <net/genetlink.h>
#include <net/tcp.h>

#include "gone.h"
#include "hook.h"
#include "host.h"
#include "netlink.h"
#include "sockops.h"
#include "tag.h"

static int __init slim_init(void)
{
	int err;

	err = hosts_init();
	if (err)
		return err;
	err = tags_init();
	if (err)
		goto hosts;
	hooks_init();
	err = sockops_init();
	if (err)
		goto hooks;
	err = netlink_init();
	if (err)
		goto sockops;
	return 0;
sockops:
	sockops_exit();
hooks:
	hooks_exit();
	tags_exit();
hosts:
	hosts_exit();
	return err;
}

static void __exit slim_exit(void)
{
	/* No socket is left that could be gone; and the groups of a family that is no more may be others'. */
	gone_exit();
	netlink_exit();
	sockops_exit();
	hooks_exit();
	tags_exit();
	hosts_exit();
}

module_init(slim_init);
module_exit(slim_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Guards host sockets that containers hold");
MODULE_ALIAS_TCP_ULP("slim");
MODULE_ALIAS_GENL_FAMILY("slim");
