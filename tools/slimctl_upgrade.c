/* SPDX-License-Identifier: MIT */
/* slimctl_upgrade.c - slimctl upgrade: another program in the router's place */
#include "slimctl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The router has limits of its own, which many containers extend (ms). */
#define UPGRADE_TIMEOUT	600000

static void print(const json_t *reply)
{
	const char *binary, *from, *to;
	json_int_t pid, took;

	if (json_unpack((json_t *)reply, "{s:s, s:s, s:s, s:I, s:I}", "binary", &binary,
			"from", &from, "to", &to, "pid", &pid, "took_ms", &took))
		return;
	printf("slimrouter %s has replaced %s: %s, pid %" JSON_INTEGER_FORMAT ", after %"
	       JSON_INTEGER_FORMAT " ms\n", to, from, binary, pid, took);
}

int slimctl_upgrade(const struct slimctl *ctl)
{
	struct slimctl patient = *ctl;
	char *path = NULL;
	json_t *reply;
	int status;

	patient.timeout = UPGRADE_TIMEOUT;
	if (ctl->name) {
		path = realpath(ctl->name, NULL);
		if (!path)
			return slimctl_fail(ctl, "%s: %s", ctl->name, strerror(errno));
	}
	status = slimctl_ask(&patient, "upgrade", path ? json_pack("{s:s}", "binary", path) : NULL,
			     -1, &reply);
	free(path);
	if (status || !reply)
		return status;
	print(reply);
	json_decref(reply);
	return 0;
}
