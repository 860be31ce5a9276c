/* SPDX-License-Identifier: MIT */
/* slimctl_policy.c - slimctl reload and slimctl policy */
#include "slimctl.h"

#include <stdio.h>

#define RELOAD_TIMEOUT	60000	/* ms; hundreds of thousands of rules take a second */

static void print_reload(const json_t *reply)
{
	const char *file = json_string_value(json_object_get(reply, "file"));
	json_int_t rules, generation;
	double took;

	if (json_unpack((json_t *)reply, "{s:I, s:I, s:f}", "rules", &rules,
			"generation", &generation, "took_ms", &took))
		return;
	if (file)
		printf("%s is in force: %" JSON_INTEGER_FORMAT " rules, generation %"
		       JSON_INTEGER_FORMAT ", after %.1f ms\n", file, rules, generation, took);
	else
		printf("there is no policy: all is allowed within tenants\n");
}

int slimctl_reload(const struct slimctl *ctl)
{
	struct slimctl patient = *ctl;
	json_t *reply;
	int status;

	patient.timeout = RELOAD_TIMEOUT;
	status = slimctl_ask(&patient, "reload", NULL, -1, &reply);
	if (status || !reply)
		return status;
	print_reload(reply);
	json_decref(reply);
	return 0;
}
