/* SPDX-License-Identifier: MIT */
/* ruleset_counters.c - what the table "inet slim" has dropped */
#include "ruleset.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>

#include "ruleset_batch.h"

int ruleset_counters(void (*each)(const char *name, uint64_t packets, void *data), void *data)
{
	char *text = ruleset_batch_ask("list counters table inet " RULESET_TABLE);
	json_t *answer = text ? json_loads(text, 0, NULL) : NULL;
	const json_t *item;
	size_t i;

	free(text);
	if (!answer)
		return -EIO;
	json_array_foreach(json_object_get(answer, "nftables"), i, item) {
		const json_t *counter = json_object_get(item, "counter");

		if (counter)
			each(json_string_value(json_object_get(counter, "name")),
			     (uint64_t)json_integer_value(json_object_get(counter, "packets")),
			     data);
	}
	json_decref(answer);
	return 0;
}
