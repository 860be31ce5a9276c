/* SPDX-License-Identifier: MIT */
/* ruleset_batch.c - nft commands, written as text and run as one transaction */
#include "ruleset_batch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "endpoint.h"
#include "log.h"
#include "memstream.h"
#include "nft_process.h"

int ruleset_batch_begin(struct ruleset_batch *batch)
{
	*batch = (struct ruleset_batch){ 0 };
	batch->out = open_memstream(&batch->text, &batch->len);
	return batch->out ? 0 : -ENOMEM;
}

/* Line by line: complaints, each followed by the command with marks below it. */
static void say(const char *what, char *said)
{
	char *line;

	while ((line = strsep(&said, "\n"))) {
		for (char *c = line; *c; c++)
			if (*c == '\t')
				*c = ' ';
		if (line[strspn(line, " ^~")])
			log_error("cannot %s: nftables says: %s", what, line);
	}
}

int ruleset_batch_run(struct ruleset_batch *batch, const char *what)
{
	int err = memstream_close(batch->out, &batch->text) ? 0 : -ENOMEM;
	char *said = NULL;

	if (!err)
		err = nft_process_run(batch->text, batch->len, &said);
	free(batch->text);
	if (err && what) {
		if (said && *said)
			say(what, said);
		else
			log_error("cannot %s: %s", what, strerror(-err));
	}
	free(said);
	return err;
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
