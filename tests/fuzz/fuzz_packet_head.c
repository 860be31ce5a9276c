/* SPDX-License-Identifier: MIT */
/*
 * fuzz_packet_head.c - any bytes as a packet that policy has refused
 *
 * links: router/packet_head.c router/endpoint.c
 * libs:
 *
 * What a fragment has no ports of, or another protocol, has none; and half of it says the same or nothing.
 */
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../router/endpoint.h"
#include "../../router/packet_head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct packet_head head, half;
	uint8_t *part;

	if (packet_head_parse(data, size, &head))
		return 0;
	if (head.protocol != IPPROTO_TCP && head.protocol != IPPROTO_UDP &&
	    (head.source.port || head.destination.port))
		abort();
	part = malloc(size / 2 + 1);
	memcpy(part, data, size / 2);
	if (!packet_head_parse(part, size / 2, &half) &&
	    (half.protocol != head.protocol || !endpoint_equal(&half.source, &head.source) ||
	     !endpoint_equal(&half.destination, &head.destination)))
		abort();
	free(part);
	return 0;
}
