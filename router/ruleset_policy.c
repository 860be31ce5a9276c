/* SPDX-License-Identifier: MIT */
/* ruleset_policy.c - table "netdev slim_policy": the policy, as packets are asked about it */
#include "ruleset_policy.h"

#include <errno.h>
#include <nftables/libnftables.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "endpoint.h"

#define TABLE	"table netdev slim_policy"

/* What a service's protocol is in a packet: numbers, from each to each */
struct protocol {
	uint8_t first, last;
};

static const struct protocol others4[] = { { 0, 0 }, { 2, 5 }, { 7, 16 }, { 18, 255 } };
static const struct protocol others6[] = { { 0, 5 }, { 7, 16 }, { 18, 57 }, { 59, 255 } };
static const struct protocol tcp = { 6, 6 }, udp = { 17, 17 }, icmp4 = { 1, 1 }, icmp6 = { 58, 58 };

#define OTHERS_NUM	(sizeof(others4) / sizeof(others4[0]))

static size_t protocols_of(uint32_t service, bool v4, const struct protocol **protocols)
{
	switch (service >> 16) {
	case CLASSIFIER_TCP:
		*protocols = &tcp;
		return 1;
	case CLASSIFIER_UDP:
		*protocols = &udp;
		return 1;
	case CLASSIFIER_ICMP:
		*protocols = v4 ? &icmp4 : &icmp6;
		return 1;
	default:
		*protocols = v4 ? others4 : others6;
		return OTHERS_NUM;
	}
}

/* --- sets --- */

static bool has_boxes(const struct policy_profile *profile, bool v4)
{
	for (uint32_t i = 0; i < profile->boxes_num; i++)
		if (addr_is4(&profile->boxes[i].first) == v4)
			return true;
	return false;
}

static void put_box(FILE *out, const struct policy_box *box, bool v4, const char *before)
{
	const struct protocol *protocols;
	size_t num = protocols_of(box->service_first, v4, &protocols);
	char first[INET6_ADDRSTRLEN], last[INET6_ADDRSTRLEN];

	addr_format(&box->first, first, sizeof(first));
	addr_format(&box->last, last, sizeof(last));
	for (size_t i = 0; i < num; i++)
		fprintf(out, "%s%s-%s . %u-%u . %u-%u", i ? ",\n" : before, first, last,
			protocols[i].first, protocols[i].last, box->service_first & 0xffff,
			box->service_last & 0xffff);
}

/* Set "s<VNI>_<profile>_<family>" */
static void put_set(FILE *out, uint32_t vni, uint32_t number, const struct policy_profile *profile,
		    bool v4)
{
	const char *before = "";

	if (!has_boxes(profile, v4))
		return;
	fprintf(out, "set s%u_%u_%c {\ntype %s . inet_proto . inet_service\nflags interval\n"
		"elements = {\n", vni, number, v4 ? '4' : '6', v4 ? "ipv4_addr" : "ipv6_addr");
	for (uint32_t i = 0; i < profile->boxes_num; i++) {
		if (addr_is4(&profile->boxes[i].first) != v4)
			continue;
		put_box(out, &profile->boxes[i], v4, before);
		before = ",\n";
	}
	fputs(" }\n}\n", out);
}

/* --- chains --- */

/* A packet whose other end (@end: saddr or daddr) and @port are in the profile's set: @verdict */
static void put_match(FILE *out, const struct ruleset_policy_tenant *tenant, uint32_t number,
		      bool v4, const char *end, const char *port, const char *verdict)
{
	if (!has_boxes(&tenant->profiles->profiles[number], v4))
		return;
	fprintf(out, "%s%s %s . meta l4proto . th %s @s%u_%u_%c %s\n",
		*port == 's' ? "meta l4proto udp " : "", v4 ? "ip" : "ip6", end, port, tenant->vni,
		number, v4 ? '4' : '6', verdict);
}

/*
 * Chain "c<VNI>_<address>_<side>": what an address sends (FROM) or gets (TO). @forward, @reply: profiles
 * of the direction, and of the opposite one
 */
static void put_address(FILE *out, const struct ruleset_policy_tenant *tenant, size_t address,
			enum policy_profile_side side)
{
	bool v4 = addr_is4(&tenant->addresses[address]);
	const char *end = side == POLICY_PROFILE_FROM ? "daddr" : "saddr";
	uint32_t forward = tenant->profiles->of[address][side];
	uint32_t reply = tenant->profiles->of[address][!side];

	fprintf(out, "chain c%u_%zu_%d {\n", tenant->vni, address, side);
	if (tenant->action == POLICY_ALLOW) {
		put_match(out, tenant, forward, v4, end, "dport", "goto refuse");
		fputs("accept\n}\n", out);
		return;
	}
	put_match(out, tenant, forward, v4, end, "dport", "accept");
	put_match(out, tenant, reply, v4, end, "sport", "accept");
	fputs("goto refuse\n}\n", out);
}

static bool has_family(const struct ruleset_policy_tenant *tenant, bool v4)
{
	for (size_t i = 0; i < tenant->addresses_num; i++)
		if (addr_is4(&tenant->addresses[i]) == v4)
			return true;
	return false;
}

/* Map "m<VNI>_<side>_<family>": to those chains */
static void put_map(FILE *out, const struct ruleset_policy_tenant *tenant,
		    enum policy_profile_side side, bool v4)
{
	char text[INET6_ADDRSTRLEN];
	const char *before = "";

	if (!has_family(tenant, v4))
		return;
	fprintf(out, "map m%u_%d_%c {\ntype %s : verdict\nelements = {\n", tenant->vni, side,
		v4 ? '4' : '6', v4 ? "ipv4_addr" : "ipv6_addr");
	for (size_t i = 0; i < tenant->addresses_num; i++) {
		if (addr_is4(&tenant->addresses[i]) != v4)
			continue;
		fprintf(out, "%s%s : goto c%u_%zu_%d", before,
			addr_format(&tenant->addresses[i], text, sizeof(text)), tenant->vni, i, side);
		before = ",\n";
	}
	fputs(" }\n}\n", out);
}

static void put_lookup(FILE *out, const struct ruleset_policy_tenant *tenant,
		       enum policy_profile_side side, bool v4)
{
	if (has_family(tenant, v4))
		fprintf(out, "%s %s vmap @m%u_%d_%c\n", v4 ? "ip" : "ip6",
			side == POLICY_PROFILE_FROM ? "saddr" : "daddr", tenant->vni, side,
			v4 ? '4' : '6');
}

/* Chain "t<VNI>_<side>": of a packet of the tenant's; of addresses that nobody has here: the default */
static void put_side(FILE *out, const struct ruleset_policy_tenant *tenant,
		     enum policy_profile_side side)
{
	put_map(out, tenant, side, true);
	put_map(out, tenant, side, false);
	fprintf(out, "chain t%u_%d {\njump always\n", tenant->vni, side);
	put_lookup(out, tenant, side, true);
	put_lookup(out, tenant, side, false);
	fprintf(out, "%s\n}\n", tenant->action == POLICY_ALLOW ? "accept" : "goto refuse");
}

static void put_device(FILE *out, const char *device, uint32_t vni, enum policy_profile_side side)
{
	fprintf(out, "chain %s {\ntype filter hook ingress device \"%s\" priority 0; policy accept;\n"
		"goto t%u_%d\n}\n", device, device, vni, side);
}

static void put_tenant(FILE *out, const struct ruleset_policy_tenant *tenant)
{
	for (uint32_t i = 0; i < tenant->profiles->num; i++) {
		put_set(out, tenant->vni, i, &tenant->profiles->profiles[i], true);
		put_set(out, tenant->vni, i, &tenant->profiles->profiles[i], false);
	}
	for (size_t i = 0; i < tenant->addresses_num; i++) {
		put_address(out, tenant, i, POLICY_PROFILE_FROM);
		put_address(out, tenant, i, POLICY_PROFILE_TO);
	}
	put_side(out, tenant, POLICY_PROFILE_FROM);
	put_side(out, tenant, POLICY_PROFILE_TO);
	for (size_t i = 0; i < tenant->ports_num; i++)
		put_device(out, tenant->ports[i], tenant->vni, POLICY_PROFILE_FROM);
	put_device(out, tenant->vxlan, tenant->vni, POLICY_PROFILE_TO);
}

static void put_common(FILE *out)
{
	fputs("chain refuse {\n"
	      "meta l4proto tcp reject with tcp reset\n"
	      "meta protocol ip reject with icmp type admin-prohibited\n"
	      "meta protocol ip6 reject with icmpv6 type admin-prohibited\n"
	      "drop\n"
	      "}\n"
	      "chain always {\n"
	      "meta protocol != { ip, ip6 } accept\n"
	      "ip frag-off & 0x1fff != 0 accept\n"
	      "frag frag-off != 0 accept\n"
	      "tcp flags & (syn | ack) != syn accept\n"
	      "icmp type { echo-reply, destination-unreachable, time-exceeded,"
	      " parameter-problem } accept\n"
	      "icmpv6 type { echo-reply, destination-unreachable, packet-too-big, time-exceeded,"
	      " parameter-problem, nd-router-solicit, nd-router-advert, nd-neighbor-solicit,"
	      " nd-neighbor-advert, nd-redirect, mld-listener-query, mld-listener-report,"
	      " mld-listener-done, mld2-listener-report } accept\n"
	      "}\n", out);
}

static int write_text(const struct ruleset_policy_tenant *tenants, size_t num, char **text)
{
	size_t len;
	FILE *out = open_memstream(text, &len);
	bool whole;

	if (!out)
		return -ENOMEM;
	fputs(TABLE "\ndelete " TABLE "\n", out);
	if (num) {
		fputs(TABLE " {\n", out);
		put_common(out);
		for (size_t i = 0; i < num; i++)
			put_tenant(out, &tenants[i]);
		fputs("}\n", out);
	}
	whole = !ferror(out);
	return fclose(out) || !whole ? -ENOMEM : 0;
}

int ruleset_policy_load(const struct ruleset_policy_tenant *tenants, size_t num, char *error,
			size_t size)
{
	char *text = NULL;
	struct nft_ctx *nft;
	int err = write_text(tenants, num, &text);

	nft = err ? NULL : nft_ctx_new(NFT_CTX_DEFAULT);
	if (!nft) {
		free(text);
		return -ENOMEM;
	}
	nft_ctx_buffer_error(nft);
	nft_ctx_buffer_output(nft);
	if (nft_run_cmd_from_buffer(nft, text)) {
		snprintf(error, size, "%s", nft_ctx_get_error_buffer(nft));
		err = -EAGAIN;
	}
	nft_ctx_free(nft);
	free(text);
	return err;
}
