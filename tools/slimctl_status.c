/* SPDX-License-Identifier: MIT */
/* slimctl_status.c - slimctl status: the router itself */
#include "slimctl.h"

#include <stdio.h>

#include "slimctl_show.h"
#include "slimctl_text.h"
#include "table.h"

#define TITLE_WIDTH	16

static void print_line(const char *title, char *text)
{
	table_clean(text);
	printf("%-*s%s\n", TITLE_WIDTH, title, *text ? text : "-");
}

static const struct {
	const char *title, *key;
	void (*text)(char *out, const json_t *item, const char *key);
} lines[] = {
	{ "host", "host", slimctl_text_string },
	{ "host id", "host_id", slimctl_text_string },
	{ "public key", "public_key", slimctl_text_string },
	{ "version", "version_text", slimctl_text_string },
	{ "mode", "mode", slimctl_text_string },
	{ "pid", "pid", slimctl_text_number },
	{ "uptime", "uptime_s", slimctl_text_seconds },
	{ "addresses", "addresses", slimctl_text_list },
	{ "slim ports", "slim_ports", slimctl_text_string },
	{ "workers", "workers", slimctl_text_number },
	{ "open files", "fds", slimctl_text_number },
	{ "at most", "fd_limit", slimctl_text_number },
	{ "containers", "containers", slimctl_text_number },
	{ "on packet path", "containers_packet", slimctl_text_number },
	{ "listeners", "listeners", slimctl_text_number },
	{ "connections", "connections", slimctl_text_number },
};

static void print_peers(const json_t *reply)
{
	char text[SLIMCTL_TEXT_MAX];

	snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT " up",
		 json_integer_value(json_object_get(reply, "peers_up")),
		 json_integer_value(json_object_get(reply, "peers")));
	print_line("peers", text);
}

static void print_policy(const json_t *reply)
{
	const json_t *policy = json_object_get(reply, "policy");
	const char *file = json_string_value(json_object_get(policy, "file"));
	const char *error = json_string_value(json_object_get(policy, "packet_path_error"));
	char text[SLIMCTL_TEXT_MAX];

	if (!file)
		snprintf(text, sizeof(text), "none: all is allowed within tenants");
	else if (json_is_true(json_object_get(policy, "closed")))
		snprintf(text, sizeof(text), "%s has errors, or is gone: nothing is allowed", file);
	else
		snprintf(text, sizeof(text), "%s, %" JSON_INTEGER_FORMAT " rules%s", file,
			 json_integer_value(json_object_get(policy, "rules")),
			 error ? "; the packet path does not follow" :
			 json_is_false(json_object_get(policy, "packet_path_current")) ?
			 "; the packet path follows" : "");
	print_line("policy", text);
	if (!error)
		return;
	snprintf(text, sizeof(text), "%s", error);
	print_line("", text);
}

static void print_guard(const json_t *reply)
{
	const json_t *guard = json_object_get(reply, "guard");
	const char *state = json_string_value(json_object_get(guard, "state"));
	const char *reason = json_string_value(json_object_get(guard, "reason"));
	char text[SLIMCTL_TEXT_MAX];

	if (!state)
		return;
	snprintf(text, sizeof(text), "%s%s%s", state, reason ? ": " : "", reason ? reason : "");
	print_line("guard", text);
}

static void print_counters(json_t *counters)
{
	static const struct table_column columns[] = { { "COUNTER", 0 }, { "VALUE", 1 } };
	struct table *table = table_new(columns, 2);
	char text[SLIMCTL_TEXT_MAX];
	const char *name;
	json_t *value;

	json_object_foreach(counters, name, value) {
		(void)value;
		table_add(table, name);
		slimctl_text_number(text, counters, name);
		table_add(table, text);
	}
	table_print(table, stdout);
	table_free(table);
}

int slimctl_status(const struct slimctl *ctl)
{
	char text[SLIMCTL_TEXT_MAX];
	json_t *reply;
	int status = slimctl_ask(ctl, "status", NULL, -1, &reply);

	if (status || !reply)
		return status;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		lines[i].text(text, reply, lines[i].key);
		print_line(lines[i].title, text);
	}
	print_peers(reply);
	print_policy(reply);
	print_guard(reply);
	putchar('\n');
	slimctl_print_tenants(json_object_get(reply, "tenants"));
	putchar('\n');
	print_counters(json_object_get(reply, "counters"));
	json_decref(reply);
	return 0;
}
