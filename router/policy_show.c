/* SPDX-License-Identifier: MIT */
/* policy_show.c - what operators ask about the policy in force, answered as JSON */
#include "policy_show.h"

#include <stdio.h>
#include <string.h>
#include <urcu.h>

#include "directory.h"
#include "endpoint.h"
#include "peer.h"
#include "policy_force.h"
#include "tags.h"

static const struct config *config;

void policy_show_init(const struct config *from)
{
	config = from;
}

static json_t *place_of(const struct policy *policy, const struct policy_place *place)
{
	return json_sprintf("%s:%u", policy->sources.files[place->file].name, place->line);
}

/* --- files --- */

json_t *policy_show_files(void)
{
	const struct policy_compiled *compiled = policy_in_force();
	json_t *files = json_array();

	for (uint32_t i = 0; compiled && i < compiled->policy->sources.files_num; i++) {
		const struct policy_source *source = &compiled->policy->sources.files[i];

		json_array_append_new(files, json_pack("{s:s, s:o}", "file", source->name, "text",
						       json_stringn(source->text, source->len)));
	}
	return json_pack("{s:I, s:o}", "generation", (json_int_t)policy_generation(),
			 "files", files);
}

/* --- stats --- */

/* Does each of @inner's ranges lie in one of @outer's? Both are sorted and apart. */
static bool covers(const struct policy_resolved *resolved, uint32_t outer, uint32_t inner)
{
	const struct policy_resolved_set *a = &resolved->sets[outer], *b = &resolved->sets[inner];
	uint32_t at = 0;

	if (outer == inner)
		return true;
	if (b->tests_num)
		return false;
	for (uint32_t i = 0; i < b->ranges_num; i++) {
		const struct classifier_range *range = &resolved->ranges[b->ranges + i];

		while (at < a->ranges_num &&
		       memcmp(resolved->ranges[a->ranges + at].last, range->last, 16) < 0)
			at++;
		if (at == a->ranges_num ||
		    memcmp(resolved->ranges[a->ranges + at].first, range->first, 16) > 0)
			return false;
	}
	return true;
}

static bool serves(const struct policy *policy, const struct policy_rule *rule,
		   const struct policy_ports *ports)
{
	for (uint32_t i = 0; i < rule->ports_num; i++) {
		const struct policy_ports *its = &policy->ports[rule->ports + i];

		if (its->first <= ports->first && its->last >= ports->last)
			return true;
	}
	return !rule->ports_num;
}

static bool hides(const struct policy_compiled *compiled, const struct policy_rule *earlier,
		  const struct policy_rule *rule)
{
	static const struct policy_ports all = { 0, UINT16_MAX };
	const struct policy *policy = compiled->policy;

	if (earlier->protocol != POLICY_PROTOCOL_ANY && earlier->protocol != rule->protocol)
		return false;
	for (uint32_t i = 0; i < rule->ports_num; i++)
		if (!serves(policy, earlier, &policy->ports[rule->ports + i]))
			return false;
	if (!rule->ports_num && !serves(policy, earlier, &all))
		return false;
	return covers(&compiled->resolved, earlier->source, rule->source) &&
	       covers(&compiled->resolved, earlier->destination, rule->destination);
}

static uint32_t first_service(const struct policy *policy, const struct policy_rule *rule)
{
	static const uint32_t protocols[POLICY_PROTOCOL_NUM] = {
		CLASSIFIER_OTHER, CLASSIFIER_TCP, CLASSIFIER_UDP, CLASSIFIER_ICMP,
	};

	return CLASSIFIER_SERVICE(protocols[rule->protocol],
				  rule->ports_num ? policy->ports[rule->ports].first : 0);
}

/*
 * The earlier rule that decides whatever this one would, or NULL: it is looked for where this rule's
 * first addresses are, since it must be the one that decides there.
 */
static const struct policy_rule *hidden_by(const struct policy_compiled *compiled, uint32_t number)
{
	const struct policy *policy = compiled->policy;
	const struct policy_rule *rule = &policy->rules[number];
	const struct policy_resolved *resolved = &compiled->resolved;
	const struct policy_resolved_set *source = &resolved->sets[rule->source];
	const struct policy_resolved_set *destination = &resolved->sets[rule->destination];
	uint32_t vni = policy->tenants[rule->tenant].vni;
	struct policy_question question = {
		.source_vni = policy->tenants[policy->sets[rule->source].tenant].vni,
		.destination_vni = policy->tenants[policy->sets[rule->destination].tenant].vni,
		.service = first_service(policy, rule),
	};
	struct policy_verdict verdict;

	if (!source->ranges_num || !destination->ranges_num || question.source_vni != vni ||
	    question.destination_vni != vni)
		return NULL;
	memcpy(question.source, resolved->ranges[source->ranges].first, 16);
	memcpy(question.destination, resolved->ranges[destination->ranges].first, 16);
	policy_ask(&question, &verdict);
	if (!verdict.rule || verdict.number >= number)
		return NULL;
	return hides(compiled, verdict.rule, rule) ? verdict.rule : NULL;
}

json_t *policy_show_stats(void)
{
	const struct policy_compiled *compiled = policy_in_force();
	json_t *rules = json_array();

	for (uint32_t i = 0; compiled && i < compiled->policy->rules_num; i++) {
		const struct policy *policy = compiled->policy;
		const struct policy_rule *rule = &policy->rules[i];
		const struct policy_rule *hidden = hidden_by(compiled, i);
		uint64_t hits = __atomic_load_n(&compiled->hits[i], __ATOMIC_RELAXED);

		json_array_append_new(rules, json_pack("{s:o, s:s, s:I, s:o}",
			"rule", place_of(policy, &rule->place),
			"tenant", policy_string(policy, policy->tenants[rule->tenant].name),
			"hits", (json_int_t)hits,
			"hidden_by", hidden ? place_of(policy, &hidden->place) : json_null()));
	}
	return json_pack("{s:I, s:o}", "generation", (json_int_t)policy_generation(),
			 "rules", rules);
}

/* --- test --- */

/* A container's name, or an address. @vni: 0 where it may be in any tenant, and then it says which */
struct end {
	const char *text;
	uint32_t vni;
	bool found;
	bool v4, any_family;
	struct in6_addr addr;
};

static void take_named(uint32_t vni, const struct tags *tags, const struct in6_addr *addr,
		       void *data)
{
	struct end *end = data;

	bool v4 = addr_is4(addr);

	if ((end->vni && end->vni != vni) || strcmp(tags_name(tags), end->text) ||
	    (!end->any_family && v4 != end->v4))
		return;
	/* Of several the lowest IPv4 address, else the lowest: not the one that is met first */
	if (end->found && (v4 != addr_is4(&end->addr) ? !v4 : memcmp(addr, &end->addr, 16) > 0))
		return;
	end->found = true;
	end->vni = vni;
	end->addr = *addr;
}

static bool find_end(struct end *end)
{
	if (!addr_parse(end->text, &end->addr)) {
		end->found = true;
	} else {
		rcu_read_lock();
		directory_each_tagged(take_named, end);
		rcu_read_unlock();
	}
	return end->found;
}

/* The only tenant, where there is but one */
static uint32_t only_tenant(void)
{
	return config->tenants_num == 1 ? config->tenants[0].vni : 0;
}

static int find_ends(struct end *source, struct end *destination, const char *tenant, char *error,
		     size_t size)
{
	const struct config_tenant *named = tenant ? config_tenant_by_name(config, tenant) : NULL;
	struct in6_addr addr;

	if (tenant && !named) {
		snprintf(error, size, "there is no tenant %.63s in the configuration", tenant);
		return -1;
	}
	source->vni = destination->vni = named ? named->vni : only_tenant();
	source->any_family = addr_parse(destination->text, &addr) != 0;
	source->v4 = !source->any_family && addr_is4(&addr);
	if (!find_end(source)) {
		snprintf(error, size, "%.63s is neither an address nor a container that is known",
			 source->text);
		return -1;
	}
	destination->v4 = addr_is4(&source->addr);
	destination->vni = destination->vni ? destination->vni : source->vni;
	if (!find_end(destination)) {
		snprintf(error, size, "%.63s is neither an address nor a container that is known",
			 destination->text);
		return -1;
	}
	source->vni = source->vni ? source->vni : destination->vni;
	if (source->vni)
		return 0;
	snprintf(error, size, "two addresses may be of any tenant: say which");
	return -1;
}

static json_t *host_of(uint32_t vni, const struct in6_addr *addr)
{
	const struct peer *peer = directory_owner_of(vni, addr);

	return peer ? json_string(peer_name(peer)) : json_null();
}

static json_t *line_of(const struct policy_verdict *verdict)
{
	const char *line;
	size_t len;

	if (!verdict->rule)
		return json_null();
	line = policy_sources_line(&verdict->policy->sources, &verdict->rule->place, &len);
	return line ? json_stringn(line, len) : json_null();
}

static json_t *reply_for(const struct end *source, const struct end *destination, uint32_t service)
{
	struct policy_question question = {
		.source_vni = source->vni, .destination_vni = destination->vni, .service = service,
	};
	const struct config_tenant *tenant = config_tenant_by_vni(config, source->vni);
	char from[INET6_ADDRSTRLEN], to[INET6_ADDRSTRLEN];
	struct policy_verdict verdict;

	memcpy(question.source, &source->addr, sizeof(question.source));
	memcpy(question.destination, &destination->addr, sizeof(question.destination));
	policy_ask(&question, &verdict);
	return json_pack("{s:b, s:o, s:o, s:s, s:s, s:s, s:o, s:o}", "allowed", verdict.allowed,
			 "rule", verdict.rule ?
			 place_of(verdict.policy, &verdict.rule->place) : json_null(),
			 "text", line_of(&verdict), "tenant", tenant ? tenant->name : "?",
			 "source", addr_format(&source->addr, from, sizeof(from)),
			 "destination", addr_format(&destination->addr, to, sizeof(to)),
			 "source_host", host_of(source->vni, &source->addr),
			 "destination_host", host_of(destination->vni, &destination->addr));
}

static int protocol_of(const char *name)
{
	static const char *const names[] = {
		[CLASSIFIER_TCP] = "tcp", [CLASSIFIER_UDP] = "udp", [CLASSIFIER_ICMP] = "icmp",
	};

	for (int i = 0; i < (int)(sizeof(names) / sizeof(names[0])); i++)
		if (!strcmp(names[i], name))
			return i;
	return -1;
}

json_t *policy_show_test(json_t *args, char *error, size_t size)
{
	const char *tenant = NULL, *name = "tcp";
	struct end source = { 0 }, destination = { .any_family = false };
	int port, protocol;

	if (json_unpack(args, "{s:s, s:s, s:i, s?s, s?s}", "source", &source.text, "destination",
			&destination.text, "port", &port, "protocol", &name, "tenant", &tenant) ||
	    port < 0 || port > UINT16_MAX) {
		snprintf(error, size, "policy-test takes source, destination and a port from 0 to "
			 "65535");
		return NULL;
	}
	protocol = protocol_of(name);
	if (protocol < 0) {
		snprintf(error, size, "\"%.32s\" is none of tcp, udp and icmp", name);
		return NULL;
	}
	if (find_ends(&source, &destination, tenant, error, size))
		return NULL;
	return reply_for(&source, &destination,
			 CLASSIFIER_SERVICE((uint32_t)protocol, (uint32_t)port));
}
