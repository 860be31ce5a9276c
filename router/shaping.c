/* SPDX-License-Identifier: MIT */
/* shaping.c - what an allowing rule says of a connection's traffic: rate, TOS, priority */
#include "shaping.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include "ruleset_rates.h"

static void set(int fd, int level, int name, int value)
{
	(void)setsockopt(fd, level, name, &value, sizeof(value));
}

struct shaping shaping_of(const struct policy_rule *rule)
{
	return (struct shaping){
		.rate = rule ? rule->rate : 0,
		.tos = rule ? rule->tos : -1,
		.priority = rule ? rule->priority : -1,
		.known = true,
	};
}

bool shaping_equal(const struct shaping *a, const struct shaping *b)
{
	return a->rate == b->rate && a->tos == b->tos && a->priority == b->priority;
}

void shaping_apply(int fd, const struct policy_rule *rule)
{
	if (!rule)
		return;
	if (rule->rate)
		(void)setsockopt(fd, SOL_SOCKET, SO_MAX_PACING_RATE, &rule->rate,
				 sizeof(rule->rate));
	if (rule->tos >= 0) {
		set(fd, IPPROTO_IP, IP_TOS, rule->tos);
		set(fd, IPPROTO_IPV6, IPV6_TCLASS, rule->tos);
	}
	/* IP_TOS sets one, too. */
	if (rule->priority >= 0)
		set(fd, SOL_SOCKET, SO_PRIORITY, rule->priority);
}

void shaping_mark(int fd, uint32_t container_id)
{
	set(fd, SOL_SOCKET, SO_MARK, (int)ruleset_slim_mark(container_id));
}
