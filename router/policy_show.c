/* SPDX-License-Identifier: MIT */
/* policy_show.c - what a policy says, as JSON for operators */
#include "policy_show.h"

#include <stdlib.h>
#include <string.h>
#include <urcu.h>

#include "policy_force.h"
#include "policy_statement.h"
#include "text.h"

static const struct config *config;

void policy_show_init(const struct config *from)
{
	config = from;
}

json_t *policy_show_place(const struct policy *policy, const struct policy_place *place)
{
	const char *name = policy->sources.files[place->file].name;
	json_t *file = text_json(name, strlen(name));
	json_t *text = file ? json_sprintf("%s:%u", json_string_value(file), place->line) : NULL;

	json_decref(file);
	return text;
}

json_t *policy_show_line(const struct policy *policy, const struct policy_place *place)
{
	size_t len;
	char *text = policy_statement_text(policy, place, &len);
	json_t *json = text ? text_json(text, len) : NULL;

	free(text);
	return json;
}

bool policy_show_append(json_t **array, json_t *item)
{
	if (!json_array_append_new(*array, item))
		return true;
	json_decref(*array);
	*array = NULL;
	return false;
}

json_t *policy_show_force(void)
{
	const char *path = config->policy;
	bool closed = policy_is_closed();
	json_t *file = policy_in_force() || closed ? text_json(path, strlen(path)) : json_null();

	return json_pack("{s:I, s:o, s:o, s:b}", "generation", (json_int_t)policy_generation(), "file", file,
			 "path", text_json(path, strlen(path)), "closed", (int)closed);
}

static json_t *list_files(void)
{
	const struct policy_compiled *compiled = policy_in_force();
	json_t *files = json_array();

	for (uint32_t i = 0; compiled && i < compiled->policy->sources.files_num; i++) {
		const struct policy_source *source = &compiled->policy->sources.files[i];

		if (!policy_show_append(&files, json_pack("{s:o, s:o}",
				"file", text_json(source->name, strlen(source->name)),
				"text", text_json(source->text, source->len))))
			break;
	}
	return files;
}

json_t *policy_show_files(int fd)
{
	json_t *reply;

	(void)fd;
	rcu_read_lock();
	reply = policy_show_force();
	if (json_object_set_new(reply, "files", list_files())) {
		json_decref(reply);
		reply = NULL;
	}
	rcu_read_unlock();
	return reply;
}
