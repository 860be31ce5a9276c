// SPDX-License-Identifier: GPL-2.0-only
/* errors.c - a sealed socket's queue of errors and time stamps */
#include "errors.h"

#include <linux/errqueue.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/skbuff.h>

/* As IP_RECVERR and IPV6_RECVERR give them, of an offender who is nobody */
struct error4 {
	struct sock_extended_err err;
	struct sockaddr_in offender;
};

struct error6 {
	struct sock_extended_err err;
	struct sockaddr_in6 offender;
};

static void put_error(struct msghdr *msg, const struct sock_extended_err *err, bool ipv4)
{
	struct error4 error4 = { .err = *err, .offender.sin_family = AF_UNSPEC };
	struct error6 error6 = { .err = *err, .offender.sin6_family = AF_UNSPEC };

	if (ipv4)
		put_cmsg(msg, SOL_IP, IP_RECVERR, sizeof(error4), &error4);
	else
		put_cmsg(msg, SOL_IPV6, IPV6_RECVERR, sizeof(error6), &error6);
}

int errors_receive(struct sock *sk, struct msghdr *msg, bool ipv4)
{
	struct sk_buff *skb = sock_dequeue_err_skb(sk);
	struct sock_extended_err err;

	if (!skb)
		return -EAGAIN;
	sock_recv_timestamp(msg, sk, skb);
	err = SKB_EXT_ERR(skb)->ee;
	put_error(msg, &err, ipv4);
	msg->msg_flags |= MSG_ERRQUEUE;
	if (skb->len)
		msg->msg_flags |= MSG_TRUNC;
	consume_skb(skb);
	return 0;
}
