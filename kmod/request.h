/* SPDX-License-Identifier: GPL-2.0-only */
/* request.h - which host a netlink request is about, and the reply to it */
#ifndef KMOD_REQUEST_H
#define KMOD_REQUEST_H

#include <net/genetlink.h>

#include "host.h"

/* By SLIM_A_HOST_FD; until request_put(). ERR_PTR: -EBADF and its like */
struct host *request_host(struct nlattr **attrs);
void request_put(struct host *host);

/* The same, with its lock until request_unlock(), of the owner alone. ERR_PTR: -EPERM, -ESTALE, too */
struct host *request_lock(struct genl_info *info);

/* The same, of anybody where there is no owner. ERR_PTR: -EPERM, too */
struct host *request_lock_unowned(struct genl_info *info);
void request_unlock(struct host *host);

/* Attributes of a dump's request */
struct nlattr **request_dump_attrs(struct netlink_callback *cb);

/* A reply that is begun, for reply_end(); NULL: no memory. @size: of its attributes */
struct sk_buff *reply_begin(struct genl_info *info, size_t size, void **head);

/* Sends what @put says of the host that is asked about. Returns what the command does. */
int reply_of_host(struct genl_info *info,
		  int (*put)(struct sk_buff *skb, const struct host *host, u32 portid));

/* Sends it if @err is 0, else gives it up. Returns what the command does. */
int reply_end(struct sk_buff *skb, void *head, struct genl_info *info, int err);

#endif
