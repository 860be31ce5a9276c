/* SPDX-License-Identifier: MIT */
/*
 * fuzz_peer_message.c - any bytes as a message of a peer
 *
 * links: router/peer_message.c router/tags.c router/endpoint.c
 * libs: jansson
 *
 * What is accepted must be just what the encoder writes.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../router/peer_message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t again[PEER_MESSAGE_MAX];
	struct peer_message message;
	int len = peer_message_length(data, size);

	if (len <= 0 || (size_t)len > size)
		return 0;
	if (peer_message_decode(data, (size_t)len, &message))
		return 0;
	if (peer_message_encode(&message, again) != (size_t)len ||
	    memcmp(again, data, (size_t)len))
		abort();
	return 0;
}
