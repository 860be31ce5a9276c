/* SPDX-License-Identifier: MIT */
/* packet_sets.c - profiles as sets of nftables */
#include "packet_sets.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "endpoint.h"

static bool is_of(const struct packet_set *set, const struct policy_box *box)
{
	return addr_is4(&box->first) == set->v4 && box->service_first >> 16 == set->protocol;
}

/* --- one --- */

struct packet_set packet_set_of(const struct policy_profile *profile, bool v4,
				enum classifier_protocol protocol)
{
	struct packet_set set = {
		.v4 = v4, .protocol = protocol, .digest = { hash_seed(), ~hash_seed() },
	};

	for (uint32_t i = 0; i < profile->boxes_num; i++) {
		const struct policy_box *box = &profile->boxes[i];

		if (!is_of(&set, box))
			continue;
		set.any = true;
		for (int n = 0; n < 2; n++)
			set.digest[n] = hash_bytes(box, sizeof(*box), set.digest[n]);
	}
	return set;
}

const char *packet_set_protocol(const struct packet_set *set)
{
	static const char *const texts[CLASSIFIER_PROTOCOL_NUM][2] = {
		[CLASSIFIER_TCP] = { "meta l4proto tcp", "meta l4proto tcp" },
		[CLASSIFIER_UDP] = { "meta l4proto udp", "meta l4proto udp" },
		[CLASSIFIER_ICMP] = { "meta l4proto icmpv6", "meta l4proto icmp" },
		[CLASSIFIER_OTHER] = { "meta l4proto != { tcp, udp, icmpv6 }",
				       "meta l4proto != { tcp, udp, icmp }" },
	};

	return texts[set->protocol][set->v4];
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

static void put_box(FILE *out, const struct policy_box *box, const char *before)
{
	char first[INET6_ADDRSTRLEN], last[INET6_ADDRSTRLEN];

	addr_format(&box->first, first, sizeof(first));
	addr_format(&box->last, last, sizeof(last));
	fprintf(out, strcmp(first, last) != 0 ? "%s%s-%s" : "%s%s", before, first, last);
	put_interval(out, box->service_first & 0xffff, box->service_last & 0xffff);
}

void packet_set_put(FILE *out, const struct packet_set *set, const struct policy_profile *profile)
{
	char name[PACKET_SET_NAME];
	const char *before = "";

	fprintf(out, "set %s {\ntype %s . inet_service\nflags interval\nelements = {\n",
		packet_set_name(set, name), set->v4 ? "ipv4_addr" : "ipv6_addr");
	for (uint32_t i = 0; i < profile->boxes_num; i++) {
		if (!is_of(set, &profile->boxes[i]))
			continue;
		put_box(out, &profile->boxes[i], before);
		before = ",\n";
	}
	fputs(" }\n}\n", out);
}

/* --- those of a table --- */

static int compare(const struct packet_set *a, const struct packet_set *b)
{
	int order = memcmp(a->digest, b->digest, sizeof(a->digest));

	if (!order)
		order = (int)a->v4 - (int)b->v4;
	return order ? order : (int)a->protocol - (int)b->protocol;
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
