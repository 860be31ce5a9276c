/* SPDX-License-Identifier: MIT */
/* policy_victims.c - which live connections a policy would cut that is not in force */
#include "policy_victims.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <urcu.h>

#include "container.h"
#include "diag.h"
#include "directory.h"
#include "endpoint.h"
#include "ledger.h"
#include "packet_cutting.h"
#include "policy_force.h"
#include "policy_show.h"
#include "tags.h"
#include "text.h"

#define LOOKS	2	/* at all sockets: one can miss some */

/* @rule: POLICY_NONE: by default */
struct victim {
	uint64_t cookie;
	uint32_t rule;
	bool out, alive, packet;
	struct ends ends;
};

/*
 * @container:	whose sockets are looked at; NULL: the host's
 * @first:	of the victims that are its own; up to @sorted by their cookies
 * @listening:	its ports, a bit each
 * @unseen:	the containers that could not be looked at
 * @error:	-ENOMEM, or why the host's sockets could not be looked at
 */
struct survey {
	struct policy_compiled *compiled;
	struct policy_members *members;
	struct victim *victims;
	size_t num, max;
	const struct container *container;
	size_t first, sorted;
	uint8_t listening[(UINT16_MAX + 1) / 8];
	json_t *unseen;
	int error;
};

static bool denies(const struct survey *survey, const struct ends *ends, uint32_t *rule)
{
	struct policy_question question = policy_question_tcp(ends);
	struct policy_verdict verdict;

	rcu_read_lock();
	policy_ask_other(survey->compiled, survey->members, &question, &verdict);
	rcu_read_unlock();
	*rule = verdict.rule ? verdict.number : POLICY_NONE;
	return !verdict.allowed && !verdict.provisional;
}

static void add(struct survey *survey, const struct victim *victim)
{
	if (survey->num == survey->max) {
		size_t more = survey->max ? survey->max * 2 : 256;
		struct victim *bigger = reallocarray(survey->victims, more, sizeof(*bigger));

		if (!bigger) {
			survey->error = -ENOMEM;
			return;
		}
		survey->victims = bigger;
		survey->max = more;
	}
	survey->victims[survey->num++] = *victim;
}

static int compare_cookies(const void *a, const void *b)
{
	const struct victim *first = a, *second = b;

	return first->cookie < second->cookie ? -1 : first->cookie > second->cookie;
}

/* Those of the namespace that is looked at */
static struct victim *victim_by_cookie(const struct survey *survey, uint64_t cookie)
{
	const struct victim key = { .cookie = cookie };

	if (survey->sorted == survey->first)
		return NULL;
	return bsearch(&key, survey->victims + survey->first, survey->sorted - survey->first,
		       sizeof(key), compare_cookies);
}

static void sort(struct survey *survey)
{
	if (survey->num > survey->first)
		qsort(survey->victims + survey->first, survey->num - survey->first,
		      sizeof(*survey->victims), compare_cookies);
	survey->sorted = survey->num;
}

/* Of the namespace. A socket that its owner keeps locked must not make anybody wait: without info. 0 or -errno */
static int dump(struct survey *survey, struct diag *diag, unsigned int states,
		void (*each)(const struct diag_socket *socket, void *data))
{
	int err = diag_dump(diag, states, 0, 0, false, each, survey);

	/* -EINTR: it may have missed some, and there is another look. */
	return err == -EINTR ? 0 : err;
}

/* --- the slim path's --- */

static void judge_slim(struct ledger_entry *entry, void *data)
{
	struct victim victim = {
		.cookie = entry->cookie,
		.out = entry->direction == LEDGER_OUT,
		.ends = ledger_ends(entry),
	};

	if (denies(data, &victim.ends, &victim.rule))
		add(data, &victim);
}

static void find(const struct diag_socket *socket, void *data)
{
	struct victim *victim = victim_by_cookie(data, socket->cookie);

	if (victim)
		victim->alive = true;
}

/* The ledger learns a moment later what is over. */
static void find_slim(struct survey *survey)
{
	struct diag *diag;

	rcu_read_lock();
	ledger_each(judge_slim, survey);
	rcu_read_unlock();
	if (survey->error || !survey->num)
		return;
	sort(survey);
	diag = diag_open(-1);
	if (!diag) {
		survey->error = -errno;
		return;
	}
	for (int i = 0; i < LOOKS && !survey->error; i++)
		survey->error = dump(survey, diag, DIAG_LIVE, find);
	diag_close(diag);
}

/* --- the packet path's --- */

static void note_listener(const struct diag_socket *socket, void *data)
{
	struct survey *survey = data;
	uint16_t port = socket->local.port;

	survey->listening[port / 8] |= (uint8_t)(1 << port % 8);
}

/* Or was it connected to? */
static bool is_ours(const struct survey *survey, const struct diag_socket *socket)
{
	uint16_t port = socket->local.port;

	return !(survey->listening[port / 8] & 1 << port % 8);
}

static void judge_packet(const struct diag_socket *socket, void *data)
{
	struct survey *survey = data;
	uint32_t vni = survey->container->vni;
	bool out = is_ours(survey, socket);
	struct victim victim = {
		.cookie = socket->cookie,
		.out = out,
		.alive = true,
		.packet = true,
		.ends = { vni, vni, out ? socket->local : socket->peer,
			  out ? socket->peer : socket->local },
	};

	if (packet_cutting_judges(survey->container, socket) &&
	    !victim_by_cookie(survey, socket->cookie) &&
	    denies(survey, &victim.ends, &victim.rule))
		add(survey, &victim);
}

static int look(struct survey *survey, const struct container *container)
{
	struct diag *diag = diag_open(container->netns_fd);
	int err = diag ? 0 : -errno;

	survey->container = container;
	survey->first = survey->sorted = survey->num;
	memset(survey->listening, 0, sizeof(survey->listening));
	for (int i = 0; i < LOOKS && !err; i++) {
		err = dump(survey, diag, DIAG_LISTEN, note_listener);
		if (!err)
			err = dump(survey, diag, DIAG_LIVE, judge_packet);
		sort(survey);
	}
	diag_close(diag);
	return err;
}

/* Of a container that was not looked at wholly nothing is said but that. */
static void find_packet(struct survey *survey, const struct container *container)
{
	int err = look(survey, container);

	if (!err)
		return;
	survey->num = survey->first;
	if (json_array_append_new(survey->unseen, json_pack("{s:s, s:s}", "container",
							    container->name,
							    "error", strerror(-err))))
		survey->error = -ENOMEM;
}

/* Containers' numbers */
struct numbers {
	uint32_t *numbers;
	size_t num, max;
	bool whole;
};

static void take_number(struct container *container, void *data)
{
	struct numbers *all = data;
	size_t more = all->max ? all->max * 2 : 64;
	uint32_t *bigger;

	if (all->num == all->max) {
		bigger = reallocarray(all->numbers, more, sizeof(*bigger));
		if (!bigger) {
			all->whole = false;
			return;
		}
		all->numbers = bigger;
		all->max = more;
	}
	all->numbers[all->num++] = container->id;
}

/* With a reference; NULL: it has gone. */
static struct container *container_of(uint32_t number)
{
	struct container *container;

	rcu_read_lock();
	container = container_by_id(number);
	if (container && !container_get(container))
		container = NULL;
	rcu_read_unlock();
	return container;
}

/* One after the other, in no read section: each takes four dumps. */
static void find_packets(struct survey *survey)
{
	struct numbers all = { .whole = true };

	rcu_read_lock();
	containers_each(take_number, &all);
	rcu_read_unlock();
	if (!all.whole)
		survey->error = -ENOMEM;
	for (size_t i = 0; i < all.num && !survey->error; i++) {
		struct container *container = container_of(all.numbers[i]);

		if (!container)
			continue;
		if (policy_domain_find(survey->compiled, container->vni, container->vni,
				       container->vni))
			find_packet(survey, container);
		container_put(container);
	}
	free(all.numbers);
}

/* --- all of them --- */

static json_t *container_name(uint32_t vni, const struct slim_endpoint *end)
{
	struct in6_addr addr = endpoint_addr(end);
	const struct tags *tags = directory_tags(vni, &addr);

	return tags ? text_json(tags_name(tags), strlen(tags_name(tags))) : json_null();
}

static json_t *report(const struct victim *victim, const struct policy *policy,
		      const struct config *config)
{
	const struct ends *ends = &victim->ends;
	const struct policy_rule *rule = victim->rule == POLICY_NONE ? NULL :
					 &policy->rules[victim->rule];
	uint32_t here = victim->out ? ends->source_vni : ends->destination_vni;
	uint32_t there = victim->out ? ends->destination_vni : ends->source_vni;
	char source[ENDPOINT_STRLEN], destination[ENDPOINT_STRLEN], id[24];

	snprintf(id, sizeof(id), "%" PRIu64, victim->cookie);
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:s, s:o, s:o}", "id", id,
			 "path", victim->packet ? "packet" : "slim",
			 "tenant", config_tenant_name(config, here),
			 "peer_tenant", config_tenant_name(config, there),
			 "direction", victim->out ? "out" : "in",
			 "source", endpoint_format(&ends->source, source, sizeof(source)),
			 "source_container", container_name(ends->source_vni, &ends->source),
			 "destination", endpoint_format(&ends->destination, destination,
							sizeof(destination)),
			 "destination_container",
			 container_name(ends->destination_vni, &ends->destination),
			 "rule", rule ? policy_show_place(policy, &rule->place) : json_null());
}

static json_t *report_all(const struct survey *survey, const struct config *config)
{
	json_t *array = json_array(), *item;

	for (size_t i = 0; array && i < survey->num; i++) {
		if (!survey->victims[i].alive)
			continue;
		rcu_read_lock();
		item = report(&survey->victims[i], survey->compiled->policy, config);
		rcu_read_unlock();
		if (!json_array_append_new(array, item))
			continue;
		/* No list at all, rather than one that leaves something out */
		json_decref(array);
		array = NULL;
	}
	return array;
}

json_t *policy_victims(struct policy_compiled *compiled, struct policy_members *members,
		       const struct config *config, json_t *unseen)
{
	struct survey survey = { .compiled = compiled, .members = members, .unseen = unseen };
	json_t *array;

	find_slim(&survey);
	if (!survey.error)
		find_packets(&survey);
	array = survey.error ? NULL : report_all(&survey, config);
	free(survey.victims);
	return array;
}
