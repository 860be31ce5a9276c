/* SPDX-License-Identifier: MIT */
/* ruleset_rates.c - tables "inet slim_rates" and "netdev slim_rates": which class a packet is of */
#include "ruleset_rates.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "endpoint.h"
#include "memstream.h"
#include "ruleset.h"
#include "ruleset_load.h"
#include "shaping_tree.h"

#define HOST_TABLE	"table inet slim_rates"
#define PORT_TABLE	"table netdev slim_rates"

static void put_class(FILE *out, const struct shaping_port *port)
{
	fprintf(out, " : %x:%x", SHAPING_TREE_MAJOR, port->minor);
}

static void put_marks(FILE *out, const struct shaping_plan *plan)
{
	const char *before = "";

	fputs("map slim {\ntype mark : classid\nelements = {\n", out);
	for (size_t i = 0; i < plan->ports_num; i++) {
		if (!plan->ports[i].minor)
			continue;
		fprintf(out, "%s0x%08x", before, ruleset_slim_mark(plan->ports[i].id));
		put_class(out, &plan->ports[i]);
		before = ",\n";
	}
	fputs(" }\n}\n", out);
}

/* Returns how many there are. */
static size_t put_sources(FILE *out, const struct shaping_port *port, bool v4, bool first)
{
	char text[INET6_ADDRSTRLEN];
	size_t num = 0;

	for (size_t i = 0; i < port->addresses_num; i++) {
		if (addr_is4(&port->addresses[i]) != v4)
			continue;
		fprintf(out, "%s0x%08x . %s", first && !num ? "elements = {\n" : ",\n",
			RULESET_MARK | port->vni,
			addr_format(&port->addresses[i], text, sizeof(text)));
		put_class(out, port);
		num++;
	}
	return num;
}

static void put_outside(FILE *out, const struct shaping_plan *plan, bool v4)
{
	size_t num = 0;

	fprintf(out, "map outside%c {\ntype mark . %s : classid\n", v4 ? '4' : '6',
		v4 ? "ipv4_addr" : "ipv6_addr");
	for (size_t i = 0; i < plan->ports_num; i++)
		if (plan->ports[i].minor)
			num += put_sources(out, &plan->ports[i], v4, !num);
	fprintf(out, "%s}\n", num ? " }\n" : "");
}

static void put_host(FILE *out, const struct shaping_plan *plan)
{
	fputs(HOST_TABLE " {\n", out);
	put_marks(out, plan);
	put_outside(out, plan, true);
	put_outside(out, plan, false);
	fprintf(out, "chain leaving {\n"
		"type filter hook postrouting priority 99; policy accept;\n"
		"meta mark & 0x%08x == 0x%08x meta priority set meta mark map @slim\n"
		"meta mark & 0x%08x != 0x%08x return\n"
		"meta priority set meta mark . ip saddr map @outside4\n"
		"meta priority set meta mark . ip6 saddr map @outside6\n"
		"}\n}\n", RULESET_MARK_MASK, SLIM_SOCKET_MARK, RULESET_MARK_MASK, RULESET_MARK);
}

static void put_ports(FILE *out, const struct shaping_plan *plan)
{
	const char *before = "";

	fputs(PORT_TABLE " {\nmap ports {\ntype ifname : classid\nelements = {\n", out);
	for (size_t i = 0; i < plan->ports_num; i++) {
		if (!plan->ports[i].minor)
			continue;
		fprintf(out, "%s\"%s\"", before, plan->ports[i].ifname);
		put_class(out, &plan->ports[i]);
		before = ",\n";
	}
	fputs(" }\n}\nchain ports {\ntype filter hook ingress devices = { ", out);
	before = "";
	for (size_t i = 0; i < plan->ports_num; i++) {
		if (!plan->ports[i].minor)
			continue;
		fprintf(out, "%s\"%s\"", before, plan->ports[i].ifname);
		before = ", ";
	}
	fputs(" } priority 1; policy accept;\nmeta priority set iifname map @ports\n}\n}\n", out);
}

static int write_text(const struct shaping_plan *plan, char **text, size_t *len)
{
	FILE *out = open_memstream(text, len);

	if (!out)
		return -ENOMEM;
	fputs(HOST_TABLE "\ndelete " HOST_TABLE "\n" PORT_TABLE "\ndelete " PORT_TABLE "\n", out);
	if (plan->classes_num) {
		put_host(out, plan);
		put_ports(out, plan);
	}
	return memstream_close(out, text) ? 0 : -ENOMEM;
}

int ruleset_rates_load(const struct shaping_plan *plan, char *error, size_t size)
{
	char *text = NULL;
	size_t len;
	int err = write_text(plan, &text, &len);

	if (!err)
		err = ruleset_load(text, len, error, size);
	free(text);
	return err;
}
