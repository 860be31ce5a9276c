/* SPDX-License-Identifier: MIT */
/*
 * ruleset_port.c - a port pinned to its container
 *
 * Theory of operation
 *
 * For each change the kernel looks through the whole table in question, through the list
 * of all tables for each message, and through all chains at its end: so ports are spread over some tables, which
 * come and go with their ports, and have one chain each, named after the host's end of the veth.
 *
 * A port has one ingress chain, whose policy is to drop. The first rule is what nearly all
 * packets meet. What is spoofed is counted by what it is, for all ports of a table together.
 * Every rule names the Ethernet type as the frame has it, or comes after the one that does,
 * which leaves no way in for tagged frames (their tag may sit beside the packet, where other
 * matches do not look).
 *
 * IPv6: a container may not answer neighbour solicitations for others, advertise
 * itself as a router, redirect or query multicast groups. What it would tell routers that
 * there are not (solicitations, reports of the groups that it is in) ends here too: the
 * bridge would give each to all the others. Fragments after the first are let
 * through by their source alone: hosts ignore fragmented neighbour discovery (RFC 6980).
 */
#include "ruleset.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <net/ethernet.h>
#include <netinet/icmp6.h>
#include <netinet/if_ether.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <stdio.h>
#include <string.h>

#include "endpoint.h"
#include "link_request.h"
#include "log.h"
#include "packetpath.h"
#include "packetpath_tenant.h"
#include "port_mac.h"
#include "ruleset_rule.h"

#define TABLES_NUM		64
#define TABLE_PREFIX		PACKETPATH_VETH_PREFIX "-"
#define SWEEP_BATCH		64			/* ports whose rules are removed at a time */
#define BEFORE_ALL		(-300)			/* the chain's priority */

#define MLD2_REPORT		143			/* RFC 3810 */

/* @v6: with the link-local address, where there is any */
struct pin {
	unsigned int index;		/* of its table */
	char table[IFNAMSIZ];
	const char *port;		/* the device, and its chain */
	const uint8_t *mac;
	struct in6_addr v6[PACKETPATH_ADDRESSES + 1];
	size_t v6_num;
	struct ruleset_transaction transaction;
	struct ruleset_rule rule;	/* the one that is being written */
};

static unsigned int ports_num[TABLES_NUM];

static const char *const counter_names[] = {
	RULESET_PORT_COUNTERS
};

/*
 * --- matches ---
 *
 * Where the frame is known to be Ethernet's or IPv6's, rules say so all the same:
 * nft(8) lists them in words only then.
 */

static void layer4(struct pin *pin, enum nft_cmp_ops op, uint8_t protocol)
{
	ruleset_rule_meta(&pin->rule, NFT_META_L4PROTO, op, &protocol, sizeof(protocol));
}

static void ethernet(struct pin *pin)
{
	const uint16_t kind = ARPHRD_ETHER;

	ruleset_rule_meta(&pin->rule, NFT_META_IIFTYPE, NFT_CMP_EQ, &kind, sizeof(kind));
}

/* The frame's source and type, which lie side by side */
static void ether_from(struct pin *pin, uint16_t type)
{
	struct {
		uint8_t mac[ETH_ALEN];
		uint16_t type;
	} __attribute__((packed)) want = { .type = htons(type) };

	memcpy(want.mac, pin->mac, sizeof(want.mac));
	ethernet(pin);
	ruleset_rule_payload(&pin->rule, NFT_PAYLOAD_LL_HEADER,
			     offsetof(struct ether_header, ether_shost), NFT_CMP_EQ,
			     &want, sizeof(want));
}

static void ether_not_from(struct pin *pin)
{
	ethernet(pin);
	ruleset_rule_payload(&pin->rule, NFT_PAYLOAD_LL_HEADER,
			     offsetof(struct ether_header, ether_shost), NFT_CMP_NEQ,
			     pin->mac, ETH_ALEN);
}

static void ether_not(struct pin *pin, uint16_t type)
{
	const uint16_t value = htons(type);

	ethernet(pin);
	ruleset_rule_payload(&pin->rule, NFT_PAYLOAD_LL_HEADER,
			     offsetof(struct ether_header, ether_type), NFT_CMP_NEQ,
			     &value, sizeof(value));
}

static void ether_is(struct pin *pin, uint16_t type)
{
	const uint16_t value = htons(type);

	ethernet(pin);
	ruleset_rule_payload(&pin->rule, NFT_PAYLOAD_LL_HEADER,
			     offsetof(struct ether_header, ether_type), NFT_CMP_EQ,
			     &value, sizeof(value));
}

static void ip_from(struct pin *pin, const struct in6_addr *addr)
{
	uint32_t v4 = addr_get4(addr);

	ruleset_rule_payload(&pin->rule, NFT_PAYLOAD_NETWORK_HEADER,
			     offsetof(struct iphdr, saddr), NFT_CMP_EQ, &v4, sizeof(v4));
}

static void ip6_from(struct pin *pin, const struct in6_addr *addr)
{
	const uint16_t protocol = htons(ETHERTYPE_IPV6);

	ruleset_rule_meta(&pin->rule, NFT_META_PROTOCOL, NFT_CMP_EQ, &protocol, sizeof(protocol));
	ruleset_rule_payload(&pin->rule, NFT_PAYLOAD_NETWORK_HEADER,
			     offsetof(struct ip6_hdr, ip6_src), NFT_CMP_EQ, addr, sizeof(*addr));
}

static void ip6_from_none(struct pin *pin)
{
	for (size_t i = 0; i < pin->v6_num; i++)
		ruleset_rule_payload(&pin->rule, NFT_PAYLOAD_NETWORK_HEADER,
				     offsetof(struct ip6_hdr, ip6_src), NFT_CMP_NEQ,
				     &pin->v6[i], sizeof(pin->v6[i]));
}

static void icmp6_type(struct pin *pin, enum nft_cmp_ops op, uint8_t type)
{
	layer4(pin, NFT_CMP_EQ, IPPROTO_ICMPV6);
	ruleset_rule_payload(&pin->rule, NFT_PAYLOAD_TRANSPORT_HEADER,
			     offsetof(struct icmp6_hdr, icmp6_type), op, &type, sizeof(type));
}

/* What a neighbour solicitation or advertisement is about */
static void icmp6_target(struct pin *pin, const struct in6_addr *addr)
{
	ruleset_rule_payload(&pin->rule, NFT_PAYLOAD_TRANSPORT_HEADER,
			     offsetof(struct nd_neighbor_advert, nd_na_target), NFT_CMP_EQ,
			     addr, sizeof(*addr));
}

/* For IPv4 over Ethernet, from the container's MAC and this address */
static void arp_from(struct pin *pin, const struct in6_addr *addr)
{
	const struct arphdr kind = {
		.ar_hrd = htons(ARPHRD_ETHER), .ar_pro = htons(ETHERTYPE_IP),
		.ar_hln = ETH_ALEN, .ar_pln = sizeof(uint32_t),
	};
	struct {
		uint8_t mac[ETH_ALEN];
		uint32_t v4;
	} __attribute__((packed)) sender = { .v4 = addr_get4(addr) };

	memcpy(sender.mac, pin->mac, sizeof(sender.mac));
	ruleset_rule_payload(&pin->rule, NFT_PAYLOAD_NETWORK_HEADER, 0, NFT_CMP_EQ,
			     &kind, offsetof(struct arphdr, ar_op));
	ruleset_rule_payload(&pin->rule, NFT_PAYLOAD_NETWORK_HEADER,
			     offsetof(struct ether_arp, arp_sha), NFT_CMP_EQ,
			     &sender, sizeof(sender));
}

/* --- rules --- */

static void begin(struct pin *pin)
{
	ruleset_rule_begin(&pin->rule, pin->table, pin->port);
}

static void end(struct pin *pin, int verdict)
{
	ruleset_rule_end(&pin->rule, verdict, NULL, &pin->transaction);
}

static void end_spoofed(struct pin *pin, const char *counter)
{
	ruleset_rule_counter(&pin->rule, counter);
	end(pin, NF_DROP);
}

static void put_v4(struct pin *pin, const struct in6_addr *addr)
{
	begin(pin);
	ether_from(pin, ETHERTYPE_IP);
	ip_from(pin, addr);
	end(pin, NF_ACCEPT);
	begin(pin);
	ether_from(pin, ETHERTYPE_ARP);
	arp_from(pin, addr);
	end(pin, NF_ACCEPT);
}

/* All but ICMPv6 */
static void put_v6(struct pin *pin)
{
	for (size_t i = 0; i < pin->v6_num; i++) {
		begin(pin);
		ether_from(pin, ETHERTYPE_IPV6);
		layer4(pin, NFT_CMP_NEQ, IPPROTO_ICMPV6);
		ip6_from(pin, &pin->v6[i]);
		end(pin, NF_ACCEPT);
	}
}

/* From here on there is nothing but IPv6, from the container's MAC. */
static void put_spoofed(struct pin *pin)
{
	begin(pin);
	ether_not_from(pin);
	end_spoofed(pin, "spoofed_mac");
	begin(pin);
	ether_is(pin, ETHERTYPE_ARP);
	end_spoofed(pin, "spoofed_arp");
	begin(pin);
	ether_is(pin, ETHERTYPE_IP);
	end_spoofed(pin, "spoofed_ip");
	begin(pin);
	ether_not(pin, ETHERTYPE_IPV6);
	end(pin, NF_DROP);
}

static void put_icmp6_dropped(struct pin *pin)
{
	static const struct {
		uint8_t first, last;
	} types[] = {
		{ MLD_LISTENER_QUERY, ND_ROUTER_ADVERT },	/* and what is between them */
		{ ND_REDIRECT, ND_REDIRECT },
		{ MLD2_REPORT, MLD2_REPORT },
	};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		begin(pin);
		icmp6_type(pin, NFT_CMP_GTE, types[i].first);
		icmp6_type(pin, NFT_CMP_LTE, types[i].last);
		end(pin, NF_DROP);
	}
}

/* But advertisements */
static void put_icmp6_from(struct pin *pin, const struct in6_addr *addr)
{
	begin(pin);
	ip6_from(pin, addr);
	icmp6_type(pin, NFT_CMP_NEQ, ND_NEIGHBOR_ADVERT);
	end(pin, NF_ACCEPT);
	begin(pin);
	ip6_from(pin, addr);
	ruleset_rule_fragment(&pin->rule);
	end(pin, NF_ACCEPT);
}

/* Before it has an address: looking for others that have it */
static void put_icmp6_unspecified(struct pin *pin, const struct in6_addr *addr)
{
	begin(pin);
	ip6_from(pin, &in6addr_any);
	icmp6_type(pin, NFT_CMP_EQ, ND_NEIGHBOR_SOLICIT);
	icmp6_target(pin, addr);
	end(pin, NF_ACCEPT);
}

/* What a neighbour advertisement is about must be the container's, as must its source. */
static void put_advertisements(struct pin *pin)
{
	begin(pin);
	layer4(pin, NFT_CMP_NEQ, IPPROTO_ICMPV6);
	end_spoofed(pin, "spoofed_ip6");
	begin(pin);
	icmp6_type(pin, NFT_CMP_NEQ, ND_NEIGHBOR_ADVERT);
	end_spoofed(pin, "spoofed_ip6");
	begin(pin);
	ip6_from_none(pin);
	end_spoofed(pin, "spoofed_ip6");
	for (size_t i = 0; i < pin->v6_num; i++) {
		begin(pin);
		icmp6_target(pin, &pin->v6[i]);
		end(pin, NF_ACCEPT);
	}
	begin(pin);
	end_spoofed(pin, "spoofed_nd");
}

static void put_table(struct pin *pin, int type)
{
	struct nl_msg *msg = ruleset_message(type, type == NFT_MSG_NEWTABLE ? NLM_F_CREATE : 0);

	link_put_string(msg, NFTA_TABLE_NAME, pin->table);
	ruleset_transaction_add(&pin->transaction, msg);
}

static void put_delete_chain(struct pin *pin)
{
	struct nl_msg *msg = ruleset_message(NFT_MSG_DELCHAIN, 0);

	link_put_string(msg, NFTA_CHAIN_TABLE, pin->table);
	link_put_string(msg, NFTA_CHAIN_NAME, pin->port);
	ruleset_transaction_add(&pin->transaction, msg);
}

static void put_chain(struct pin *pin)
{
	for (size_t i = 0; i < sizeof(counter_names) / sizeof(counter_names[0]); i++)
		ruleset_transaction_add(&pin->transaction,
					ruleset_message_counter(pin->table, counter_names[i]));
	ruleset_transaction_add(&pin->transaction,
				ruleset_message_ingress(pin->table, pin->port, pin->port,
							BEFORE_ALL));
}

static void put_rules(struct pin *pin, const struct ruleset_port *port)
{
	for (size_t i = 0; i < port->addresses_num; i++) {
		if (addr_is4(&port->addresses[i]))
			put_v4(pin, &port->addresses[i]);
	}
	if (pin->v6_num)
		put_v6(pin);
	put_spoofed(pin);
	if (!pin->v6_num)
		return;
	put_icmp6_dropped(pin);
	for (size_t i = 0; i < pin->v6_num; i++) {
		put_icmp6_from(pin, &pin->v6[i]);
		put_icmp6_unspecified(pin, &pin->v6[i]);
	}
	put_advertisements(pin);
}

static void pin_place(struct pin *pin, const char *chain, unsigned int index)
{
	pin->port = chain;
	pin->index = index;
	snprintf(pin->table, sizeof(pin->table), TABLE_PREFIX "%02x", index);
}

static void pin_name(struct pin *pin, const char *ifname)
{
	pin_place(pin, ifname, hash_bytes(ifname, strlen(ifname), 0) % TABLES_NUM);
}

static void pin_fill(struct pin *pin, const struct ruleset_port *port)
{
	pin_name(pin, port->ifname);
	pin->mac = port->mac;
	for (size_t i = 0; i < port->addresses_num; i++) {
		if (!addr_is4(&port->addresses[i]))
			pin->v6[pin->v6_num++] = port->addresses[i];
	}
	if (pin->v6_num)
		pin->v6[pin->v6_num++] = port_mac_link_local(port->mac);
}

int ruleset_port_add(const struct ruleset_port *port)
{
	struct pin pin = { 0 };
	int err = ruleset_transaction_begin(&pin.transaction);

	if (err)
		return err;
	pin_fill(&pin, port);
	put_table(&pin, NFT_MSG_NEWTABLE);
	put_chain(&pin);
	put_rules(&pin, port);
	err = ruleset_transaction_run(&pin.transaction);
	if (err)
		log_error("cannot pin %s to its container by nf_tables: %s", port->ifname,
			  strerror(-err));
	else
		ports_num[pin.index]++;
	return err;
}

/* All at once: there is no moment without. A chain that is not there fails it. */
static int replace(const struct ruleset_port *port)
{
	struct pin pin = { 0 };
	int err = ruleset_transaction_begin(&pin.transaction);

	if (err)
		return err;
	pin_fill(&pin, port);
	put_delete_chain(&pin);
	put_chain(&pin);
	put_rules(&pin, port);
	err = ruleset_transaction_run(&pin.transaction);
	if (!err)
		ports_num[pin.index]++;
	return err;
}

int ruleset_port_renew(const struct ruleset_port *port)
{
	int err = replace(port);

	if (err != -ENOENT)
		return err;
	ruleset_port_forget(port->ifname);
	return ruleset_port_add(port);
}

void ruleset_port_forget(const char *ifname)
{
	struct pin pin = { 0 };

	pin_name(&pin, ifname);
	ports_num[pin.index] += 2;	/* the others in its table are perhaps not yet counted */
	ruleset_port_remove(ifname);
	ports_num[pin.index]--;
}

static int remove_one(struct pin *pin, void (*put)(struct pin *pin))
{
	int err = ruleset_transaction_begin(&pin->transaction);

	if (!err) {
		put(pin);
		err = ruleset_transaction_run(&pin->transaction);
	}
	if (!err || err == -ENOENT)
		return 0;
	log_warning("cannot remove what pinned %s from nf_tables' table netdev %s: %s",
		    pin->port, pin->table, strerror(-err));
	return err;
}

static void put_delete_table(struct pin *pin)
{
	put_table(pin, NFT_MSG_DELTABLE);
}

/* Kernels before 6.16 have dropped the chain along with its device. */
static int chain_remove(struct pin *pin)
{
	return remove_one(pin, put_delete_chain);
}

int ruleset_port_remove(const char *ifname)
{
	struct pin pin = { 0 };

	pin_name(&pin, ifname);
	if (!--ports_num[pin.index])
		return remove_one(&pin, put_delete_table);
	return chain_remove(&pin);
}

int ruleset_ports_flush(void)
{
	memset(ports_num, 0, sizeof(ports_num));
	return ruleset_message_flush(TABLE_PREFIX, NULL);
}

/* --- what could not be removed when it was no longer needed --- */

struct sweep {
	bool (*is_known)(const char *ifname, const void *data);
	const void *data;
	unsigned int num[TABLES_NUM];	/* of ports that are there */
	struct {
		char chain[IFNAMSIZ];
		unsigned int index;	/* of the table where it is */
	} unknown[SWEEP_BATCH];
	size_t unknown_num;
};

/* Which of our tables that is; -1: it is none */
static int table_index(const char *table)
{
	unsigned int index;

	return sscanf(table, TABLE_PREFIX "%2x", &index) == 1 && index < TABLES_NUM ? (int)index : -1;
}

static bool table_is_used(const char *table)
{
	int index = table_index(table);

	return index < 0 || ports_num[index];
}

/* Counts the ports that are there; remembers some of the others. */
static void chain_found(const char *table, const char *chain, void *data)
{
	struct sweep *sweep = data;
	int index = table_index(table);
	size_t len = strlen(chain);

	if (index < 0 || len >= IFNAMSIZ)
		return;
	if (sweep->is_known(chain, sweep->data)) {
		sweep->num[index]++;
	} else if (sweep->unknown_num < SWEEP_BATCH) {
		memcpy(sweep->unknown[sweep->unknown_num].chain, chain, len + 1);
		sweep->unknown[sweep->unknown_num++].index = (unsigned int)index;
	}
}

static int unknown_remove(const struct sweep *sweep)
{
	int err = 0;

	for (size_t i = 0; i < sweep->unknown_num && !err; i++) {
		struct pin pin = { 0 };

		pin_place(&pin, sweep->unknown[i].chain, sweep->unknown[i].index);
		if (ports_num[pin.index])
			err = chain_remove(&pin);
	}
	return err;
}

int ruleset_ports_sweep(bool (*is_known)(const char *ifname, const void *data), const void *data)
{
	struct sweep sweep = { .is_known = is_known, .data = data };
	int err;

	do {
		sweep.unknown_num = 0;
		memset(sweep.num, 0, sizeof(sweep.num));
		err = ruleset_message_chains(chain_found, &sweep);
		if (err)
			break;
		memcpy(ports_num, sweep.num, sizeof(ports_num));
		err = ruleset_message_flush(TABLE_PREFIX, table_is_used);
		if (!err)
			err = unknown_remove(&sweep);
	} while (!err && sweep.unknown_num == SWEEP_BATCH);
	return err;
}
