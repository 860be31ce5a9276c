/* SPDX-License-Identifier: MIT */
/*
 * ruleset_port.c - table "netdev slim": a port pinned to its container
 *
 * One ingress chain on the host's end of each veth, whose policy is to drop. The
 * first rule is what nearly all packets meet. Every rule names the Ethernet type as
 * the frame has it, which leaves no way in for tagged frames (their tag may sit
 * beside the packet, where other matches do not look).
 *
 * IPv6: a container may not answer neighbour solicitations for others, advertise
 * itself as a router, redirect or query multicast groups. Fragments after the first are let
 * through by their source alone: hosts ignore fragmented neighbour discovery (RFC 6980).
 */
#include "ruleset.h"

#include <errno.h>
#include <stdio.h>

#include "endpoint.h"
#include "ruleset_batch.h"

#define MAC_STRLEN	18

static void mac_format(const uint8_t *mac, char out[MAC_STRLEN])
{
	snprintf(out, MAC_STRLEN, "%02x:%02x:%02x:%02x:%02x:%02x",
		 mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
}

static bool has_family(const struct ruleset_port *port, bool v4)
{
	for (size_t i = 0; i < port->addresses_num; i++) {
		if (addr_is4(&port->addresses[i]) == v4)
			return true;
	}
	return false;
}

static void put_v4(struct ruleset_batch *batch, const struct ruleset_port *port,
		   const char *mac)
{
	fprintf(batch->out, "\t\tether saddr %s ether type ip ip saddr { ", mac);
	ruleset_batch_addresses(batch, port->addresses, port->addresses_num, true);
	fprintf(batch->out, " } accept\n"
		"\t\tether saddr %s ether type arp arp htype 1 arp ptype ip arp hlen 6"
		" arp plen 4 arp saddr ether %s arp saddr ip { ", mac, mac);
	ruleset_batch_addresses(batch, port->addresses, port->addresses_num, true);
	fputs(" } accept\n", batch->out);
}

/* The address that the kernel makes of a MAC by default (RFC 4291, appendix A). */
static void put_link_local(struct ruleset_batch *batch, const uint8_t *mac)
{
	fprintf(batch->out, ", fe80::%02x%02x:%02xff:fe%02x:%02x%02x",
		mac[0] ^ 2, mac[1], mac[2], mac[3], mac[4], mac[5]);
}

static void put_sources(struct ruleset_batch *batch, const struct ruleset_port *port)
{
	ruleset_batch_addresses(batch, port->addresses, port->addresses_num, false);
	put_link_local(batch, port->mac);
}

/* A raw payload expression takes numbers only. */
static void put_targets(struct ruleset_batch *batch, const struct ruleset_port *port)
{
	const uint8_t *mac = port->mac;

	for (size_t i = 0; i < port->addresses_num; i++) {
		if (addr_is4(&port->addresses[i]))
			continue;
		fputs("0x", batch->out);
		for (size_t j = 0; j < sizeof(struct in6_addr); j++)
			fprintf(batch->out, "%02x", port->addresses[i].s6_addr[j]);
		fputs(", ", batch->out);
	}
	fprintf(batch->out, "0xfe80000000000000%02x%02x%02xfffe%02x%02x%02x",
		mac[0] ^ 2, mac[1], mac[2], mac[3], mac[4], mac[5]);
}

static void put_v6(struct ruleset_batch *batch, const struct ruleset_port *port,
		   const char *mac)
{
	FILE *out = batch->out;

	fprintf(out, "\t\tether saddr != %s drop\n\t\tether type != ip6 drop\n", mac);
	fputs("\t\tmeta l4proto != ipv6-icmp ip6 saddr { ", out);
	put_sources(batch, port);
	fputs(" } accept\n"
	      "\t\tip6 saddr :: icmpv6 type nd-neighbor-solicit @th,64,128 { ", out);
	put_targets(batch, port);
	fputs(" } accept\n"
	      "\t\tip6 saddr :: icmpv6 type { mld-listener-report, mld-listener-done,"
	      " mld2-listener-report } accept\n"
	      "\t\tip6 saddr != { ", out);
	put_sources(batch, port);
	fputs(" } drop\n"
	      "\t\tfrag frag-off > 0 accept\n"
	      "\t\ticmpv6 type nd-neighbor-advert @th,64,128 != { ", out);
	put_targets(batch, port);
	fputs(" } drop\n"
	      "\t\ticmpv6 type != { mld-listener-query, nd-router-advert, nd-redirect } accept\n",
	      out);
}

int ruleset_port_add(const struct ruleset_port *port)
{
	struct ruleset_batch batch;
	char mac[MAC_STRLEN];
	int err = ruleset_batch_begin(&batch);

	if (err)
		return err;
	mac_format(port->mac, mac);
	fprintf(batch.out, "table netdev slim {\n\tchain %s {\n"
		"\t\ttype filter hook ingress device \"%s\" priority -300; policy drop;\n",
		port->ifname, port->ifname);
	if (has_family(port, true))
		put_v4(&batch, port, mac);
	if (has_family(port, false))
		put_v6(&batch, port, mac);
	fputs("\t}\n}\n", batch.out);
	return ruleset_batch_run(&batch, "pin a port to its container");
}

/* Older kernels drop the chain along with its device: not being there is fine. */
void ruleset_port_remove(const char *ifname)
{
	struct ruleset_batch batch;

	if (ruleset_batch_begin(&batch))
		return;
	fprintf(batch.out, "flush chain netdev slim %s\ndelete chain netdev slim %s\n",
		ifname, ifname);
	ruleset_batch_run(&batch, NULL);
}
