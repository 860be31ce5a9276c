/* SPDX-License-Identifier: MIT */
/* policy_diff.c - what another policy would change, and which live connections it would cut */
#include "policy_diff.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control.h"
#include "policy_compare.h"
#include "policy_force.h"
#include "policy_members.h"
#include "policy_pack.h"
#include "policy_show.h"
#include "policy_victims.h"
#include "text.h"

#define SEALS	(F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static const struct config *config;

void policy_diff_init(const struct config *from)
{
	config = from;
}

/* --- the other policy --- */

/* What came along: nobody can change it, or make who reads it wait. */
static FILE *open_pack(int fd)
{
	int seals = fd >= 0 ? fcntl(fd, F_GET_SEALS) : -1, copy;
	FILE *in;

	if (seals < 0 || (seals & SEALS) != SEALS)
		return NULL;
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	in = copy >= 0 ? fdopen(copy, "r") : NULL;
	if (!in && copy >= 0)
		close(copy);
	if (in)
		rewind(in);
	return in;
}

static struct policy_compiled *compile(const struct policy_sources *sources, json_t **failure)
{
	struct policy_compiled *compiled = NULL;
	struct policy *policy;
	char *errors;

	policy = policy_load_saved(sources, config, &errors);
	if (policy)
		compiled = policy_compile(policy, config, &errors);
	if (!compiled) {
		policy_free(policy);
		*failure = control_failure(errors ? errors : "out of memory");
	}
	free(errors);
	return compiled;
}

static struct policy_compiled *read_other(int fd, json_t **failure)
{
	struct policy_compiled *compiled = NULL;
	struct policy_sources sources;
	FILE *in = open_pack(fd);
	int err = in ? policy_pack_read(in, &sources) : -EPROTO;

	if (in)
		fclose(in);
	if (!err && !sources.files_num) {
		policy_sources_free(&sources);
		err = -EPROTO;
	}
	if (err) {
		*failure = control_failure(err != -EPROTO ? strerror(-err) :
			"policy-diff needs a policy's files in a sealed file in memory");
		return NULL;
	}
	compiled = compile(&sources, failure);
	policy_sources_free(&sources);
	return compiled;
}

/* --- changes --- */

static json_t *place_or_null(const struct policy *policy, const struct policy_statement *statement)
{
	return statement ? policy_show_place(policy, &statement->place) : json_null();
}

static json_t *text_or_null(const struct policy_statement *statement)
{
	return statement ? text_json(statement->text, strlen(statement->text)) : json_null();
}

static json_t *list_changes(const struct policy_changes *changes, const struct policy *before,
			    const struct policy *after)
{
	json_t *array = json_array();

	for (uint32_t i = 0; i < changes->num; i++) {
		const struct policy_change *change = &changes->list[i];
		const struct policy_statement *any = change->after ? change->after : change->before;

		if (!policy_show_append(&array, json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:o}",
			"change", policy_change_type_name(change->type),
			"what", policy_statement_kind_name(any->kind),
			"tenant", any->tenant,
			"before", place_or_null(before, change->before),
			"before_text", text_or_null(change->before),
			"after", place_or_null(after, change->after),
			"after_text", text_or_null(change->after))))
			break;
	}
	return array;
}

/* @before: NULL: there is no policy in force */
static json_t *compare(const struct policy *before, const struct policy *after)
{
	struct policy_statements old = { 0 }, new = { 0 };
	struct policy_changes changes = { 0 };
	json_t *array = NULL;
	int err = before ? policy_statements_make(&old, before) : 0;

	if (!err)
		err = policy_statements_make(&new, after);
	if (!err)
		err = policy_changes_find(&changes, &old, &new);
	if (!err)
		array = list_changes(&changes, before, after);
	policy_changes_free(&changes);
	policy_statements_free(&old);
	policy_statements_free(&new);
	return array;
}

static json_t *differ(struct policy_compiled *compiled, struct policy_members *members)
{
	uint64_t generation = policy_generation();
	struct policy_compiled *present = policy_in_force_get();
	json_t *changes = compare(present ? present->policy : NULL, compiled->policy);
	uint32_t rules_num = present ? present->policy->rules_num : 0;
	json_t *unseen = json_array(), *victims = NULL;

	policy_compiled_put(present);
	if (changes && unseen)
		victims = policy_victims(compiled, members, config, unseen);
	if (!victims) {
		json_decref(changes);
		json_decref(unseen);
		return control_failure("there is no memory to compare with, or the kernel does not name "
				       "its sockets");
	}
	return json_pack("{s:I, s:I, s:I, s:o, s:o, s:o}", "generation", (json_int_t)generation,
			 "rules_before", (json_int_t)rules_num,
			 "rules_after", (json_int_t)compiled->policy->rules_num,
			 "changes", changes, "connections", victims, "unseen", unseen);
}

json_t *policy_diff(int fd)
{
	struct policy_compiled *compiled;
	struct policy_members *members;
	json_t *reply = NULL;
	int err;

	compiled = read_other(fd, &reply);
	if (!compiled)
		return reply;
	err = policy_members_build(compiled, &members);
	reply = err ? control_failure(strerror(-err)) : differ(compiled, members);
	policy_members_free(members);
	policy_compiled_put(compiled);
	return reply;
}
