/* SPDX-License-Identifier: MIT */
/*
 * fuzz_preamble.c - any bytes as a preamble
 *
 * links: core/preamble.c
 * libs:
 *
 * What is accepted must be just what the encoder writes.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../core/preamble.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t again[PREAMBLE_MAX];
	struct preamble fields;
	int len;

	if (size >= PREAMBLE_HEADER_LEN && preamble_length(data) > PREAMBLE_MAX)
		abort();
	if (preamble_decode(data, size, &fields))
		return 0;
	len = preamble_encode(&fields, again);
	if (len < 0 || (size_t)len != size ||
	    memcmp(again, data, size - PREAMBLE_MAC_LEN))
		abort();
	return 0;
}
