/* SPDX-License-Identifier: MIT */
/* policy_show.c - what a policy says, as JSON for operators */
#include "policy_show.h"

#include <stdlib.h>
#include <string.h>

#include "policy_force.h"
#include "policy_statement.h"
#include "text.h"

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

json_t *policy_show_files(void)
{
	const struct policy_compiled *compiled = policy_in_force();
	json_t *files = json_array();

	for (uint32_t i = 0; compiled && i < compiled->policy->sources.files_num; i++) {
		const struct policy_source *source = &compiled->policy->sources.files[i];

		json_array_append_new(files, json_pack("{s:o, s:o}",
			"file", text_json(source->name, strlen(source->name)),
			"text", text_json(source->text, source->len)));
	}
	return json_pack("{s:I, s:o}", "generation", (json_int_t)policy_generation(),
			 "files", files);
}
