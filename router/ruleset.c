/* SPDX-License-Identifier: MIT */
/*
 * ruleset.c - table "inet slim": strangers, tenants, egress
 *
 * Theory of operation
 *
 * Interface names are enough to tell our devices: bridges start with "slimb", so that
 * a packet of the host's own costs one comparison per hook.
 *
 * What a container sends by way of its bridge is classified before connection
 * tracking (chain classify): a map leads to the tenant's chain, which gives it the
 * tenant's zone and mark. The mark picks the tenant's routing table, so that both the
 * way back to the container and the host's answers to it (net.ipv4.fwmark_reflect)
 * find the right one of several equal prefixes. With egress, the mark is saved in the
 * connection and put onto its replies when they come from outside (chain marks). Zones
 * keep equal addresses apart: the original direction lives in the tenant's zone, the
 * reply direction in the host's, where masquerading lets no two be alike.
 *
 * Frames that are bridged pass these hooks only where br_netfilter is on. They get a
 * zone for both directions, no mark, and leave through their own bridge (set bridged).
 * An unmarked packet that is to be routed somewhere else was sent to the gateway
 * with a tenant's destination, and is dropped.
 */
#include "ruleset.h"

#include <errno.h>
#include <stdio.h>

#include "endpoint.h"
#include "ruleset_batch.h"
#include "ruleset_message.h"
#include "ruleset_refusal.h"

#define SLIM_PORTS_NUM	64	/* of a peer, whose range is not known before it says hello */

static bool masquerade;

static const char *const counter_names[] = {
	RULESET_COUNTERS
};

static void put_host_elements(struct ruleset_batch *batch, const struct in6_addr *addresses,
			      size_t num)
{
	char text[INET6_ADDRSTRLEN];

	for (size_t i = 0; i < num; i++)
		fprintf(batch->out, "add element inet slim hosts%c { %s }\n",
			addr_is4(&addresses[i]) ? '4' : '6',
			addr_format(&addresses[i], text, sizeof(text)));
}

static void put_hosts(struct ruleset_batch *batch, const struct config *config)
{
	put_host_elements(batch, config->addresses, config->addresses_num);
	for (size_t i = 0; i < config->peers_num; i++)
		put_host_elements(batch, config->peers[i].addresses,
				  config->peers[i].addresses_num);
}

static void put_ports(struct ruleset_batch *batch, const struct config *config)
{
	fprintf(batch->out, "\tset ports {\n\t\ttype inet_service\n\t\tflags interval\n"
		"\t\tauto-merge\n\t\telements = { %u-%u", config->port_first, config->port_last);
	for (size_t i = 0; i < config->peers_num; i++) {
		unsigned int first = config->peers[i].port;
		unsigned int last = first + SLIM_PORTS_NUM - 1;

		fprintf(batch->out, ", %u-%u", first, last > UINT16_MAX ? UINT16_MAX : last);
	}
	fputs(" }\n\t}\n", batch->out);
}

/* The usual case, where every host has the same ports, needs no set. */
static void ports_text(const struct config *config, char *out, size_t size)
{
	for (size_t i = 0; i < config->peers_num; i++)
		if (config->peers[i].port != config->port_first ||
		    config->port_last - config->port_first + 1 != SLIM_PORTS_NUM) {
			snprintf(out, size, "@ports");
			return;
		}
	snprintf(out, size, "%u-%u", config->port_first, config->port_last);
}

static void put_counters(struct ruleset_batch *batch)
{
	for (size_t i = 0; i < sizeof(counter_names) / sizeof(counter_names[0]); i++)
		fprintf(batch->out, "\tcounter %s {\n\t}\n", counter_names[i]);
}

/*
 * Segments of connections that were let in, most of all packets, are done with first. What the
 * kernel tells itself of a host that no neighbour answers for would end connections to it that are being
 * set up, where over the packet path they wait, and it may be back soon. (The ports are those of the
 * packet that the message is about.)
 */
static void put_input(struct ruleset_batch *batch, const struct config *config)
{
	fprintf(batch->out,
		"	chain input {\n"
		"		type filter hook input priority filter; policy accept;\n"
		"		meta iifgroup 0x536c696d goto gateway\n"
		"		tcp flags & (syn | ack) != syn accept\n"
		"		tcp dport %u-%u goto host\n"
		"		udp dport %u goto host\n"
		"		iifname \"lo\" icmp type destination-unreachable"
		" icmp code host-unreachable @th,240,16 %u-%u drop\n"
		"		iifname \"lo\" icmpv6 type destination-unreachable"
		" icmpv6 code addr-unreachable @th,400,16 %u-%u drop\n"
		"	}\n"
		"	chain host {\n"
		"		iifname \"lo\" accept\n"
		"		ip saddr @hosts4 accept\n"
		"		ip6 saddr @hosts6 accept\n"
		"		meta l4proto tcp counter name strangers_slim drop\n"
		"		counter name strangers_vxlan drop\n"
		"	}\n"
		"	chain gateway {\n"
		"		icmp type echo-request accept\n"
		"		icmpv6 type { echo-request, nd-neighbor-solicit,"
		" nd-neighbor-advert } accept\n"
		"		counter name containers_gateway drop\n"
		"	}\n",
		config->port_first, config->port_last, config->vxlan_port, config->port_first,
		config->port_last, config->port_first, config->port_last);
}

static void put_forward(struct ruleset_batch *batch, const struct config *config)
{
	fprintf(batch->out,
		"	chain forward {\n"
		"		type filter hook forward priority filter; policy accept;\n"
		"		iifname \"slimb*\" goto outward\n"
		"		oifname \"slimb*\" goto inward\n"
		"	}\n"
		"	chain outward {\n"
		"		iifname . oifname @bridged accept\n"
		"		oifname \"slimb*\" counter name containers_tenant drop\n"
		"		meta mark & 0x%08x != 0x%08x drop\n"
		"		ip daddr @hosts4 tcp dport @ports counter name containers_slim drop\n"
		"		ip daddr @hosts4 udp dport %u counter name containers_vxlan drop\n"
		"		ip6 daddr @hosts6 tcp dport @ports counter name containers_slim drop\n"
		"		ip6 daddr @hosts6 udp dport %u counter name containers_vxlan drop\n"
		"		%s\n"
		"	}\n"
		"	chain inward {\n"
		"		%s\n"
		"		drop\n"
		"	}\n",
		RULESET_MARK_MASK, RULESET_MARK, config->vxlan_port, config->vxlan_port,
		masquerade ? "accept" : "drop",
		masquerade ? "ct state established,related accept" : "");
}

static void put_egress(struct ruleset_batch *batch)
{
	fprintf(batch->out,
		"	chain marks {\n"
		"		type filter hook prerouting priority mangle; policy accept;\n"
		"		meta mark & 0x%08x == 0x%08x ct mark set meta mark return\n"
		"		ct direction reply ct mark & 0x%08x == 0x%08x"
		" meta mark set ct mark\n"
		"	}\n"
		"	chain egress {\n"
		"		type nat hook postrouting priority srcnat; policy accept;\n"
		"		meta mark & 0x%08x == 0x%08x oifname != \"slimb*\" masquerade\n"
		"	}\n",
		RULESET_MARK_MASK, RULESET_MARK, RULESET_MARK_MASK, RULESET_MARK,
		RULESET_MARK_MASK, RULESET_MARK);
}

static void put_classify(struct ruleset_batch *batch, bool untracked)
{
	fprintf(batch->out,
		"	map tenants {\n"
		"		type ifname : verdict\n"
		"	}\n"
		"	set bridged {\n"
		"		type ifname . ifname\n"
		"	}\n"
		"	chain classify {\n"
		"		type filter hook prerouting priority raw; policy accept;\n"
		"		meta iifgroup != 0x536c696d %s\n"
		"		iifname vmap @tenants\n"
		"	}\n", untracked ? "goto arriving" : "return");
}

/*
 * Both directions of slim connections and of VXLAN, seen from either end. The port comes
 * first, since every packet of the host is asked. What arrives must be
 * a host's: replies to containers from such a port elsewhere are tracked.
 */
static void put_untracked(struct ruleset_batch *batch, const struct config *config)
{
	char ports[32];

	ports_text(config, ports, sizeof(ports));
	fprintf(batch->out,
		"	chain leaving {\n"
		"		type filter hook output priority raw; policy accept;\n"
		"		tcp dport %s notrack return\n"
		"		tcp sport %s notrack return\n"
		"		udp dport %u notrack\n"
		"	}\n"
		"	chain arriving {\n"
		"		tcp dport %s ip saddr @hosts4 notrack return\n"
		"		tcp sport %s ip saddr @hosts4 notrack return\n"
		"		udp dport %u ip saddr @hosts4 notrack return\n"
		"		meta nfproto ipv4 return\n"
		"		tcp dport %s ip6 saddr @hosts6 notrack return\n"
		"		tcp sport %s ip6 saddr @hosts6 notrack return\n"
		"		udp dport %u ip6 saddr @hosts6 notrack\n"
		"	}\n", ports, ports, config->vxlan_port, ports, ports, config->vxlan_port,
		ports, ports, config->vxlan_port);
}

static int table_load(const struct config *config, bool untracked)
{
	struct ruleset_batch batch;
	int err = ruleset_batch_begin(&batch);

	if (err)
		return err;
	fputs("table inet slim\ndelete table inet slim\n"
	      "table inet slim {\n"
	      "\tset hosts4 {\n\t\ttype ipv4_addr\n\t}\n"
	      "\tset hosts6 {\n\t\ttype ipv6_addr\n\t}\n", batch.out);
	put_ports(&batch, config);
	put_counters(&batch);
	put_input(&batch, config);
	put_forward(&batch, config);
	put_classify(&batch, untracked);
	if (untracked)
		put_untracked(&batch, config);
	if (masquerade)
		put_egress(&batch);
	fputs("}\n", batch.out);
	put_hosts(&batch, config);
	return ruleset_batch_run(&batch, "load the table inet slim");
}

int ruleset_open(void)
{
	return ruleset_message_init();
}

void ruleset_close(void)
{
	ruleset_message_exit();
}

int ruleset_init(const struct config *config, bool untracked)
{
	masquerade = config->egress == CONFIG_EGRESS_MASQUERADE;
	return table_load(config, untracked && masquerade);
}

void ruleset_exit(void)
{
	struct ruleset_batch batch;

	if (ruleset_batch_begin(&batch))
		return;
	fputs("delete table inet slim\n"
	      "table netdev slim_policy\ndelete table netdev slim_policy\n"
	      "table inet slim_rates\ndelete table inet slim_rates\n"
	      "table netdev slim_rates\ndelete table netdev slim_rates\n", batch.out);
	ruleset_batch_run(&batch, "remove the table inet slim");
	ruleset_refusal_exit();
}

int ruleset_port_hold(const char *ifname)
{
	struct ruleset_batch batch;
	int err = ruleset_batch_begin(&batch);

	if (err)
		return err;
	fprintf(batch.out,
		"table netdev slim_policy {\n"
		"	chain %s {\n"
		"		type filter hook ingress device \"%s\" priority 0; policy drop;\n"
		"		meta protocol arp accept\n"
		"		tcp flags & (syn | ack) != syn accept\n"
		"		icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept\n"
		"	}\n"
		"}\n", ifname, ifname);
	return ruleset_batch_run(&batch, "hold a new container's packets back");
}

static void put_prefixes(struct ruleset_batch *batch, const struct ruleset_tenant *tenant,
			 bool v4)
{
	const struct config_tenant *config = tenant->config;
	char text[INET6_ADDRSTRLEN];
	size_t written = 0;

	for (size_t i = 0; i < config->prefixes_num; i++) {
		const struct config_prefix *prefix = &config->prefixes[i];

		if (addr_is4(&prefix->addr) != v4)
			continue;
		fprintf(batch->out, "%s%s/%u", written++ ? ", " : "",
			addr_format(&prefix->addr, text, sizeof(text)),
			v4 ? prefix->len - 96 : prefix->len);
	}
}

static bool has_family(const struct config_tenant *config, bool v4)
{
	for (size_t i = 0; i < config->prefixes_num; i++) {
		if (addr_is4(&config->prefixes[i].addr) == v4)
			return true;
	}
	return false;
}

/* The gateway's addresses lie within the prefixes, so they come first. */
static void put_tenant_family(struct ruleset_batch *batch, const struct ruleset_tenant *tenant,
			      const char *mark, bool v4)
{
	const char *word = v4 ? "ip" : "ip6";

	if (!has_family(tenant->config, v4))
		return;
	fprintf(batch->out, "\t\t%s daddr { ", word);
	if (ruleset_batch_addresses(batch, tenant->gateways, tenant->gateways_num, v4))
		fprintf(batch->out, " } %s return\n\t\t%s daddr { ", mark, word);
	put_prefixes(batch, tenant, v4);
	if (masquerade)
		fprintf(batch->out, " } ct zone set %u return\n", tenant->zone);
	else
		fputs(" } return\n", batch->out);
}

int ruleset_tenant_add(const struct ruleset_tenant *tenant)
{
	uint32_t vni = tenant->config->vni;
	struct ruleset_batch batch;
	char mark[96];
	int err = ruleset_batch_begin(&batch);

	if (err)
		return err;
	if (masquerade)
		snprintf(mark, sizeof(mark), "ct original zone set %u meta mark set 0x%08x",
			 tenant->zone, RULESET_MARK | vni);
	else
		snprintf(mark, sizeof(mark), "meta mark set 0x%08x", RULESET_MARK | vni);
	/* What could not be removed at its last end must not come before it. */
	fprintf(batch.out, "add chain inet slim t%06x\nflush chain inet slim t%06x\n"
		"table inet slim {\n\tchain t%06x {\n", vni, vni, vni);
	put_tenant_family(&batch, tenant, mark, true);
	put_tenant_family(&batch, tenant, mark, false);
	fprintf(batch.out, "\t\t%s\n\t}\n}\n"
		"add element inet slim tenants { \"%s\" : jump t%06x }\n"
		"add element inet slim bridged { \"%s\" . \"%s\" }\n",
		mark, tenant->bridge, vni, tenant->bridge, tenant->bridge);
	return ruleset_batch_run(&batch, "add a tenant's rules");
}

int ruleset_tenant_remove(const struct ruleset_tenant *tenant)
{
	struct ruleset_batch batch;
	int err = ruleset_batch_begin(&batch);

	if (err)
		return err;
	fprintf(batch.out, "delete element inet slim tenants { \"%s\" }\n"
		"delete element inet slim bridged { \"%s\" . \"%s\" }\n"
		"delete chain inet slim t%06x\n",
		tenant->bridge, tenant->bridge, tenant->bridge, tenant->config->vni);
	return ruleset_batch_run(&batch, "remove a tenant's rules");
}
