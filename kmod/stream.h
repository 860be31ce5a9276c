/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * stream.h - what has passed over a sealed socket
 *
 * Theory of operation: the kernel counts sequence numbers, of which our SYN and both FINs are some, and what the router has
 * sent and read before it sealed the socket. What was there then is taken off, and so are FINs. Disconnecting, which
 * close(2) does with SO_LINGER and no time, sets all counters to zero: so they are kept when the socket ceases to be
 * one that packets find, as it does before.
 */
#ifndef KMOD_STREAM_H
#define KMOD_STREAM_H

#include <linux/types.h>
#include <net/sock.h>

/* @tx, @rx: bytes, sent ones that the peer has acknowledged; @rtt: us */
struct stream_counts {
	u64 tx;
	u64 rx;
	u32 retransmits;
	u32 rtt;
};

/* @tx_before, @rx_before: what does not count; @counts: with @ended, of which it is the last word */
struct stream {
	u64 tx_before;
	u64 rx_before;
	struct stream_counts counts;
	bool ended;
};

/* From now on it counts. Under the socket's lock. */
void stream_begin(struct stream *stream, const struct sock *sk);

/* The connection ends, but the socket's state is what it was. Under the socket's lock, in any context; only once counts. */
void stream_end(struct stream *stream, const struct sock *sk);

struct stream_counts stream_counts(const struct stream *stream, const struct sock *sk);

#endif
