/* SPDX-License-Identifier: MIT */
/*
 * policy_gen.h - makes rules for measuring, of several kinds, from a seed
 *
 * The same kind, number and seed give the same rules everywhere. What is made is neither a file nor
 * what the classifier takes, so that both can be made of it.
 */
#ifndef POLICY_GEN_H
#define POLICY_GEN_H

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define POLICY_GEN_PORTS_MAX	4

enum policy_gen_kind {
	POLICY_GEN_TEN4,	/* ten pairs of prefix lengths, IPv4 */
	POLICY_GEN_TEN6,
	POLICY_GEN_LENGTHS4,	/* 1089 pairs: each length from 0 to 32 with each */
	POLICY_GEN_LENGTHS6,	/* 16641 pairs */
	POLICY_GEN_NESTED4,	/* those 1089 around one pair of addresses */
	POLICY_GEN_NESTED6,
	POLICY_GEN_RANGES4,	/* random ranges of addresses and ports */
	POLICY_GEN_RANGES6,
	POLICY_GEN_PORTS4,	/* one pair of prefixes, random ranges of ports */
	POLICY_GEN_KIND_NUM
};

static const char *const policy_gen_names[POLICY_GEN_KIND_NUM] = {
	"ten4", "ten6", "lengths4", "lengths6", "nested4", "nested6", "ranges4", "ranges6", "ports4",
};

enum policy_gen_protocol {
	POLICY_GEN_TCP,
	POLICY_GEN_UDP,
	POLICY_GEN_ICMP,
	POLICY_GEN_ANY,
	POLICY_GEN_PROTOCOL_NUM
};

/* Both ends belong to it; IPv4 mapped. @length: of a prefix (IPv4: from 0 to 32), -1: none */
struct policy_gen_range {
	uint8_t first[16];
	uint8_t last[16];
	int length;
};

/* Both ends belong to it. */
struct policy_gen_ports {
	uint16_t first;
	uint16_t last;
};

/* @ports_num: 0: all of them */
struct policy_gen_rule {
	bool allow;
	enum policy_gen_protocol protocol;
	struct policy_gen_range src;
	struct policy_gen_range dst;
	struct policy_gen_ports ports[POLICY_GEN_PORTS_MAX];
	unsigned int ports_num;
};

struct policy_gen {
	enum policy_gen_kind kind;
	uint64_t state;
};

static inline void policy_gen_init(struct policy_gen *gen, enum policy_gen_kind kind,
				   uint64_t seed)
{
	gen->kind = kind;
	gen->state = seed;
}

/* splitmix64, https://prng.di.unimi.it/splitmix64.c */
static inline uint64_t policy_gen_random(struct policy_gen *gen)
{
	uint64_t z = gen->state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static inline uint32_t policy_gen_below(struct policy_gen *gen, uint32_t bound)
{
	return (uint32_t)((policy_gen_random(gen) >> 32) * bound >> 32);
}

static inline bool policy_gen_is_v6(enum policy_gen_kind kind)
{
	return kind == POLICY_GEN_TEN6 || kind == POLICY_GEN_LENGTHS6 ||
	       kind == POLICY_GEN_NESTED6 || kind == POLICY_GEN_RANGES6;
}

/* A random address among those whose first @fixed bits are those of @address */
static inline void policy_gen_address(struct policy_gen *gen, uint8_t *address, unsigned int fixed)
{
	for (unsigned int i = 0; i < 16; i++) {
		unsigned int keep = fixed >= 8 * i + 8 ? 8 : fixed > 8 * i ? fixed - 8 * i : 0;
		uint8_t mask = (uint8_t)(0xff >> keep);

		address[i] = (uint8_t)((address[i] & ~mask) | (policy_gen_random(gen) & mask));
	}
}

static inline void policy_gen_prefix(struct policy_gen_range *range, const uint8_t *address,
				     int length, bool v6)
{
	unsigned int bits = (unsigned int)length + (v6 ? 0 : 96);

	range->length = length;
	for (unsigned int i = 0; i < 16; i++) {
		unsigned int keep = bits >= 8 * i + 8 ? 8 : bits > 8 * i ? bits - 8 * i : 0;
		uint8_t mask = (uint8_t)(0xff >> keep);

		range->first[i] = (uint8_t)(address[i] & ~mask);
		range->last[i] = (uint8_t)(address[i] | mask);
	}
}

static inline void policy_gen_random_range(struct policy_gen *gen, struct policy_gen_range *range,
					   const uint8_t *base, unsigned int fixed)
{
	memcpy(range->first, base, 16);
	memcpy(range->last, base, 16);
	policy_gen_address(gen, range->first, fixed);
	policy_gen_address(gen, range->last, fixed);
	range->length = -1;
	if (memcmp(range->first, range->last, 16) > 0) {
		uint8_t swapped[16];

		memcpy(swapped, range->first, 16);
		memcpy(range->first, range->last, 16);
		memcpy(range->last, swapped, 16);
	}
}

/* The pair of lengths of rule @number */
static inline void policy_gen_lengths(const struct policy_gen *gen, uint32_t number, int *src,
				      int *dst)
{
	static const uint8_t ten4[10][2] = {
		{ 32, 32 }, { 24, 32 }, { 16, 32 }, { 8, 32 }, { 0, 32 },
		{ 32, 24 }, { 24, 24 }, { 16, 24 }, { 24, 16 }, { 32, 0 },
	};
	static const uint8_t ten6[10][2] = {
		{ 128, 128 }, { 64, 128 }, { 56, 128 }, { 48, 128 }, { 0, 128 },
		{ 128, 64 }, { 64, 64 }, { 56, 64 }, { 64, 56 }, { 128, 0 },
	};
	uint32_t most = policy_gen_is_v6(gen->kind) ? 129 : 33;

	if (gen->kind == POLICY_GEN_TEN4 || gen->kind == POLICY_GEN_TEN6) {
		const uint8_t *pair = gen->kind == POLICY_GEN_TEN4 ? ten4[number % 10] :
								     ten6[number % 10];

		*src = pair[0];
		*dst = pair[1];
		return;
	}
	*src = (int)(number % most);
	*dst = (int)(number / most % most);
}

static inline void policy_gen_ends(struct policy_gen *gen, uint32_t number,
				   struct policy_gen_rule *rule)
{
	static const uint8_t base4[16] = { [10] = 0xff, [11] = 0xff, 10 };
	static const uint8_t base6[16] = { 0x20, 1, 0xd, 0xb8 };
	bool v6 = policy_gen_is_v6(gen->kind);
	uint8_t src[16], dst[16];
	int src_len, dst_len;

	memcpy(src, v6 ? base6 : base4, 16);
	memcpy(dst, src, 16);
	switch (gen->kind) {
	case POLICY_GEN_RANGES4:
	case POLICY_GEN_RANGES6:
		policy_gen_random_range(gen, &rule->src, src, v6 ? 32 : 104);
		policy_gen_random_range(gen, &rule->dst, dst, v6 ? 32 : 104);
		return;
	case POLICY_GEN_PORTS4:
		policy_gen_prefix(&rule->src, src, 8, false);
		policy_gen_prefix(&rule->dst, dst, 8, false);
		return;
	case POLICY_GEN_TEN4:
	case POLICY_GEN_TEN6:
		policy_gen_address(gen, src, v6 ? 32 : 104);
		policy_gen_address(gen, dst, v6 ? 32 : 104);
		break;
	case POLICY_GEN_LENGTHS4:
	case POLICY_GEN_LENGTHS6:
		policy_gen_address(gen, src, v6 ? 0 : 96);
		policy_gen_address(gen, dst, v6 ? 0 : 96);
		break;
	default:
		break;
	}
	policy_gen_lengths(gen, number, &src_len, &dst_len);
	policy_gen_prefix(&rule->src, src, src_len, v6);
	policy_gen_prefix(&rule->dst, dst, dst_len, v6);
}

static inline void policy_gen_services(struct policy_gen *gen, struct policy_gen_rule *rule)
{
	static const uint16_t usual[] = { 22, 53, 80, 123, 443, 3306, 5432, 6379, 8080, 9090 };
	bool random = gen->kind >= POLICY_GEN_RANGES4;

	rule->protocol = policy_gen_below(gen, 3) ? POLICY_GEN_TCP : POLICY_GEN_UDP;
	rule->ports_num = random ? 1 : 1 + policy_gen_below(gen, POLICY_GEN_PORTS_MAX);
	for (unsigned int i = 0; i < rule->ports_num; i++) {
		uint16_t a = (uint16_t)policy_gen_random(gen), b = (uint16_t)policy_gen_random(gen);
		struct policy_gen_ports *ports = &rule->ports[i];

		if (!random) {
			a = usual[a % 10];
			b = (uint16_t)(b % 8 ? a : a + b % 100);
		}
		ports->first = a < b ? a : b;
		ports->last = a < b ? b : a;
	}
}

/* Rule @number, from 0 up, of those of @gen */
static inline void policy_gen_rule(struct policy_gen *gen, uint32_t number,
				   struct policy_gen_rule *rule)
{
	memset(rule, 0, sizeof(*rule));
	rule->allow = policy_gen_below(gen, 4) > 0;
	policy_gen_ends(gen, number, rule);
	policy_gen_services(gen, rule);
}

/* --- as text --- */

static inline void policy_gen_print_address(FILE *file, const uint8_t *address)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	bool v4 = !memcmp(address, mapped, sizeof(mapped));
	char text[INET6_ADDRSTRLEN];

	fputs(inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? address + 12 : address, text, sizeof(text)),
	      file);
}

static inline void policy_gen_print_range(FILE *file, const struct policy_gen_range *range)
{
	policy_gen_print_address(file, range->first);
	if (range->length >= 0) {
		fprintf(file, "/%d", range->length);
		return;
	}
	putc('-', file);
	policy_gen_print_address(file, range->last);
}

/* The rule as a line of a policy, such as
 * "allow tcp from 10.1.0.0/16 to 10.2.3.0-10.2.3.9 port 80,8000-8100" */
static inline void policy_gen_print(FILE *file, const struct policy_gen_rule *rule)
{
	static const char *const protocols[POLICY_GEN_PROTOCOL_NUM] = {
		"tcp", "udp", "icmp", "any",
	};

	fprintf(file, "%s %s from ", rule->allow ? "allow" : "deny", protocols[rule->protocol]);
	policy_gen_print_range(file, &rule->src);
	fputs(" to ", file);
	policy_gen_print_range(file, &rule->dst);
	for (unsigned int i = 0; i < rule->ports_num; i++) {
		fprintf(file, "%s%u", i ? "," : " port ", rule->ports[i].first);
		if (rule->ports[i].last > rule->ports[i].first)
			fprintf(file, "-%u", rule->ports[i].last);
	}
	putc('\n', file);
}

#endif
