/* SPDX-License-Identifier: MIT */
/* denial.c - what policy decides is said in the log, at a bounded rate */
#include "denial.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <urcu.h>

#include "config.h"
#include "directory.h"
#include "endpoint.h"
#include "ledger.h"
#include "log.h"
#include "tags.h"

#define PLACE_LEN	512
#define END_LEN		(ENDPOINT_STRLEN + SLIM_WIRE_TAG_MAX + 4)

static struct log_limit denied_limit = { .burst = 10 };
static struct log_limit allowed_limit = { .burst = 10 };
static struct log_limit limit_limit = { .burst = 10 };
static struct log_limit packet_limit = { .burst = 10 };
static struct log_limit cut_limit = { .burst = 10 };
static const struct config *config;

void denial_init(const struct config *from)
{
	config = from;
}

/* "web1 (10.32.1.2:80)" */
static const char *end(uint32_t vni, const struct slim_endpoint *ep, char out[END_LEN])
{
	struct in6_addr addr = endpoint_addr(ep);
	const struct tags *tags = directory_tags(vni, &addr);
	char text[ENDPOINT_STRLEN];

	endpoint_format(ep, text, sizeof(text));
	if (tags)
		snprintf(out, END_LEN, "%s (%s)", tags_name(tags), text);
	else
		snprintf(out, END_LEN, "%s", text);
	return out;
}

static const char *by(const struct policy_verdict *verdict, char out[PLACE_LEN])
{
	const struct policy_place *place;

	if (!verdict->policy)
		snprintf(out, PLACE_LEN, "as there is no policy that could be read");
	else if (!verdict->rule)
		snprintf(out, PLACE_LEN, "by default, as no rule matches");
	else {
		place = &verdict->rule->place;
		snprintf(out, PLACE_LEN, "by %s:%u", verdict->policy->sources.files[place->file].name,
			 place->line);
	}
	return out;
}

static void say(const char *what, const struct policy_verdict *verdict, const struct ends *ends)
{
	char from[END_LEN], to[END_LEN], place[PLACE_LEN];
	bool within = ends->source_vni == ends->destination_vni;

	end(ends->source_vni, &ends->source, from);
	end(ends->destination_vni, &ends->destination, to);
	log_info("policy: %s %s tenant %s%s%s: %s to %s, %s", what, within ? "in" : "from",
		 config_tenant_name(config, ends->source_vni), within ? "" : " to ",
		 within ? "" : config_tenant_name(config, ends->destination_vni), from, to, by(verdict, place));
}

void denial_say(const struct policy_verdict *verdict, const struct ends *ends)
{
	policy_count(verdict);
	if (!verdict->allowed && log_limit_ok(&denied_limit))
		say("denied", verdict, ends);
	if (verdict->allowed && verdict->rule && verdict->rule->log && log_limit_ok(&allowed_limit))
		say("allowed", verdict, ends);
}

void denial_limit(const struct policy_verdict *verdict, const struct policy_rule *rule, int err,
		  const struct ends *ends)
{
	struct policy_verdict limited = *verdict;

	limited.rule = rule;
	if (log_limit_ok(&limit_limit))
		say(err == -EDQUOT ? "too many set-ups" : "too many connections", &limited, ends);
}

static const char *protocol_name(uint8_t protocol, char out[8])
{
	switch (protocol) {
	case IPPROTO_TCP:
		return "tcp";
	case IPPROTO_UDP:
		return "udp";
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return "icmp";
	default:
		snprintf(out, 8, "%u", protocol);
		return out;
	}
}

void denial_say_packet(const struct policy_verdict *verdict, uint8_t protocol,
		       const struct ends *ends)
{
	char what[64], number[8];

	if (verdict->allowed || !log_limit_ok(&packet_limit))
		return;
	snprintf(what, sizeof(what), "denied a packet (%s)", protocol_name(protocol, number));
	say(what, verdict, ends);
}

void denial_cut(uint64_t cookie)
{
	const struct ledger_entry *entry;
	struct policy_verdict verdict;
	struct ends ends;

	if (!log_limit_ok(&cut_limit))
		return;
	rcu_read_lock();
	entry = ledger_find(cookie);
	if (entry) {
		ends = ledger_ends(entry);
		policy_ask_tcp(&ends, &verdict);
		say("cut", &verdict, &ends);
	}
	rcu_read_unlock();
}

void denial_cut_packet(const struct ends *ends)
{
	struct policy_verdict verdict;

	if (!log_limit_ok(&cut_limit))
		return;
	policy_ask_tcp(ends, &verdict);
	say("cut", &verdict, ends);
}
