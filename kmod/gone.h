/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * gone.h - which sockets are gone: <linux/slim.h>, SLIM_EVENT_GONE
 *
 * Theory of operation: a router wants to know that of each sealed socket, and nothing else. Many end at the same time, and
 * to build a message for each and wake the router by it would be a large part of what a set-up costs. So cookies are
 * kept until SLIM_GONE_MS have passed, or there is no more room for them, and are sent together.
 */
#ifndef KMOD_GONE_H
#define KMOD_GONE_H

#include <linux/types.h>

/* Any context but hard interrupts. Where nobody listens, nothing is kept. */
void gone_tell(u64 cookie);

/* Forgets what is kept. When there are no tags any more, so that nothing more is told, and still the netlink family */
void gone_exit(void);

#endif
