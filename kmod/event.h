/* SPDX-License-Identifier: GPL-2.0-only */
/* event.h - what is told to whoever listens: <linux/slim.h>, SLIM_CMD_EVENT */
#ifndef KMOD_EVENT_H
#define KMOD_EVENT_H

#include <linux/skbuff.h>
#include <linux/slim.h>

#include "tag.h"

/* Any context. Where nobody listens, nothing is made. */
void event_open(const struct tag *tag);
void event_close(const struct tag *tag);
void event_denied(const struct tag *tag);

/* Counts it as well, and tells some of them alone. @level, @number: or 0. Process context. */
void event_attack(struct tag *tag, enum slim_operation operation, u32 level, u32 number);

/* Puts all that (s) stands at into @skb as SOCKET: 0 or -EMSGSIZE. */
int event_put_socket(struct sk_buff *skb, const struct tag *tag);

#endif
