/* SPDX-License-Identifier: MIT */
/* packet_sets.c - profiles as sets of nftables */
#include "packet_sets.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "endpoint.h"

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

/* --- one --- */

struct packet_set packet_set_of(const struct policy_profile *profile, bool v4)
{
	struct packet_set set = { .v4 = v4, .digest = { hash_seed(), ~hash_seed() } };

	for (uint32_t i = 0; i < profile->boxes_num; i++) {
		const struct policy_box *box = &profile->boxes[i];

		if (addr_is4(&box->first) != v4)
			continue;
		set.any = true;
		for (int n = 0; n < 2; n++)
			set.digest[n] = hash_bytes(box, sizeof(*box), set.digest[n]);
	}
	return set;
}

const char *packet_set_name(const struct packet_set *set, char name[PACKET_SET_NAME])
{
	snprintf(name, PACKET_SET_NAME, "s%c_%016" PRIx64 "%016" PRIx64, set->v4 ? '4' : '6',
		 set->digest[0], set->digest[1]);
	return name;
}

/* Whatever is one value is written as one: that takes nftables half the time. */
static void put_interval(FILE *out, unsigned int first, unsigned int last)
{
	fprintf(out, first == last ? " . %u" : " . %u-%u", first, last);
}

static void put_box(FILE *out, const struct policy_box *box, bool v4, const char *before)
{
	const struct protocol *protocols;
	size_t num = protocols_of(box->service_first, v4, &protocols);
	char first[INET6_ADDRSTRLEN], last[INET6_ADDRSTRLEN];

	addr_format(&box->first, first, sizeof(first));
	addr_format(&box->last, last, sizeof(last));
	for (size_t i = 0; i < num; i++) {
		fprintf(out, strcmp(first, last) != 0 ? "%s%s-%s" : "%s%s", i ? ",\n" : before,
			first, last);
		put_interval(out, protocols[i].first, protocols[i].last);
		put_interval(out, box->service_first & 0xffff, box->service_last & 0xffff);
	}
}

void packet_set_put(FILE *out, const struct packet_set *set, const struct policy_profile *profile)
{
	char name[PACKET_SET_NAME];
	const char *before = "";

	fprintf(out, "set %s {\ntype %s . inet_proto . inet_service\nflags interval\n"
		"elements = {\n", packet_set_name(set, name), set->v4 ? "ipv4_addr" : "ipv6_addr");
	for (uint32_t i = 0; i < profile->boxes_num; i++) {
		if (addr_is4(&profile->boxes[i].first) != set->v4)
			continue;
		put_box(out, &profile->boxes[i], set->v4, before);
		before = ",\n";
	}
	fputs(" }\n}\n", out);
}

/* --- those of a table --- */

static int compare(const struct packet_set *a, const struct packet_set *b)
{
	int order = memcmp(a->digest, b->digest, sizeof(a->digest));

	return order ? order : (int)a->v4 - (int)b->v4;
}

/* Where it is, or would be */
static size_t find(const struct packet_sets *sets, const struct packet_set *set)
{
	size_t low = 0, high = sets->num;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare(&sets->sets[middle], set) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool packet_sets_have(const struct packet_sets *sets, const struct packet_set *set)
{
	size_t at = find(sets, set);

	return at < sets->num && !compare(&sets->sets[at], set);
}

int packet_sets_add(struct packet_sets *sets, const struct packet_set *set)
{
	size_t at = find(sets, set), more = sets->max ? sets->max * 2 : 16;
	struct packet_set *bigger;

	if (at < sets->num && !compare(&sets->sets[at], set))
		return 1;
	if (sets->num == sets->max) {
		bigger = reallocarray(sets->sets, more, sizeof(*bigger));
		if (!bigger)
			return -ENOMEM;
		sets->sets = bigger;
		sets->max = more;
	}
	memmove(sets->sets + at + 1, sets->sets + at, (sets->num - at) * sizeof(*set));
	sets->sets[at] = *set;
	sets->num++;
	return 0;
}

void packet_sets_free(struct packet_sets *sets)
{
	free(sets->sets);
	*sets = (struct packet_sets){ 0 };
}
