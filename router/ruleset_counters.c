/* SPDX-License-Identifier: MIT */
/* ruleset_counters.c - what our rules have dropped */
#include "ruleset.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "packetpath.h"
#include "packetpath_tenant.h"
#include "ruleset_batch.h"

static const char *const names[] = {
	RULESET_COUNTERS RULESET_PORT_COUNTERS
};

#define NAMES	(sizeof(names) / sizeof(names[0]))

static const char *member(const json_t *counter, const char *key)
{
	const char *text = json_string_value(json_object_get(counter, key));

	return text ? text : "";
}

static bool is_ours(const json_t *counter)
{
	const char *family = member(counter, "family"), *table = member(counter, "table");

	return (!strcmp(family, "inet") && !strcmp(table, RULESET_TABLE)) ||
	       (!strcmp(family, "netdev") &&
		!strncmp(table, PACKETPATH_VETH_PREFIX "-", strlen(PACKETPATH_VETH_PREFIX "-")));
}

static void add(uint64_t packets[NAMES], const json_t *counter)
{
	for (size_t i = 0; i < NAMES; i++)
		if (!strcmp(member(counter, "name"), names[i]))
			packets[i] += (uint64_t)json_integer_value(
				json_object_get(counter, "packets"));
}

int ruleset_counters(void (*each)(const char *name, uint64_t packets, void *data), void *data)
{
	char *text = ruleset_batch_ask("list counters");
	json_t *answer = text ? json_loads(text, 0, NULL) : NULL;
	uint64_t packets[NAMES] = { 0 };
	const json_t *item;
	size_t i;

	free(text);
	if (!answer)
		return -EIO;
	json_array_foreach(json_object_get(answer, "nftables"), i, item) {
		const json_t *counter = json_object_get(item, "counter");

		if (counter && is_ours(counter))
			add(packets, counter);
	}
	for (i = 0; i < NAMES; i++)
		each(names[i], packets[i], data);
	json_decref(answer);
	return 0;
}
