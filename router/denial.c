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

static void say(const char *what, const struct policy_verdict *verdict, uint32_t vni,
		const struct slim_endpoint *source, const struct slim_endpoint *destination)
{
	const struct config_tenant *tenant = config_tenant_by_vni(config, vni);
	char from[END_LEN], to[END_LEN], place[PLACE_LEN];

	log_info("policy: %s in tenant %s: %s to %s, %s", what, tenant ? tenant->name : "?", end(vni, source, from),
		 end(vni, destination, to), by(verdict, place));
}

void denial_say(const struct policy_verdict *verdict, uint32_t vni,
		const struct slim_endpoint *source, const struct slim_endpoint *destination)
{
	policy_count(verdict);
	if (!verdict->allowed && log_limit_ok(&denied_limit))
		say("denied", verdict, vni, source, destination);
	if (verdict->allowed && verdict->rule && verdict->rule->log && log_limit_ok(&allowed_limit))
		say("allowed", verdict, vni, source, destination);
}

void denial_limit(const struct policy_verdict *verdict, int err, uint32_t vni,
		  const struct slim_endpoint *source, const struct slim_endpoint *destination)
{
	if (log_limit_ok(&limit_limit))
		say(err == -EDQUOT ? "too many set-ups" : "too many connections", verdict, vni,
		    source, destination);
}

void denial_cut(uint64_t cookie)
{
	struct slim_endpoint source, destination;
	const struct ledger_entry *entry;
	struct policy_verdict verdict;

	if (!log_limit_ok(&cut_limit))
		return;
	rcu_read_lock();
	entry = ledger_find(cookie);
	if (entry) {
		source = entry->direction == LEDGER_OUT ? entry->local : entry->peer;
		destination = entry->direction == LEDGER_OUT ? entry->peer : entry->local;
		policy_ask_tcp(entry->vni, &source, &destination, &verdict);
		say("cut", &verdict, entry->vni, &source, &destination);
	}
	rcu_read_unlock();
}
