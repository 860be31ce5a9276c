/* SPDX-License-Identifier: MIT */
/* ruleset_refusal.c - how the packets that policy denies are refused */
#include "ruleset_refusal.h"

#include <errno.h>
#include <string.h>

#include "log.h"
#include "ruleset_load.h"

#define ERROR_MAX	256

#define REJECT								\
	"meta l4proto tcp reject with tcp reset\n"			\
	"meta protocol ip reject with icmp type admin-prohibited\n"	\
	"meta protocol ip6 reject with icmpv6 type admin-prohibited\n"	\
	"drop\n"

/* Neither a tenant's (ruleset.h) nor a slim socket's (ruleset_rates.h) */
#define MARK		"0x55000000"

#define REMOVE_BRIDGE	"table bridge slim_policy\ndelete table bridge slim_policy\n"

/* @trial: what the kernel has to take for it; NULL: nothing */
static const struct refusal {
	const char *trial, *rules, *table, *removal;
} refusals[] = {
	{
		.trial = "table netdev slim_trial {\nchain refuse {\n" REJECT "}\n}\n"
			 "delete table netdev slim_trial\n",
		.rules = REJECT, .table = "", .removal = "",
	}, {
		.trial = "table bridge slim_trial {\nchain refuse {\n"
			 "type filter hook prerouting priority 0; policy accept;\n"
			 "meta mark != " MARK " accept\n" REJECT "}\n}\n"
			 "delete table bridge slim_trial\n",
		.rules = "meta mark set " MARK " accept\n",
		.table = REMOVE_BRIDGE "table bridge slim_policy {\nchain refuse {\n"
			 "type filter hook prerouting priority -300; policy accept;\n"
			 "meta mark != " MARK " accept\niifname != \"slim*\" accept\n" REJECT "}\n}\n",
		.removal = REMOVE_BRIDGE,
	}, {
		.rules = "drop\n", .table = "", .removal = "",
	},
};

static const struct refusal *found;

int ruleset_refusal_find(void)
{
	char error[ERROR_MAX];
	int err = 0;

	for (const struct refusal *refusal = refusals; !found; refusal++) {
		if (refusal->trial)
			err = ruleset_load(refusal->trial, strlen(refusal->trial), error, sizeof(error));
		if (err && err != -EIO)
			return err;
		if (err && refusal->trial)
			continue;
		found = refusal;
		if (!refusal->trial)
			log_warning("packets that policy denies are dropped, and their senders not told: the kernel "
				    "has neither nft_reject_netdev nor nft_reject_bridge");
	}
	return 0;
}

const char *ruleset_refusal_rules(void)
{
	return found->rules;
}

const char *ruleset_refusal_table(void)
{
	return found->table;
}

const char *ruleset_refusal_removal(void)
{
	return found->removal;
}

void ruleset_refusal_exit(void)
{
	char error[ERROR_MAX];

	/* Kernels without this family refuse it. */
	(void)ruleset_load(REMOVE_BRIDGE, strlen(REMOVE_BRIDGE), error, sizeof(error));
}
