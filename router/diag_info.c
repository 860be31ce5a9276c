/* SPDX-License-Identifier: MIT */
/* diag_info.c - struct tcp_info as the kernel has it */
#include "diag_info.h"

#include <linux/tcp.h>
#include <string.h>

#include "diag.h"

void diag_info_parse(const void *data, size_t len, struct diag_socket *out)
{
	struct tcp_info info = { 0 };

	memcpy(&info, data, len < sizeof(info) ? len : sizeof(info));
	/* The kernel counts the SYN as a byte. */
	out->bytes_sent = info.tcpi_bytes_acked ? info.tcpi_bytes_acked - 1 : 0;
	out->bytes_received = info.tcpi_bytes_received;
	out->rtt_us = info.tcpi_rtt;
}
