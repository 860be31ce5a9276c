/* SPDX-License-Identifier: MIT */
/* ruleset_batch.c - nft commands, written as text and run as one transaction */
#include "ruleset_batch.h"

#include <errno.h>
#include <nftables/libnftables.h>
#include <stdlib.h>
#include <string.h>

#include "endpoint.h"
#include "log.h"

static struct nft_ctx *nft;

int ruleset_batch_init(void)
{
	nft = nft_ctx_new(NFT_CTX_DEFAULT);
	if (!nft)
		return -ENOMEM;
	nft_ctx_buffer_error(nft);
	nft_ctx_buffer_output(nft);
	return 0;
}

void ruleset_batch_exit(void)
{
	if (nft)
		nft_ctx_free(nft);
	nft = NULL;
}

int ruleset_batch_begin(struct ruleset_batch *batch)
{
	*batch = (struct ruleset_batch){ 0 };
	batch->out = open_memstream(&batch->text, &batch->len);
	return batch->out ? 0 : -ENOMEM;
}

/* Line by line: complaints, each followed by the command with marks below it. */
static void say(const char *what, const char *said)
{
	char *text = strdup(said), *rest = text, *line;

	while (text && (line = strsep(&rest, "\n"))) {
		for (char *c = line; *c; c++)
			if (*c == '\t')
				*c = ' ';
		if (line[strspn(line, " ^~")])
			log_error("cannot %s: nftables says: %s", what, line);
	}
	free(text);
}

int ruleset_batch_run(struct ruleset_batch *batch, const char *what)
{
	bool whole = !ferror(batch->out);
	const char *said;
	int err = 0;

	if (fclose(batch->out) || !whole) {
		free(batch->text);
		return -ENOMEM;
	}
	if (nft_run_cmd_from_buffer(nft, batch->text))
		err = -EIO;
	free(batch->text);
	said = nft_ctx_get_error_buffer(nft);	/* empties it, too */
	if (err && what)
		say(what, said);
	return err;
}

char *ruleset_batch_ask(const char *command)
{
	char *answer = NULL;

	nft_ctx_output_set_flags(nft, NFT_CTX_OUTPUT_JSON);
	if (!nft_run_cmd_from_buffer(nft, command))
		answer = strdup(nft_ctx_get_output_buffer(nft));
	nft_ctx_output_set_flags(nft, 0);
	(void)nft_ctx_get_error_buffer(nft);	/* empties it */
	return answer;
}

size_t ruleset_batch_addresses(struct ruleset_batch *batch, const struct in6_addr *addresses,
			       size_t num, bool v4)
{
	char text[INET6_ADDRSTRLEN];
	size_t written = 0;

	for (size_t i = 0; i < num; i++) {
		if (addr_is4(&addresses[i]) != v4)
			continue;
		fprintf(batch->out, "%s%s", written++ ? ", " : "",
			addr_format(&addresses[i], text, sizeof(text)));
	}
	return written;
}
