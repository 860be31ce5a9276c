/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * hook.h - what does not pass a socket's operations
 *
 * Theory of operation: sock_ioctl() serves some commands itself (SIOCGSKNS gives away the host's network namespace),
 * and options of SOL_SOCKET are read, and in kernels without SOCK_CUSTOM_SOCKOPT set, without asking the socket's
 * operations. So ftrace calls us where those functions begin. What is allowed, or about a socket that is not sealed, goes on
 * there; else a function of ours with the same arguments is entered in its place, which refuses.
 *
 * ftrace and not kprobes: those are disarmed by sysctl kernel.ftrace_enabled, which FTRACE_OPS_FL_PERMANENT forbids.
 * The functions of ours return before the call's descriptor is put, and so before the module can go.
 */
#ifndef KMOD_HOOK_H
#define KMOD_HOOK_H

#include <linux/types.h>

/* SLIM_MISSING_* of those functions that could not be hooked */
u32 hooks_missing(void);

/* Why, of one of those bits; or NULL */
const char *hooks_reason(u32 bit);

void hooks_init(void);
void hooks_exit(void);

#endif
