/* SPDX-License-Identifier: MIT */
/* ruleset_counters.c - what our rules have dropped */
#include "ruleset.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <string.h>

#include "packetpath.h"
#include "packetpath_tenant.h"
#include "ruleset_message.h"
#include "ruleset_policy.h"

static const char *const names[] = {
	RULESET_COUNTERS RULESET_PORT_COUNTERS RULESET_POLICY_COUNTER
};

#define NAMES	(sizeof(names) / sizeof(names[0]))
#define TRIES	3	/* while rules change */

static bool is_ours(uint8_t family, const char *table)
{
	static const char port[] = PACKETPATH_VETH_PREFIX "-";

	return (family == NFPROTO_INET && !strcmp(table, RULESET_TABLE)) ||
	       (family == NFPROTO_NETDEV && (!strcmp(table, RULESET_POLICY_TABLE) ||
					     !strncmp(table, port, sizeof(port) - 1)));
}

static void add(uint8_t family, const char *table, const char *name, uint64_t packets, void *data)
{
	uint64_t *sums = data;

	for (size_t i = 0; i < NAMES && is_ours(family, table); i++)
		if (!strcmp(name, names[i]))
			sums[i] += packets;
}

int ruleset_counters(void (*each)(const char *name, uint64_t packets, void *data), void *data)
{
	uint64_t sums[NAMES];
	int err = -EINTR;

	for (int i = 0; i < TRIES && err == -EINTR; i++) {
		memset(sums, 0, sizeof(sums));
		err = ruleset_message_counters(add, sums);
	}
	if (err && err != -EINTR)
		return err;
	for (size_t i = 0; i < NAMES; i++)
		each(names[i], sums[i], data);
	return 0;
}
