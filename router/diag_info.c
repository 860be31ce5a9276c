/* SPDX-License-Identifier: MIT */
/* diag_info.c - struct tcp_info as the kernel has it */
#include "diag_info.h"

#include <linux/bpf.h>
#include <linux/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "diag.h"

/*
 * Of the bytes that the kernel counts as acknowledged, one is a SYN of our own, where we sent the first
 * one, and one is our FIN. All others are data; of what is on its way, wqueue and notsent_bytes
 * tell, but wqueue was read a moment earlier: then the sum makes no sense.
 */
static enum diag_opener opener(const struct tcp_info *info, const struct diag_socket *socket)
{
	bool fin_queued = socket->state == BPF_TCP_FIN_WAIT1 || socket->state == BPF_TCP_CLOSING ||
			  socket->state == BPF_TCP_LAST_ACK;
	uint64_t sent = info->tcpi_bytes_sent - info->tcpi_bytes_retrans, on_the_way = 0;

	if (info->tcpi_unacked)
		on_the_way = socket->wqueue - info->tcpi_notsent_bytes;
	sent += socket->state == BPF_TCP_FIN_WAIT2 || (fin_queued && !info->tcpi_notsent_bytes);
	switch (info->tcpi_bytes_acked + on_the_way - sent) {
	case 0:
		return DIAG_OPENER_PEER;
	case 1:
		return DIAG_OPENER_LOCAL;
	default:
		return DIAG_OPENER_UNKNOWN;
	}
}

void diag_info_parse(const void *data, size_t len, struct diag_socket *out)
{
	struct tcp_info info = { 0 };

	memcpy(&info, data, len < sizeof(info) ? len : sizeof(info));
	/* The kernel counts the SYN as a byte. */
	out->bytes_sent = info.tcpi_bytes_acked ? info.tcpi_bytes_acked - 1 : 0;
	out->bytes_received = info.tcpi_bytes_received;
	out->rtt_us = info.tcpi_rtt;
	if (out->opener == DIAG_OPENER_UNKNOWN)
		out->opener = opener(&info, out);
}
