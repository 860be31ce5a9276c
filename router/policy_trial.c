/* SPDX-License-Identifier: MIT */
/* policy_trial.c - which rule decides, on each of the hosts that judge a connection */
#include "policy_trial.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <urcu.h>

#include "consultation.h"
#include "directory.h"
#include "endpoint.h"
#include "peer.h"
#include "policy_crossing.h"
#include "policy_force.h"
#include "policy_show.h"
#include "tags.h"
#include "text.h"

#define HOSTS_MAX	2

/* One of the hosts that judge; @answer: what its policy says. @asked: it has yet to answer */
struct host {
	struct consultation consultation;
	struct policy_trial *trial;
	struct peer *peer;
	const char *ends;
	json_t *answer;
	bool asked;
};

struct policy_trial {
	struct policy_trial_waiter *waiter;
	json_t *reply;
	struct host hosts[HOSTS_MAX];
	size_t hosts_num;
};

static const struct config *config;

void policy_trial_init(const struct config *from)
{
	config = from;
}

/* --- the ends --- */

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

/* A name is looked for in @end->vni first, and then in others, unless @fixed. */
static bool find_end(struct end *end, bool fixed)
{
	if (!addr_parse(end->text, &end->addr)) {
		end->found = true;
	} else {
		rcu_read_lock();
		directory_each_tagged(take_named, end);
		if (!end->found && end->vni && !fixed) {
			end->vni = 0;
			directory_each_tagged(take_named, end);
		}
		rcu_read_unlock();
	}
	return end->found;
}

/* An address that rules of other tenants have made theirs, as connections see it */
static void cross(const struct end *source, struct end *destination)
{
	struct in6_addr addr;

	if (destination->vni != source->vni || addr_parse(destination->text, &addr))
		return;
	rcu_read_lock();
	destination->vni = policy_crossing_to(source->vni, &addr);
	rcu_read_unlock();
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
	if (!find_end(source, true)) {
		snprintf(error, size, "%.63s is neither an address nor a container that is known",
			 source->text);
		return -1;
	}
	destination->v4 = addr_is4(&source->addr);
	destination->vni = destination->vni ? destination->vni : source->vni;
	if (!find_end(destination, named)) {
		snprintf(error, size, "%.63s is neither an address nor a container that is known",
			 destination->text);
		return -1;
	}
	source->vni = source->vni ? source->vni : destination->vni;
	if (source->vni) {
		cross(source, destination);
		return 0;
	}
	snprintf(error, size, "two addresses may be of any tenant: say which by --tenant");
	return -1;
}

/* --- what is answered --- */

static json_t *host_of(const struct peer *peer)
{
	return peer ? json_string(peer_name(peer)) : json_null();
}

/* What this host's policy says */
static json_t *own_answer(const struct policy_question *question)
{
	struct policy_verdict verdict;

	policy_ask(question, &verdict);
	return json_pack("{s:b, s:o, s:o}", "allowed", verdict.allowed,
			 "rule", verdict.rule ?
			 policy_show_place(verdict.policy, &verdict.rule->place) : json_null(),
			 "text", verdict.rule ?
			 policy_show_line(verdict.policy, &verdict.rule->place) : json_null());
}

static json_t *text_or_null(const char *text)
{
	return *text ? text_json(text, strlen(text)) : json_null();
}

static json_t *their_answer(const struct consultation_answer *answer)
{
	return json_pack("{s:b, s:o, s:o}", "allowed", answer->allowed,
			 "rule", text_or_null(answer->rule), "text", text_or_null(answer->line));
}

static json_t *no_answer(const char *why)
{
	return json_pack("{s:n, s:n, s:n, s:s}", "allowed", "rule", "text", "error", why);
}

static json_t *reply_begin(const struct policy_question *question, const struct end *source,
			   const struct end *destination)
{
	char from[INET6_ADDRSTRLEN], to[INET6_ADDRSTRLEN];
	json_t *reply = own_answer(question), *more;

	more = json_pack("{s:s, s:s, s:s, s:s, s:o, s:o}", "tenant", config_tenant_name(config, source->vni),
			 "destination_tenant", config_tenant_name(config, destination->vni),
			 "source", addr_format(&source->addr, from, sizeof(from)),
			 "destination", addr_format(&destination->addr, to, sizeof(to)),
			 "source_host", host_of(directory_owner_of(source->vni, &source->addr)),
			 "destination_host",
			 host_of(directory_owner_of(destination->vni, &destination->addr)));
	json_object_set(reply, "allowed_here", json_object_get(reply, "allowed"));
	json_object_update(reply, more);
	json_decref(more);
	return reply;
}

/* --- the hosts --- */

static bool is_waiting(const struct policy_trial *trial)
{
	for (size_t i = 0; i < trial->hosts_num; i++)
		if (trial->hosts[i].asked)
			return true;
	return false;
}

/* By all hosts that judge, each of which may deny; null: it is not known. Of no host: by @here's policy */
static json_t *of_all(const struct policy_trial *trial, json_t *here)
{
	bool known = true;

	if (!trial->hosts_num)
		return json_incref(here);
	for (size_t i = 0; i < trial->hosts_num; i++) {
		const json_t *allowed = json_object_get(trial->hosts[i].answer, "allowed");

		if (json_is_false(allowed))
			return json_false();
		known &= json_is_true(allowed);
	}
	return known ? json_true() : json_null();
}

/* All have answered, or will not: the reply, and nothing else is left. */
static json_t *trial_end(struct policy_trial *trial)
{
	json_t *list = json_array(), *reply = trial->reply;

	json_object_set_new(reply, "allowed", of_all(trial, json_object_get(reply, "allowed_here")));
	for (size_t i = 0; i < trial->hosts_num; i++) {
		struct host *host = &trial->hosts[i];

		json_object_set_new(host->answer, "host", host_of(host->peer));
		json_object_set_new(host->answer, "ends", json_string(host->ends));
		json_array_append_new(list, host->answer);
	}
	json_object_set_new(reply, "hosts", list);
	free(trial);
	return reply;
}

static void answered(struct consultation *consultation, const struct consultation_answer *answer)
{
	struct host *host = caa_container_of(consultation, struct host, consultation);
	struct policy_trial *trial = host->trial;
	struct policy_trial_waiter *waiter = trial->waiter;

	host->asked = false;
	host->answer = answer ? their_answer(answer) : no_answer("it did not answer within 1 s");
	if (!is_waiting(trial))
		waiter->done(waiter, trial_end(trial));
}

static void ask_host(struct host *host, const struct policy_question *question)
{
	if (host->peer == peer_self()) {
		host->answer = own_answer(question);
	} else if (!peer_is_up(host->peer)) {
		host->answer = no_answer("there is no channel to it");
	} else {
		host->consultation.done = answered;
		host->asked = true;
		consultation_start(&host->consultation, host->peer, question);
	}
}

static void add_host(struct policy_trial *trial, struct peer *peer, const char *end)
{
	if (!peer)
		return;
	if (trial->hosts_num && trial->hosts[0].peer == peer) {
		trial->hosts[0].ends = "both";
		return;
	}
	trial->hosts[trial->hosts_num++] = (struct host){
		.trial = trial, .peer = peer, .ends = end,
	};
}

static json_t *ask(struct policy_trial *trial, const struct end *source,
		   const struct end *destination, uint32_t service, char *error, size_t size)
{
	struct policy_question question = {
		.source_vni = source->vni, .destination_vni = destination->vni, .service = service,
	};
	json_t *reply;

	memcpy(question.source, &source->addr, sizeof(question.source));
	memcpy(question.destination, &destination->addr, sizeof(question.destination));
	trial->reply = reply_begin(&question, source, destination);
	add_host(trial, directory_owner_of(source->vni, &source->addr), "source");
	add_host(trial, directory_owner_of(destination->vni, &destination->addr), "destination");
	for (size_t i = 0; i < trial->hosts_num; i++)
		ask_host(&trial->hosts[i], &question);
	if (is_waiting(trial))
		return NULL;
	reply = trial_end(trial);
	if (!reply)
		snprintf(error, size, "out of memory");
	return reply;
}

void policy_trial_forget(struct policy_trial_waiter *waiter)
{
	struct policy_trial *trial = waiter->trial;

	for (size_t i = 0; i < trial->hosts_num; i++) {
		if (trial->hosts[i].asked)
			consultation_cancel(&trial->hosts[i].consultation);
		json_decref(trial->hosts[i].answer);
	}
	json_decref(trial->reply);
	free(trial);
}

/* --- what is asked --- */

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

json_t *policy_trial_ask(json_t *args, struct policy_trial_waiter *waiter, char *error, size_t size)
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
	waiter->trial = calloc(1, sizeof(*waiter->trial));
	if (!waiter->trial) {
		snprintf(error, size, "out of memory");
		return NULL;
	}
	waiter->trial->waiter = waiter;
	return ask(waiter->trial, &source, &destination,
		   CLASSIFIER_SERVICE((uint32_t)protocol, (uint32_t)port), error, size);
}
