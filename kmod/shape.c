// SPDX-License-Identifier: GPL-2.0-only
/* shape.c - rate, TOS and priority of a socket */
#include "shape.h"

#include <linux/ipv6.h>
#include <net/inet_ecn.h>
#include <net/inet_sock.h>
#include <net/route.h>

bool shape_is_valid(const struct slim_shape *shape)
{
	if (shape->flags & ~SLIM_SHAPE_ALL || shape->reserved)
		return false;
	if (shape->flags & SLIM_SHAPE_RATE && !shape->rate)
		return false;
	return shape->priority <= SLIM_PRIORITY_MAX;
}

struct slim_shape shape_join(const struct slim_shape *first, const struct slim_shape *second)
{
	struct slim_shape shape = *second;

	shape.flags |= first->flags;
	if (first->flags & SLIM_SHAPE_RATE)
		shape.rate = first->rate;
	if (first->flags & SLIM_SHAPE_TOS)
		shape.tos = first->tos;
	if (first->flags & SLIM_SHAPE_PRIORITY)
		shape.priority = first->priority;
	return shape;
}

/* Pacing needs no queueing discipline: TCP paces by itself once it is asked to. */
static void set_rate(struct sock *sk, unsigned long rate)
{
	if (rate != ~0UL)
		cmpxchg(&sk->sk_pacing_status, SK_PACING_NONE, SK_PACING_NEEDED);
	WRITE_ONCE(sk->sk_max_pacing_rate, rate);
	if (READ_ONCE(sk->sk_pacing_rate) > rate)
		WRITE_ONCE(sk->sk_pacing_rate, rate);
}

/* As setsockopt(2) does it: the bits of ECN are TCP's own. */
static void set_tos(struct sock *sk, u8 tos)
{
	struct inet_sock *inet = inet_sk(sk);

	WRITE_ONCE(inet->tos, (tos & ~INET_ECN_MASK) | (READ_ONCE(inet->tos) & INET_ECN_MASK));
#if IS_ENABLED(CONFIG_IPV6)
	if (sk->sk_family == AF_INET6)
		WRITE_ONCE(inet6_sk(sk)->tclass, READ_ONCE(inet->tos));
#endif
	WRITE_ONCE(sk->sk_priority, rt_tos2priority(tos));
	sk_dst_reset(sk);
}

void shape_apply(struct sock *sk, const struct slim_shape *before, const struct slim_shape *shape)
{
	u32 known = before->flags | shape->flags;

	if (known & SLIM_SHAPE_RATE)
		set_rate(sk, shape->flags & SLIM_SHAPE_RATE ?
			     min_t(u64, shape->rate, ~0UL - 1) : ~0UL);
	if (known & SLIM_SHAPE_TOS)
		set_tos(sk, shape->flags & SLIM_SHAPE_TOS ? shape->tos : 0);
	if (known & SLIM_SHAPE_PRIORITY)
		WRITE_ONCE(sk->sk_priority,
			   shape->flags & SLIM_SHAPE_PRIORITY ? shape->priority : 0);
}
