/* SPDX-License-Identifier: MIT */
/* slimctl_show.c - slimctl containers, listeners, connections, peers: a list as a table */
#include "slimctl.h"

#include <stdio.h>

#include "slimctl_show.h"
#include "slimctl_text.h"
#include "table.h"

#define LEFT	0
#define RIGHT	1
#define COLUMNS(array)	(sizeof(array) / sizeof((array)[0]))

/* What is in a column: how the member named key of an item reads */
struct field {
	const char *key;
	void (*text)(char *out, const json_t *item, const char *key);
};

struct list {
	const char *command;	/* and the reply's member */
	const struct table_column *columns;
	const struct field *fields;
	size_t num;
};

#define LIST(name, title_list)						\
	static const struct list name = { .command = title_list,	\
		.columns = name##_columns, .fields = name##_fields,	\
		.num = COLUMNS(name##_fields) };			\
	_Static_assert(COLUMNS(name##_columns) == COLUMNS(name##_fields), "one each")

static const struct table_column containers_columns[] = {
	{ "NAME", LEFT }, { "TENANT", LEFT }, { "ADDRESSES", LEFT }, { "PATH", LEFT },
	{ "CONNECTIONS", RIGHT }, { "LISTENERS", RIGHT }, { "PENDING", RIGHT },
	{ "CHANNELS", RIGHT }, { "REFUSED", RIGHT }, { "AGE", RIGHT }, { "HOST-IF", LEFT }, { "LABELS", LEFT },
};
static const struct field containers_fields[] = {
	{ "name", slimctl_text_string }, { "tenant", slimctl_text_string },
	{ "addresses", slimctl_text_list }, { "path", slimctl_text_reason },
	{ "connections", slimctl_text_number }, { "listeners", slimctl_text_number },
	{ "pending", slimctl_text_number }, { "channels", slimctl_text_number },
	{ "refused", slimctl_text_number }, { "age_s", slimctl_text_seconds },
	{ "host_ifname", slimctl_text_string },
	{ "labels", slimctl_text_labels },
};
LIST(containers, "containers");

static const struct table_column limits_columns[] = {
	{ "CONTAINER", LEFT }, { "LIMIT", LEFT }, { "USED", RIGHT }, { "MOST", RIGHT },
	{ "REFUSED", RIGHT },
};
static const struct field limits_fields[] = {
	{ "container", slimctl_text_string }, { "limit", slimctl_text_string },
	{ "used", slimctl_text_number }, { "most", slimctl_text_number },
	{ "refused", slimctl_text_number },
};
LIST(limits, "limits");

static const struct table_column listeners_columns[] = {
	{ "TENANT", LEFT }, { "LISTENER", LEFT }, { "WHERE", LEFT }, { "HOST", LEFT },
	{ "CONTAINER", LEFT }, { "SOCKETS", RIGHT }, { "BUSY", LEFT },
};
static const struct field listeners_fields[] = {
	{ "tenant", slimctl_text_string }, { "address", slimctl_text_endpoint },
	{ "where", slimctl_text_string }, { "host", slimctl_text_string },
	{ "container", slimctl_text_string }, { "sockets", slimctl_text_number },
	{ "busy", slimctl_text_bool },
};
LIST(listeners, "listeners");

static const struct table_column connections_columns[] = {
	{ "TENANT", LEFT }, { "CONTAINER", LEFT }, { "DIR", LEFT }, { "PATH", LEFT },
	{ "VIRTUAL-LOCAL", LEFT }, { "VIRTUAL-PEER", LEFT },
	{ "HOST-LOCAL", LEFT }, { "HOST-PEER", LEFT }, { "STATE", LEFT },
	{ "AGE", RIGHT }, { "SENT", RIGHT }, { "RECEIVED", RIGHT }, { "RTT", RIGHT },
};
static const struct field connections_fields[] = {
	{ "tenant", slimctl_text_string }, { "container", slimctl_text_string },
	{ "direction", slimctl_text_string }, { "path", slimctl_text_string },
	{ "virtual_local", slimctl_text_string }, { "virtual_peer", slimctl_text_string },
	{ "host_local", slimctl_text_string }, { "host_peer", slimctl_text_string },
	{ "state", slimctl_text_string }, { "age_s", slimctl_text_seconds },
	{ "bytes_sent", slimctl_text_bytes }, { "bytes_received", slimctl_text_bytes },
	{ "rtt_us", slimctl_text_microseconds },
};
LIST(connections, "connections");

static const struct table_column peers_columns[] = {
	{ "NAME", LEFT }, { "STATE", LEFT }, { "SINCE", RIGHT }, { "ADDRESS", LEFT },
	{ "CONTAINERS", RIGHT }, { "LISTENERS", RIGHT }, { "RTT", RIGHT },
	{ "HOST-ID", LEFT }, { "SYN-DATA", LEFT }, { "REFUSED", RIGHT }, { "ERROR", LEFT },
	{ "WARNING", LEFT },
};
static const struct field peers_fields[] = {
	{ "name", slimctl_text_string }, { "state", slimctl_text_string },
	{ "since_s", slimctl_text_seconds }, { "address", slimctl_text_string },
	{ "containers", slimctl_text_number }, { "listeners", slimctl_text_number },
	{ "rtt_ms", slimctl_text_milliseconds }, { "host_id", slimctl_text_string },
	{ "syn_data", slimctl_text_bool }, { "refused", slimctl_text_number },
	{ "error", slimctl_text_string }, { "warning", slimctl_text_string },
};
LIST(peers, "peers");

static const struct table_column tenants_columns[] = {
	{ "TENANT", LEFT }, { "VNI", RIGHT }, { "CONTAINERS", RIGHT }, { "PREFIXES", LEFT },
};
static const struct field tenants_fields[] = {
	{ "name", slimctl_text_string }, { "vni", slimctl_text_number },
	{ "containers", slimctl_text_number }, { "prefixes", slimctl_text_list },
};
LIST(tenants, "tenants");

static void print_list(const json_t *items, const struct list *list)
{
	struct table *table = table_new(list->columns, list->num);
	char text[SLIMCTL_TEXT_MAX];
	const json_t *item;
	size_t i;

	json_array_foreach(items, i, item) {
		for (size_t j = 0; j < list->num; j++) {
			list->fields[j].text(text, item, list->fields[j].key);
			table_add(table, text);
		}
	}
	table_print(table, stdout);
	table_free(table);
}

void slimctl_print_tenants(const json_t *items)
{
	print_list(items, &tenants);
}

static int show(const struct slimctl *ctl, const struct list *list)
{
	json_t *reply;
	int status = slimctl_ask(ctl, list->command, NULL, -1, &reply);

	if (status || !reply)
		return status;
	print_list(json_object_get(reply, list->command), list);
	json_decref(reply);
	return 0;
}

/* The limits of all, each with its container's name */
static void print_limits(const json_t *items)
{
	json_t *all = json_array(), *limit;
	const json_t *item;
	size_t i, j;

	json_array_foreach(items, i, item)
		json_array_foreach(json_object_get(item, limits.command), j, limit) {
			json_object_set(limit, "container", json_object_get(item, "name"));
			json_array_append(all, limit);
		}
	print_list(all, &limits);
	json_decref(all);
}

int slimctl_containers(const struct slimctl *ctl)
{
	json_t *reply;
	int status = slimctl_ask(ctl, containers.command, NULL, -1, &reply);

	if (status || !reply)
		return status;
	print_list(json_object_get(reply, containers.command), &containers);
	if (ctl->verbose) {
		putchar('\n');
		print_limits(json_object_get(reply, containers.command));
	}
	json_decref(reply);
	return 0;
}

int slimctl_listeners(const struct slimctl *ctl)
{
	return show(ctl, &listeners);
}

int slimctl_connections(const struct slimctl *ctl)
{
	return show(ctl, &connections);
}

int slimctl_peers(const struct slimctl *ctl)
{
	return show(ctl, &peers);
}
