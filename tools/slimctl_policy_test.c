/* SPDX-License-Identifier: MIT */
/* slimctl_policy_test.c - slimctl policy test */
#include "slimctl_policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "slimctl_text.h"
#include "table.h"

/* An address, and whose it is */
static void print_end(char *out, size_t size, const json_t *reply, const char *end,
		      const char *host)
{
	const char *name = slimctl_text(reply, host);

	snprintf(out, size, *name ? "%s on %s" : "%s", slimctl_text(reply, end), name);
}

/* What a host's policy says, as "FILE:LINE: TEXT" */
static void print_rule(const char *before, const json_t *answer)
{
	const char *rule = slimctl_text(answer, "rule");
	char text[SLIMCTL_TEXT_MAX];

	snprintf(text, sizeof(text), "%s%s%s%s", before, *rule ? rule : "by default, as no rule matches",
		 *rule ? ": " : "", slimctl_text(answer, "text"));
	table_clean(text);
	puts(text);
}

static void print_host(const json_t *host)
{
	const json_t *allowed = json_object_get(host, "allowed");
	char text[SLIMCTL_TEXT_MAX];

	if (!json_is_boolean(allowed)) {
		snprintf(text, sizeof(text), "on %s: not known: %s", slimctl_text(host, "host"),
			 slimctl_text(host, "error"));
		table_clean(text);
		puts(text);
		return;
	}
	snprintf(text, sizeof(text), "on %s: %s: ", slimctl_text(host, "host"),
		 json_is_true(allowed) ? "allowed" : "denied");
	print_rule(text, host);
}

static const char *say_whether(const json_t *reply)
{
	const json_t *allowed = json_object_get(reply, "allowed");

	return json_is_true(allowed) ? "allowed" : json_is_false(allowed) ? "denied" : "not known";
}

static void print_test(const json_t *reply)
{
	const json_t *hosts = json_object_get(reply, "hosts"), *host;
	const char *tenant = slimctl_text(reply, "tenant");
	const char *other = slimctl_text(reply, "destination_tenant");
	bool within = !*other || !strcmp(tenant, other);
	char text[SLIMCTL_TEXT_MAX], from[256], to[256];
	size_t i;

	print_end(from, sizeof(from), reply, "source", "source_host");
	print_end(to, sizeof(to), reply, "destination", "destination_host");
	snprintf(text, sizeof(text), "%s: tenant %s%s%s, %s to %s", say_whether(reply), tenant,
		 within ? "" : " to ", within ? "" : other, from, to);
	table_clean(text);
	puts(text);
	json_array_foreach(hosts, i, host)
		print_host(host);
	if (!json_array_size(hosts))
		print_rule("here: ", reply);
}

int slimctl_policy_test(const struct slimctl *ctl, char **args)
{
	json_t *request = json_pack("{s:s, s:s}", "source", args[0], "destination", args[1]), *reply;
	char *end;
	unsigned long port = strtoul(args[2], &end, 10);
	int status;

	if (!request || *end || !*args[2] || port > 65535) {
		json_decref(request);
		return slimctl_usage(ctl, "policy test: \"%s\" is no port", args[2]);
	}
	json_object_set_new(request, "port", json_integer((json_int_t)port));
	if (args[3])
		json_object_set_new(request, "protocol", json_string(args[3]));
	if (ctl->tenant)
		json_object_set_new(request, "tenant", json_string(ctl->tenant));
	status = slimctl_ask(ctl, "policy-test", request, -1, &reply);
	if (status || !reply)
		return status;
	print_test(reply);
	json_decref(reply);
	return 0;
}
