/* SPDX-License-Identifier: MIT */
/* slimctl_guard.c - slimctl guard: the kernel module that keeps sockets which were handed over */
#include "slimctl.h"

#include <stdio.h>

#include "slimctl_text.h"
#include "table.h"

static void print(const json_t *reply)
{
	const json_t *guard = json_object_get(reply, "guard");
	char state[SLIMCTL_TEXT_MAX], configured[SLIMCTL_TEXT_MAX], live[SLIMCTL_TEXT_MAX];
	char reason[SLIMCTL_TEXT_MAX];
	json_int_t cut = json_integer_value(json_object_get(reply, "cut"));

	slimctl_text_string(state, guard, "state");
	slimctl_text_string(configured, guard, "configured");
	slimctl_text_number(live, guard, "live");
	slimctl_text_string(reason, guard, "reason");
	table_clean(reason);
	printf("guard %s (configured: %s), %s sealed sockets\n", state, configured, live);
	if (*reason)
		printf("%s\n", reason);
	if (cut)
		printf("%" JSON_INTEGER_FORMAT " connections were ended\n", cut);
}

int slimctl_guard(const struct slimctl *ctl)
{
	json_t *reply;
	int status = slimctl_ask(ctl, "guard",
				 ctl->name ? json_pack("{s:s}", "order", ctl->name) : NULL, -1, &reply);

	if (status || !reply)
		return status;
	print(reply);
	json_decref(reply);
	return 0;
}
