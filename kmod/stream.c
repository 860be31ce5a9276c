// SPDX-License-Identifier: GPL-2.0-only
/* stream.c - what has passed over a sealed socket */
#include "stream.h"

#include <net/tcp.h>

#define FIN_SENT	(TCPF_FIN_WAIT1 | TCPF_FIN_WAIT2 | TCPF_CLOSING | TCPF_LAST_ACK | TCPF_TIME_WAIT)

static bool fin_is_acknowledged(const struct sock *sk)
{
	const struct tcp_sock *tp = tcp_sk(sk);

	return (1 << READ_ONCE(sk->sk_state)) & FIN_SENT &&
	       READ_ONCE(tp->snd_una) == READ_ONCE(tp->write_seq);
}

static u64 beyond(u64 all, u64 before)
{
	return all > before ? all - before : 0;
}

static struct stream_counts count(const struct stream *stream, const struct sock *sk)
{
	const struct tcp_sock *tp = tcp_sk(sk);

	return (struct stream_counts){
		.tx = beyond(READ_ONCE(tp->bytes_acked) - fin_is_acknowledged(sk),
			     stream->tx_before),
		.rx = beyond(READ_ONCE(tp->bytes_received) - sock_flag(sk, SOCK_DONE),
			     stream->rx_before),
		.retransmits = READ_ONCE(tp->total_retrans),
		.rtt = READ_ONCE(tp->srtt_us) >> 3,
	};
}

void stream_begin(struct stream *stream, const struct sock *sk)
{
	const struct tcp_sock *tp = tcp_sk(sk);

	stream->tx_before = tp->bytes_acked + (u32)(tp->write_seq - tp->snd_una);
	stream->rx_before = tp->bytes_received - (u32)(tp->rcv_nxt - tp->copied_seq);
}

void stream_end(struct stream *stream, const struct sock *sk)
{
	if (stream->ended)
		return;
	stream->counts = count(stream, sk);
	smp_store_release(&stream->ended, true);
}

struct stream_counts stream_counts(const struct stream *stream, const struct sock *sk)
{
	return smp_load_acquire(&stream->ended) ? stream->counts : count(stream, sk);
}
