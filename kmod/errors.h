/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * errors.h - a sealed socket's queue of errors and time stamps
 *
 * The kernel's own reading of that queue gives the packet with its headers, whose it was, and where an ICMP message came
 * from: host addresses, all of it. Here a message has neither name nor data; what is left is what a program
 * asks the queue for: time stamps, ends of zero-copy sends, and errors, without who had sent them.
 */
#ifndef KMOD_ERRORS_H
#define KMOD_ERRORS_H

#include <linux/socket.h>
#include <net/sock.h>

/* recvmsg(2) with MSG_ERRQUEUE: 0 or -EAGAIN. @ipv4: as the application knows the socket */
int errors_receive(struct sock *sk, struct msghdr *msg, bool ipv4);

#endif
