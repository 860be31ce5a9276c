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
 *
 * No anonymous sets: libnftables lists every set of the table before it adds a rule, so
 * that a thousandth port would take far longer than the first.
 */
#include "ruleset.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "endpoint.h"
#include "packetpath.h"
#include "ruleset_batch.h"

#define MAC_STRLEN	18
#define NUMBER_STRLEN	(2 + 32 + 1)

struct pin_addr {
	char text[INET6_ADDRSTRLEN];
	char number[NUMBER_STRLEN];
};

/* @v6: with the link-local address, where there is any */
struct pin {
	char mac[MAC_STRLEN];
	struct pin_addr v6[PACKETPATH_ADDRESSES + 1];
	size_t v6_num;
};

/* The address that the kernel makes of a MAC by default (RFC 4291, appendix A). */
static struct in6_addr link_local(const uint8_t *mac)
{
	struct in6_addr addr = { .s6_addr = {
		0xfe, 0x80, 0, 0, 0, 0, 0, 0,
		mac[0] ^ 2, mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5],
	} };

	return addr;
}

static void put_v4(FILE *out, const struct pin *pin, const struct in6_addr *addr)
{
	char text[INET6_ADDRSTRLEN];

	addr_format(addr, text, sizeof(text));
	fprintf(out, "\t\tether saddr %s ether type ip ip saddr %s accept\n", pin->mac, text);
	fprintf(out, "\t\tether type arp arp htype 1 arp ptype ip arp hlen 6 arp plen 4"
		" ether saddr %s arp saddr ether %s arp saddr ip %s accept\n",
		pin->mac, pin->mac, text);
}

static void put_v6(FILE *out, const struct pin *pin)
{
	for (size_t i = 0; i < pin->v6_num; i++)
		fprintf(out, "\t\tether saddr %s ether type ip6 meta l4proto != 58"
			" ip6 saddr %s accept\n", pin->mac, pin->v6[i].text);
	fprintf(out, "\t\tether saddr != %s drop\n\t\tether type != ip6 drop\n"
		"\t\ticmpv6 type nd-router-advert drop\n"
		"\t\ticmpv6 type nd-redirect drop\n"
		"\t\ticmpv6 type mld-listener-query drop\n", pin->mac);
	for (size_t i = 0; i < pin->v6_num; i++)
		fprintf(out, "\t\tip6 saddr %s icmpv6 type != nd-neighbor-advert accept\n"
			"\t\tip6 saddr %s frag frag-off > 0 accept\n"
			"\t\tip6 saddr :: icmpv6 type nd-neighbor-solicit"
			" @th,64,128 %s accept\n",
			pin->v6[i].text, pin->v6[i].text, pin->v6[i].number);
	fputs("\t\tip6 saddr :: icmpv6 type mld-listener-report accept\n"
	      "\t\tip6 saddr :: icmpv6 type mld-listener-done accept\n"
	      "\t\tip6 saddr :: icmpv6 type mld2-listener-report accept\n", out);
}

/* What a neighbour advertisement is about must be the container's, as must its source. */
static void put_advertisements(FILE *out, const struct pin *pin)
{
	for (size_t i = 0; i < pin->v6_num; i++) {
		for (size_t j = 0; j < pin->v6_num; j++)
			fprintf(out, "\t\tip6 saddr %s icmpv6 type nd-neighbor-advert"
				" @th,64,128 %s accept\n",
				pin->v6[i].text, pin->v6[j].number);
	}
}

/* A raw payload expression takes numbers only. */
static void pin_add(struct pin *pin, const struct in6_addr *addr)
{
	struct pin_addr *out = &pin->v6[pin->v6_num++];

	addr_format(addr, out->text, sizeof(out->text));
	strcpy(out->number, "0x");
	for (size_t i = 0; i < sizeof(addr->s6_addr); i++)
		sprintf(out->number + 2 + 2 * i, "%02x", addr->s6_addr[i]);
}

static void pin_fill(struct pin *pin, const struct ruleset_port *port)
{
	const uint8_t *mac = port->mac;
	struct in6_addr local = link_local(mac);

	snprintf(pin->mac, sizeof(pin->mac), "%02x:%02x:%02x:%02x:%02x:%02x",
		 mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
	for (size_t i = 0; i < port->addresses_num; i++) {
		if (!addr_is4(&port->addresses[i]))
			pin_add(pin, &port->addresses[i]);
	}
	if (pin->v6_num)
		pin_add(pin, &local);
}

int ruleset_port_add(const struct ruleset_port *port)
{
	struct ruleset_batch batch;
	struct pin pin = { 0 };
	int err = ruleset_batch_begin(&batch);

	if (err)
		return err;
	pin_fill(&pin, port);
	fprintf(batch.out, "table netdev slim {\n\tchain %s {\n"
		"\t\ttype filter hook ingress device \"%s\" priority -300; policy drop;\n",
		port->ifname, port->ifname);
	for (size_t i = 0; i < port->addresses_num; i++) {
		if (addr_is4(&port->addresses[i]))
			put_v4(batch.out, &pin, &port->addresses[i]);
	}
	if (pin.v6_num) {
		put_v6(batch.out, &pin);
		put_advertisements(batch.out, &pin);
	}
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
