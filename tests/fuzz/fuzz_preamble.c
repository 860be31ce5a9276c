/* SPDX-License-Identifier: MIT */
/*
 * fuzz_preamble.c - any bytes as a preamble, and as a preamble's addresses and TLVs
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
#include "../../include/slim/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const uint8_t *data, size_t size)
{
	uint8_t again[PREAMBLE_MAX];
	struct preamble fields;
	int len;

	if (size >= PREAMBLE_HEADER_LEN && preamble_length(data) > PREAMBLE_MAX)
		abort();
	if (preamble_decode(data, size, &fields))
		return;
	len = preamble_encode(&fields, again);
	if (len < 0 || (size_t)len != size ||
	    memcmp(again, data, size - PREAMBLE_MAC_LEN))
		abort();
}

/* Behind a header that is as it should be */
static void check_behind(uint8_t family, size_t len, const uint8_t *data, size_t size)
{
	uint8_t *whole = calloc(1, len);
	size_t room = len - PREAMBLE_HEADER_LEN;

	memcpy(whole, SLIM_WIRE_SIGNATURE, SLIM_WIRE_SIGNATURE_LEN);
	whole[12] = SLIM_WIRE_COMMAND;
	whole[13] = family;
	whole[15] = (uint8_t)room;
	if (size)
		memcpy(whole + PREAMBLE_HEADER_LEN, data, size < room ? size : room);
	check(whole, len);
	free(whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check(data, size);
	check_behind(SLIM_WIRE_TCP4, PREAMBLE_LEN4, data, size);
	check_behind(SLIM_WIRE_TCP6, PREAMBLE_LEN6, data, size);
	return 0;
}
