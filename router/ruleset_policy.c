/* SPDX-License-Identifier: MIT */
/* ruleset_policy.c - table "netdev slim_policy": the policy, as packets are asked about it */
#include "ruleset_policy.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "endpoint.h"
#include "memstream.h"
#include "packet_denials.h"
#include "packet_sets.h"
#include "ruleset_load.h"
#include "ruleset_refusal.h"

#define TABLE	"netdev " RULESET_POLICY_TABLE

/*
 * What a load writes, and what has to be undone before the next one.
 * @out:	commands
 * @maps, @chains: commands that delete what these have made, in this order
 * @sets:	that the table has then
 * @devices:	that are named
 */
struct load {
	FILE *out, *maps, *chains;
	char *out_text, *maps_text, *chains_text;
	size_t out_len, maps_len, chains_len;
	struct packet_sets sets;
	size_t devices;
	bool failed;
};

/* Of a tenant, by profile, family (IPv6, IPv4) and protocol */
struct sets {
	struct packet_set (*of)[2][CLASSIFIER_PROTOCOL_NUM];
};

/* What the table has, as this router has loaded it; NULL texts: nobody knows. The thread's that loads. */
static struct {
	char *maps_text, *chains_text;
	struct packet_sets sets;
} loaded;

/* --- what is made, and how it goes --- */

/* A chain; its rules are for the caller to write, up to "}\n" */
static void put_chain(struct load *load, const char *name)
{
	fprintf(load->out, "chain %s {\n", name);
	fprintf(load->chains, "delete chain " TABLE " %s\n", name);
}

static void put_set(struct load *load, const struct packet_set *set,
		    const struct policy_profile *profile)
{
	int had;

	if (!set->any)
		return;
	had = packet_sets_add(&load->sets, set);
	load->failed |= had < 0;
	if (!had && !packet_sets_have(&loaded.sets, set))
		packet_set_put(load->out, set, profile);
}

static void put_sets(struct load *load, const struct ruleset_policy_tenant *tenant,
		     struct sets *sets)
{
	uint32_t num = tenant->profiles->num;

	sets->of = calloc(num + 1u, sizeof(*sets->of));
	if (!sets->of) {
		load->failed = true;
		return;
	}
	for (uint32_t i = 0; i < num * 2; i++) {
		const struct policy_profile *profile = &tenant->profiles->profiles[i / 2];

		for (int n = 0; n < CLASSIFIER_PROTOCOL_NUM; n++) {
			struct packet_set *set = &sets->of[i / 2][i % 2][n];

			*set = packet_set_of(profile, i % 2, (enum classifier_protocol)n);
			put_set(load, set, profile);
		}
	}
}

/* --- chains --- */

/* A packet whose other end (@end: saddr or daddr) and @port are in @set: @verdict */
static void put_match(FILE *out, const struct packet_set *set, const char *end, const char *port,
		      const char *verdict)
{
	char name[PACKET_SET_NAME];

	if (set->any)
		fprintf(out, "%s %s %s . th %s @%s %s\n", packet_set_protocol(set),
			set->v4 ? "ip" : "ip6", end, port, packet_set_name(set, name), verdict);
}

/* The same of sets of all protocols */
static void put_matches(FILE *out, const struct packet_set *sets, const char *end,
			const char *verdict)
{
	for (int i = 0; i < CLASSIFIER_PROTOCOL_NUM; i++)
		put_match(out, &sets[i], end, "dport", verdict);
}

/*
 * Chain "c<VNI>_<address>_<side>": what an address sends (FROM) or gets (TO). @forward, @reply: profiles
 * of the direction, and of the opposite one
 */
static void put_address(struct load *load, const struct ruleset_policy_tenant *tenant,
			const struct sets *sets, size_t address, enum policy_side side)
{
	bool v4 = addr_is4(&tenant->addresses[address]);
	const char *end = side == POLICY_SIDE_FROM ? "daddr" : "saddr";
	const struct packet_set *forward = sets->of[tenant->profiles->of[address][side]][v4];
	const struct packet_set *reply = sets->of[tenant->profiles->of[address][!side]][v4];
	char name[64], refuse[64];

	snprintf(name, sizeof(name), "c%u_%zu_%d", tenant->vni, address, side);
	snprintf(refuse, sizeof(refuse), "goto r%u", tenant->vni);
	put_chain(load, name);
	if (tenant->action == POLICY_ALLOW) {
		put_matches(load->out, forward, end, refuse);
		fputs("accept\n}\n", load->out);
		return;
	}
	put_matches(load->out, forward, end, "accept");
	/* (Of TCP and ICMP, chain "always" lets answers pass.) */
	put_match(load->out, &reply[CLASSIFIER_UDP], end, "sport", "accept");
	fprintf(load->out, "%s\n}\n", refuse);
}

static bool has_family(const struct ruleset_policy_tenant *tenant, bool v4)
{
	for (size_t i = 0; i < tenant->addresses_num; i++)
		if (addr_is4(&tenant->addresses[i]) == v4)
			return true;
	return false;
}

/* Map "m<VNI>_<side>_<family>": to those chains */
static void put_map(struct load *load, const struct ruleset_policy_tenant *tenant,
		    enum policy_side side, bool v4)
{
	char text[INET6_ADDRSTRLEN];
	const char *before = "";
	FILE *out = load->out;

	if (!has_family(tenant, v4))
		return;
	fprintf(load->maps, "delete map " TABLE " m%u_%d_%c\n", tenant->vni, side, v4 ? '4' : '6');
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
		       enum policy_side side, bool v4)
{
	if (has_family(tenant, v4))
		fprintf(out, "%s %s vmap @m%u_%d_%c\n", v4 ? "ip" : "ip6",
			side == POLICY_SIDE_FROM ? "saddr" : "daddr", tenant->vni, side,
			v4 ? '4' : '6');
}

/* What goes to other tenants of which rules speak takes the slim path alone. */
static void put_crossings(FILE *out, const struct ruleset_policy_tenant *tenant)
{
	char text[INET6_ADDRSTRLEN];

	for (uint32_t i = 0; i < tenant->crossings_num; i++) {
		const struct config_tenant *to = tenant->crossings[i].to;

		for (size_t j = 0; j < to->prefixes_num; j++) {
			const struct config_prefix *prefix = &to->prefixes[j];
			bool v4 = addr_is4(&prefix->addr);

			fprintf(out, "%s daddr %s/%u goto r%u\n", v4 ? "ip" : "ip6",
				addr_format(&prefix->addr, text, sizeof(text)),
				v4 ? prefix->len - 96 : prefix->len, tenant->vni);
		}
	}
}

/*
 * Chain "t<VNI>_<side>": of a packet of the tenant's; of addresses that nobody has here: the default.
 * Containers' link-local ones, which no rule knows, are refused.
 */
static void put_side(struct load *load, const struct ruleset_policy_tenant *tenant,
		     enum policy_side side)
{
	char name[64];

	put_map(load, tenant, side, true);
	put_map(load, tenant, side, false);
	snprintf(name, sizeof(name), "t%u_%d", tenant->vni, side);
	put_chain(load, name);
	fprintf(load->out, "jump always\n"
		"ip6 saddr fe80::/10 goto r%u\n"
		"ip6 daddr fe80::/10 goto r%u\n", tenant->vni, tenant->vni);
	if (side == POLICY_SIDE_FROM)
		put_crossings(load->out, tenant);
	put_lookup(load->out, tenant, side, true);
	put_lookup(load->out, tenant, side, false);
	if (tenant->action == POLICY_ALLOW)
		fputs("accept\n}\n", load->out);
	else
		fprintf(load->out, "goto r%u\n}\n", tenant->vni);
}

/* Whoever reads the group learns the tenant by the prefix. */
static void put_refuse(struct load *load, uint32_t vni)
{
	char name[64];

	snprintf(name, sizeof(name), "r%u", vni);
	put_chain(load, name);
	fprintf(load->out, "counter name \"" RULESET_POLICY_COUNTER "\"\n"
		"limit rate %d/second burst %d packets log prefix \"%u\" group %d snaplen %d\n"
		"goto refuse\n}\n", PACKET_DENIALS_RATE, PACKET_DENIALS_RATE, vni,
		PACKET_DENIALS_GROUP, PACKET_DENIALS_BYTES);
}

/*
 * What names a device that is not there is refused as a whole. The chain may have gone with its device when it
 * is to be deleted, so that it is made before that.
 */
static void put_device(struct load *load, const char *device, uint32_t vni,
		       enum policy_side side)
{
	if (!if_nametoindex(device))
		return;
	load->devices++;
	fprintf(load->chains, "add chain " TABLE " %s\n", device);
	put_chain(load, device);
	fprintf(load->out, "type filter hook ingress device \"%s\" priority 0; policy accept;\n"
		"goto t%u_%d\n}\n", device, vni, side);
}

static void put_tenant(struct load *load, const struct ruleset_policy_tenant *tenant)
{
	struct sets sets;

	put_sets(load, tenant, &sets);
	if (!sets.of)
		return;
	put_refuse(load, tenant->vni);
	for (size_t i = 0; i < tenant->addresses_num; i++) {
		put_address(load, tenant, &sets, i, POLICY_SIDE_FROM);
		put_address(load, tenant, &sets, i, POLICY_SIDE_TO);
	}
	put_side(load, tenant, POLICY_SIDE_FROM);
	put_side(load, tenant, POLICY_SIDE_TO);
	for (size_t i = 0; i < tenant->ports_num; i++)
		put_device(load, tenant->ports[i], tenant->vni, POLICY_SIDE_FROM);
	put_device(load, tenant->vxlan, tenant->vni, POLICY_SIDE_TO);
	free(sets.of);
}

static void put_common(struct load *load)
{
	fputs("counter " RULESET_POLICY_COUNTER " {}\n", load->out);
	put_chain(load, "refuse");
	fprintf(load->out, "%s}\n", ruleset_refusal_rules());
	put_chain(load, "always");
	fputs("meta protocol != { ip, ip6 } accept\n"
	      "ip frag-off & 0x1fff != 0 accept\n"
	      "frag frag-off != 0 accept\n"
	      "tcp flags & (syn | ack) != syn accept\n"
	      "icmp type { echo-reply, destination-unreachable, time-exceeded,"
	      " parameter-problem } accept\n"
	      "icmpv6 type { echo-reply, destination-unreachable, packet-too-big, time-exceeded,"
	      " parameter-problem, nd-router-solicit, nd-router-advert, nd-neighbor-solicit,"
	      " nd-neighbor-advert, nd-redirect, mld-listener-query, mld-listener-report,"
	      " mld-listener-done, mld2-listener-report } accept\n"
	      "}\n", load->out);
}

/* --- a load --- */

static void forget_loaded(void)
{
	free(loaded.maps_text);
	free(loaded.chains_text);
	packet_sets_free(&loaded.sets);
	loaded.maps_text = loaded.chains_text = NULL;
}

/* What was there goes; but for sets, if it is known what that is. */
static void put_undo(struct load *load)
{
	if (loaded.chains_text)
		fprintf(load->out, "flush table " TABLE "\n%s%s", loaded.maps_text,
			loaded.chains_text);
	else
		fputs("table " TABLE "\ndelete table " TABLE "\n", load->out);
}

static void put_stale_sets(struct load *load)
{
	char name[PACKET_SET_NAME];

	for (size_t i = 0; i < loaded.sets.num; i++)
		if (!packet_sets_have(&load->sets, &loaded.sets.sets[i]))
			fprintf(load->out, "delete set " TABLE " %s\n",
				packet_set_name(&loaded.sets.sets[i], name));
}

static void write_all(struct load *load, const struct ruleset_policy_tenant *tenants, size_t num)
{
	put_undo(load);
	fputs("table " TABLE " {\n", load->out);
	put_common(load);
	for (size_t i = 0; i < num; i++)
		put_tenant(load, &tenants[i]);
	fputs("}\n", load->out);
	put_stale_sets(load);
	fputs(ruleset_refusal_table(), load->out);
}

static int load_open(struct load *load)
{
	*load = (struct load){ 0 };
	load->out = open_memstream(&load->out_text, &load->out_len);
	load->maps = open_memstream(&load->maps_text, &load->maps_len);
	load->chains = open_memstream(&load->chains_text, &load->chains_len);
	return load->out && load->maps && load->chains ? 0 : -ENOMEM;
}

/* The texts are good then. */
static int load_end(struct load *load)
{
	bool whole = memstream_close(load->out, &load->out_text);

	whole = memstream_close(load->maps, &load->maps_text) && whole;
	whole = memstream_close(load->chains, &load->chains_text) && whole;
	load->out = load->maps = load->chains = NULL;
	return whole && !load->failed ? 0 : -ENOMEM;
}

static void load_free(struct load *load)
{
	load_end(load);
	free(load->out_text);
	free(load->maps_text);
	free(load->chains_text);
	packet_sets_free(&load->sets);
}

/* It is what there is from now on. */
static void load_remember(struct load *load)
{
	forget_loaded();
	loaded.maps_text = load->maps_text;
	loaded.chains_text = load->chains_text;
	loaded.sets = load->sets;
	load->maps_text = load->chains_text = NULL;
	load->sets = (struct packet_sets){ 0 };
}

/* @devices: how many were named */
static int load_once(const struct ruleset_policy_tenant *tenants, size_t num, size_t *devices,
		     char *error, size_t size)
{
	struct load load;
	int err = load_open(&load);

	if (!err)
		write_all(&load, tenants, num);
	*devices = load.devices;
	if (!err)
		err = load_end(&load);
	if (!err)
		err = ruleset_load(load.out_text, load.out_len, error, size);
	if (!err)
		load_remember(&load);
	load_free(&load);
	return err;
}

static size_t count_devices(const struct ruleset_policy_tenant *tenants, size_t num)
{
	size_t there = 0;

	for (size_t i = 0; i < num; i++) {
		there += if_nametoindex(tenants[i].vxlan) != 0;
		for (size_t j = 0; j < tenants[i].ports_num; j++)
			there += if_nametoindex(tenants[i].ports[j]) != 0;
	}
	return there;
}

static int unload(char *error, size_t size)
{
	char commands[256];
	int len = snprintf(commands, sizeof(commands), "table " TABLE "\ndelete table " TABLE "\n%s",
			   ruleset_refusal_removal());

	forget_loaded();
	return ruleset_load(commands, (size_t)len, error, size);
}

/* Again where a device has gone meanwhile; and at last, somebody may have changed what we have loaded, or a
 * process that ended may have loaded some: then all of it is made anew. */
int ruleset_policy_load(const struct ruleset_policy_tenant *tenants, size_t num, char *error,
			size_t size)
{
	bool known = loaded.chains_text;
	size_t devices;
	int err = ruleset_refusal_find();

	*error = '\0';
	if (err)
		return err;
	if (!num)
		return unload(error, size);
	do
		err = load_once(tenants, num, &devices, error, size);
	while (err == -EIO && count_devices(tenants, num) < devices);
	if ((err != -EIO && err != -ENOMEM) || !known)
		return err;
	forget_loaded();
	return load_once(tenants, num, &devices, error, size);
}
