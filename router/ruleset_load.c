/* SPDX-License-Identifier: MIT */
/* ruleset_load.c - tables as text, loaded by nft_process.h, and what nftables say of them */
#include "ruleset_load.h"

#include <stdio.h>
#include <stdlib.h>

#include "nft_process.h"

int ruleset_load(const char *commands, size_t len, char *error, size_t size)
{
	char *said;
	int err = nft_process_run(commands, len, &said);

	snprintf(error, size, "%s", said ? said : "");
	free(said);
	return err;
}
