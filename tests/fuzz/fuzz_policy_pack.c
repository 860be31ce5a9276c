/* SPDX-License-Identifier: MIT */
/*
 * fuzz_policy_pack.c - any bytes as a policy's files in one
 *
 * links: router/policy_pack.c router/policy_source.c
 * libs:
 *
 * What is accepted must be just what is written.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../router/policy_pack.h"

#include "input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct policy_sources sources;
	FILE *in, *out;
	char *again = NULL;
	size_t len = 0;

	if (!size)
		return 0;
	in = fmemopen((void *)data, size, "r");
	require(in);
	if (!policy_pack_read(in, &sources)) {
		out = open_memstream(&again, &len);
		require(out && !policy_pack_write(out, &sources));
		fclose(out);
		require(len == size && !memcmp(again, data, len));
		policy_sources_free(&sources);
	}
	fclose(in);
	free(again);
	return 0;
}
