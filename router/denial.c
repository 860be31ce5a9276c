/* SPDX-License-Identifier: MIT */
/* denial.c - what policy decides is said in the log, at a bounded rate */
#include "denial.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <urcu.h>

#include "config.h"
#include "directory.h"
#include "endpoint.h"
#include "ledger.h"
#include "log.h"
#include "tags.h"

#define BURST		10	/* lines a second */
#define PLACE_LEN	512
#define END_LEN		(ENDPOINT_STRLEN + SLIM_WIRE_TAG_MAX + 4)

/* A tenant's, so that none takes the lines of another */
struct bounds {
	struct log_limit denied, allowed, limited, packet, cut;
};

static const struct bounds fresh = {
	.denied.burst = BURST, .allowed.burst = BURST, .limited.burst = BURST,
	.packet.burst = BURST, .cut.burst = BURST,
};
static struct bounds *bounds;	/* of each of the configuration's tenants */
static struct bounds others;	/* without memory for that */
static const struct config *config;

void denial_init(const struct config *from)
{
	config = from;
	others = fresh;
	free(bounds);
	bounds = calloc(config->tenants_num, sizeof(*bounds));
	for (size_t i = 0; i < config->tenants_num && bounds; i++)
		bounds[i] = fresh;
}

/* Who begins it counts. */
static struct bounds *bounds_of(const struct ends *ends)
{
	const struct config_tenant *tenant = config_tenant_by_vni(config, ends->source_vni);

	return tenant && bounds ? &bounds[tenant - config->tenants] : &others;
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

static void say_by(const char *what, const struct ends *ends, const char *why)
{
	char from[END_LEN], to[END_LEN];
	bool within = ends->source_vni == ends->destination_vni;

	end(ends->source_vni, &ends->source, from);
	end(ends->destination_vni, &ends->destination, to);
	log_info("policy: %s %s tenant %s%s%s: %s to %s, %s", what, within ? "in" : "from",
		 config_tenant_name(config, ends->source_vni), within ? "" : " to ",
		 within ? "" : config_tenant_name(config, ends->destination_vni), from, to, why);
}

static void say(const char *what, const struct policy_verdict *verdict, const struct ends *ends)
{
	char place[PLACE_LEN];

	say_by(what, ends, by(verdict, place));
}

static void say_allowed(const struct policy_verdict *verdict, const struct policy_rule *rule,
			const struct ends *ends)
{
	struct policy_verdict by_rule = *verdict;

	if (!rule || !rule->log || !log_limit_ok(&bounds_of(ends)->allowed))
		return;
	by_rule.rule = rule;
	say("allowed", &by_rule, ends);
}

void denial_say(const struct policy_verdict *verdict, const struct ends *ends)
{
	if (verdict->allowed) {
		say_allowed(verdict, verdict->rule, ends);
		say_allowed(verdict, verdict->second, ends);
	} else if (log_limit_ok(&bounds_of(ends)->denied)) {
		say("denied", verdict, ends);
	}
}

void denial_limit(const struct policy_verdict *verdict, const struct policy_rule *rule, int err,
		  const struct ends *ends)
{
	struct policy_verdict limited = *verdict;

	limited.rule = rule;
	if (log_limit_ok(&bounds_of(ends)->limited))
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

	if (verdict->allowed || !log_limit_ok(&bounds_of(ends)->packet))
		return;
	snprintf(what, sizeof(what), "denied a packet (%s)", protocol_name(protocol, number));
	if (ends->source_vni == ends->destination_vni)
		say(what, verdict, ends);
	else
		say_by(what, ends, "as there is no packet path from tenant to tenant");
}

void denial_cut(uint64_t cookie)
{
	const struct ledger_entry *entry;
	struct ends ends;

	rcu_read_lock();
	entry = ledger_find(cookie);
	if (entry) {
		ends = ledger_ends(entry);
		denial_cut_packet(&ends);
	}
	rcu_read_unlock();
}

void denial_cut_packet(const struct ends *ends)
{
	struct policy_verdict verdict;

	if (!log_limit_ok(&bounds_of(ends)->cut))
		return;
	policy_ask_tcp(ends, &verdict);
	say("cut", &verdict, ends);
}
