/* SPDX-License-Identifier: MIT */
/*
 * test_classifier.c - the first of many ordered rules that matches
 *
 * links: core/classifier.c core/classifier_axis.c core/classifier_events.c core/classifier_sieve.c core/classifier_tree.c core/classifier_build.c core/classifier_cells.c core/classifier_crowd.c core/classifier_members.c core/classifier_memory.c core/classifier_services.c core/classifier_sort.c
 * libs:
 */
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../core/classifier.h"
#include "suite.h"

#define NONE	CLASSIFIER_NONE
#define ALL	{ 0, CLASSIFIER_SERVICE_MAX }
#define TCP(first, last)	{ CLASSIFIER_SERVICE(CLASSIFIER_TCP, first), \
				  CLASSIFIER_SERVICE(CLASSIFIER_TCP, last) }
#define UDP(first, last)	{ CLASSIFIER_SERVICE(CLASSIFIER_UDP, first), \
				  CLASSIFIER_SERVICE(CLASSIFIER_UDP, last) }

#define TCP_PORT(port)	CLASSIFIER_SERVICE(CLASSIFIER_TCP, port)
#define UDP_PORT(port)	CLASSIFIER_SERVICE(CLASSIFIER_UDP, port)

/* --- memory that is counted, and runs out --- */

#define BLOCK_HEAD	16

static size_t memory_now, memory_most;
static long blocks_now;
static long blocks_left;	/* before there is no more; negative: no end */

static void *counted_alloc(size_t size)
{
	size_t *block;

	if (!blocks_left)
		return NULL;
	blocks_left--;
	block = malloc(size + BLOCK_HEAD);
	ck_assert_ptr_nonnull(block);
	*block = size;
	blocks_now++;
	memory_now += size;
	if (memory_now > memory_most)
		memory_most = memory_now;
	/* Nothing may count on its being zero. */
	memset((char *)block + BLOCK_HEAD, 0xa5, size);
	return (char *)block + BLOCK_HEAD;
}

static void counted_free(void *data)
{
	size_t *block = data ? (size_t *)((char *)data - BLOCK_HEAD) : NULL;

	if (!block)
		return;
	blocks_now--;
	memory_now -= *block;
	free(block);
}

static const struct classifier_allocator allocator = { counted_alloc, counted_free };

static void setup(void)
{
	blocks_left = -1;
}

static void teardown(void)
{
	ck_assert_int_eq(blocks_now, 0);
}

/* --- policies --- */

#define SETS_MAX	4096
#define RULES_MAX	20000

static struct classifier_range ranges[SETS_MAX];
static struct classifier_set sets[SETS_MAX];
static struct classifier_rule rules[RULES_MAX];
static struct classifier_interval intervals[RULES_MAX];
static struct classifier_policy policy;
static struct classifier *built;

static void address_of(const char *text, uint8_t *address)
{
	memset(address, 0, 16);
	if (inet_pton(AF_INET6, text, address) == 1)
		return;
	address[10] = address[11] = 0xff;
	ck_assert_int_eq(inet_pton(AF_INET, text, address + 12), 1);
}

/* "ADDRESS", "ADDRESS/LENGTH" or "ADDRESS-ADDRESS" */
static void range_of(const char *text, struct classifier_range *range)
{
	char first[64];
	const char *rest = text + strcspn(text, "/-");
	unsigned int length;

	snprintf(first, sizeof(first), "%.*s", (int)(rest - text), text);
	address_of(first, range->first);
	memcpy(range->last, range->first, 16);
	if (*rest == '-')
		address_of(rest + 1, range->last);
	if (*rest != '/')
		return;
	length = (unsigned int)atoi(rest + 1) + (strchr(first, ':') ? 0 : 96);
	for (unsigned int i = length; i < 128; i++) {
		range->first[i / 8] &= (uint8_t)~(0x80 >> i % 8);
		range->last[i / 8] |= (uint8_t)(0x80 >> i % 8);
	}
}

static void policy_clear(void)
{
	policy = (struct classifier_policy){ .sets = sets, .rules = rules };
}

static uint32_t set_add(const char *text)
{
	uint32_t i = policy.sets_num++;

	ck_assert_uint_lt(i, SETS_MAX);
	range_of(text, &ranges[i]);
	sets[i] = (struct classifier_set){ &ranges[i], 1 };
	return i;
}

static void rule_add(uint32_t src, uint32_t dst, struct classifier_interval services)
{
	uint32_t i = policy.rules_num++;

	ck_assert_uint_lt(i, RULES_MAX);
	intervals[i] = services;
	rules[i] = (struct classifier_rule){ src, dst, &intervals[i], 1 };
}

static void build(void)
{
	ck_assert_int_eq(classifier_build(&policy, &allocator, &built), 0);
}

static void build_end(void)
{
	classifier_free(built, &allocator);
	built = NULL;
}

static uint32_t ask_with(const struct classifier_members *members, const char *src,
			 const char *dst, uint32_t service, struct classifier_work *work)
{
	struct classifier_question question = { .service = service };

	address_of(src, question.src);
	address_of(dst, question.dst);
	return classifier_lookup_counted(built, members, &question, work);
}

static uint32_t ask(const char *src, const char *dst, uint32_t service)
{
	struct classifier_work work;

	return ask_with(NULL, src, dst, service, &work);
}

/* --- what a rule means --- */

struct row {
	const char *src;
	const char *dst;
	struct classifier_interval services;
};

struct question {
	const char *src;
	const char *dst;
	uint32_t service;
	uint32_t rule;
};

static const struct {
	const char *name;
	struct row rows[8];
	struct question questions[12];
} cases[] = {
	{ "no rules", { { NULL } }, {
		{ "10.0.0.1", "10.0.0.2", TCP_PORT(80), NONE },
		{ "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", TCP_PORT(0), NONE },
	} },
	{ "the first wins, however narrow a later one is", {
		{ "10.0.0.0/8", "10.0.0.0/8", TCP(0, 65535) },
		{ "10.0.0.1", "10.0.0.2", TCP(80, 80) },
		{ "10.0.0.1", "10.0.0.2", UDP(53, 53) },
		{ "10.0.0.0/8", "10.0.0.0/8", ALL },
	}, {
		{ "10.0.0.1", "10.0.0.2", TCP_PORT(80), 0 },
		{ "10.0.0.1", "10.0.0.2", UDP_PORT(53), 2 },
		{ "10.0.0.1", "10.0.0.2", UDP_PORT(54), 3 },
		{ "11.0.0.1", "10.0.0.2", TCP_PORT(80), NONE },
		{ "10.0.0.2", "10.0.0.1", UDP_PORT(53), 3 },
	} },
	{ "a narrow rule before a wide one", {
		{ "10.0.0.1", "10.0.0.2", TCP(80, 80) },
		{ "10.0.0.0/24", "10.0.0.0/24", TCP(80, 90) },
		{ "::/0", "::/0", TCP(70, 100) },
	}, {
		{ "10.0.0.1", "10.0.0.2", TCP_PORT(80), 0 },
		{ "10.0.0.1", "10.0.0.2", TCP_PORT(81), 1 },
		{ "10.0.0.1", "10.0.0.2", TCP_PORT(91), 2 },
		{ "10.0.0.1", "10.0.0.2", TCP_PORT(101), NONE },
		{ "10.0.1.1", "10.0.0.2", TCP_PORT(80), 2 },
		{ "2001:db8::1", "10.0.0.2", TCP_PORT(80), 2 },
	} },
	{ "families", {
		{ "0.0.0.0/0", "0.0.0.0/0", TCP(1, 1) },
		{ "::1:0:0:0-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::/0", TCP(1, 1) },
		{ "::-::fffe:ffff:ffff", "::/0", TCP(1, 1) },
		{ "::/0", "::/0", TCP(2, 2) },
		{ "::fffe:ffff:fff0-::ffff:0.0.0.9", "::/0", TCP(3, 3) },
		{ "::ffff:255.255.255.250-::1:0:0:7", "::/0", TCP(3, 3) },
	}, {
		{ "10.0.0.1", "10.0.0.2", TCP_PORT(1), 0 },
		{ "2001:db8::1", "10.0.0.2", TCP_PORT(1), 1 },
		{ "::1", "10.0.0.2", TCP_PORT(1), 2 },
		{ "10.0.0.1", "::1", TCP_PORT(1), NONE },
		{ "10.0.0.1", "::1", TCP_PORT(2), 3 },
		{ "0.0.0.9", "::1", TCP_PORT(3), 4 },
		{ "::fffe:ffff:ffff", "::1", TCP_PORT(3), 4 },
		{ "0.0.0.10", "::1", TCP_PORT(3), NONE },
		{ "255.255.255.250", "::1", TCP_PORT(3), 5 },
		{ "255.255.255.249", "::1", TCP_PORT(3), NONE },
		{ "::1:0:0:7", "::1", TCP_PORT(3), 5 },
		{ "::1:0:0:8", "::1", TCP_PORT(3), NONE },
	} },
	{ "the edges of addresses", {
		{ "255.255.255.255", "0.0.0.0", TCP(1, 1) },
		{ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::", TCP(1, 1) },
		{ "255.255.255.0-255.255.255.255", "0.0.0.0-0.0.0.5", TCP(1, 1) },
		{ "fe80::/10", "fe80::ffff:ffff:ffff:ffff", TCP(1, 1) },
	}, {
		{ "255.255.255.255", "0.0.0.0", TCP_PORT(1), 0 },
		{ "255.255.255.254", "0.0.0.0", TCP_PORT(1), 2 },
		{ "255.255.255.255", "0.0.0.5", TCP_PORT(1), 2 },
		{ "255.255.255.255", "0.0.0.6", TCP_PORT(1), NONE },
		{ "255.255.254.255", "0.0.0.0", TCP_PORT(1), NONE },
		{ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::", TCP_PORT(1), 1 },
		{ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe", "::", TCP_PORT(1), NONE },
		{ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::1", TCP_PORT(1), NONE },
		{ "febf::1", "fe80::ffff:ffff:ffff:ffff", TCP_PORT(1), 3 },
		{ "febf::1", "fe80:0:0:1::", TCP_PORT(1), NONE },
	} },
	{ "the edges of ports and protocols", {
		{ "::/0", "::/0", TCP(0, 0) },
		{ "::/0", "::/0", TCP(65535, 65535) },
		{ "::/0", "::/0", UDP(0, 65535) },
		{ "::/0", "::/0", { CLASSIFIER_SERVICE(CLASSIFIER_ICMP, 0),
				    CLASSIFIER_SERVICE(CLASSIFIER_ICMP, 65535) } },
		{ "::/0", "::/0", { CLASSIFIER_SERVICE_MAX, CLASSIFIER_SERVICE_MAX } },
	}, {
		{ "::", "::", TCP_PORT(0), 0 },
		{ "::", "::", TCP_PORT(1), NONE },
		{ "::", "::", TCP_PORT(65534), NONE },
		{ "::", "::", TCP_PORT(65535), 1 },
		{ "::", "::", UDP_PORT(0), 2 },
		{ "::", "::", UDP_PORT(65535), 2 },
		{ "::", "::", CLASSIFIER_SERVICE(CLASSIFIER_ICMP, 0), 3 },
		{ "::", "::", CLASSIFIER_SERVICE(CLASSIFIER_OTHER, 0), NONE },
		{ "::", "::", CLASSIFIER_SERVICE_MAX, 4 },
		{ "::", "::", UINT32_MAX, NONE },
	} },
	{ "the same again", {
		{ "10.0.0.0/8", "::/0", TCP(5, 9) },
		{ "10.0.0.0/8", "::/0", TCP(5, 9) },
		{ "10.0.0.0-10.255.255.255", "::/0", TCP(5, 10) },
	}, {
		{ "10.0.0.1", "::1", TCP_PORT(5), 0 },
		{ "10.0.0.1", "::1", TCP_PORT(10), 2 },
	} },
};

START_TEST(test_cases)
{
	const struct row *row = cases[_i].rows;
	const struct question *question = cases[_i].questions;

	policy_clear();
	for (; row < cases[_i].rows + 8 && row->src; row++) {
		uint32_t src = set_add(row->src);

		rule_add(src, set_add(row->dst), row->services);
	}
	build();
	for (; question < cases[_i].questions + 12 && question->src; question++) {
		uint32_t rule = ask(question->src, question->dst, question->service);

		ck_assert_msg(rule == question->rule, "%s, question %d: rule %d", cases[_i].name,
			      (int)(question - cases[_i].questions), (int)rule);
	}
	build_end();
}
END_TEST

/* A set of several ranges that overlap, touch and repeat; services likewise */
START_TEST(test_unions)
{
	static const struct classifier_interval services[] = {
		TCP(90, 99), TCP(80, 80), TCP(81, 90), TCP(80, 80), UDP(1, 2), TCP(65535, 65535),
		UDP(0, 0),
	};
	struct classifier_range parts[5];

	range_of("10.0.0.8-10.0.0.15", &parts[0]);
	range_of("10.0.0.4-10.0.0.9", &parts[1]);
	range_of("10.0.0.16/28", &parts[2]);
	range_of("2001:db8::/32", &parts[3]);
	range_of("10.0.0.8-10.0.0.15", &parts[4]);
	policy_clear();
	sets[0] = (struct classifier_set){ parts, 5 };
	policy.sets_num = 1;
	rules[0] = (struct classifier_rule){ 0, 0, services, 7 };
	policy.rules_num = 1;
	build();
	ck_assert_uint_eq(ask("10.0.0.3", "10.0.0.8", 85), NONE);
	ck_assert_uint_eq(ask("10.0.0.4", "10.0.0.31", 85), 0);
	ck_assert_uint_eq(ask("10.0.0.15", "10.0.0.16", 99), 0);
	ck_assert_uint_eq(ask("10.0.0.32", "10.0.0.16", 99), NONE);
	ck_assert_uint_eq(ask("2001:db8::1", "10.0.0.16", 80), 0);
	ck_assert_uint_eq(ask("2001:db8::1", "10.0.0.16", 79), NONE);
	ck_assert_uint_eq(ask("2001:db8::1", "10.0.0.16", 100), NONE);
	for (uint32_t service = 0xfffe; service <= 0x10003; service++)
		ck_assert_uint_eq(ask("10.0.0.8", "10.0.0.8", service),
				  service >= 0xffff && service <= 0x10002 ? 0 : NONE);
	build_end();
}
END_TEST

/* Rules that can never match, and what stands behind them */
START_TEST(test_empty)
{
	policy_clear();
	set_add("::/0");
	set_add("::/0");
	sets[1].ranges_num = 0;
	rule_add(1, 0, (struct classifier_interval)ALL);
	rule_add(0, 1, (struct classifier_interval)ALL);
	rule_add(0, 0, (struct classifier_interval)ALL);
	rules[2].services_num = 0;
	build();
	ck_assert_uint_eq(ask("10.0.0.1", "10.0.0.2", 80), NONE);
	build_end();
	rule_add(0, 0, (struct classifier_interval)TCP(80, 80));
	build();
	ck_assert_uint_eq(ask("10.0.0.1", "10.0.0.2", 80), 3);
	build_end();
	policy.dynamic_num = 1;
	build();
	ck_assert_uint_eq(ask("10.0.0.1", "10.0.0.2", 80), NONE);
	build_end();
}
END_TEST

/* --- many sets at one address --- */

/* Each length of a prefix with each, the longest first, around one address */
static void nested(const char *address, int longest)
{
	char text[64];

	policy_clear();
	for (int i = longest; i >= 0; i--) {
		snprintf(text, sizeof(text), "%s/%d", address, i);
		set_add(text);
	}
	for (uint32_t i = 0; i < policy.sets_num; i++) {
		for (uint32_t j = 0; j < policy.sets_num; j++)
			rule_add(i, j, (struct classifier_interval)ALL);
	}
}

/* @address with bit @bit, from the left, turned */
static void turned(const char *address, unsigned int bit, char *text)
{
	uint8_t bytes[16];
	bool v4 = !strchr(address, ':');

	address_of(address, bytes);
	bit += v4 ? 96 : 0;
	bytes[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
	ck_assert_ptr_nonnull(inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? bytes + 12 : bytes, text,
					64));
}

static void nested_hold(const char *address, uint32_t longest)
{
	struct classifier_stats stats;
	struct classifier_work work;
	char src[64], dst[64];

	nested(address, (int)longest);
	build();
	classifier_stats(built, &stats);
	for (uint32_t i = 0; i <= longest; i++) {
		for (uint32_t j = 0; j <= longest; j++) {
			snprintf(src, sizeof(src), "%s", address);
			snprintf(dst, sizeof(dst), "%s", address);
			if (i < longest)
				turned(address, i, src);
			if (j < longest)
				turned(address, j, dst);
			ck_assert_uint_eq(ask_with(NULL, src, dst, 0, &work),
					  (longest - i) * (longest + 1) + longest - j);
			ck_assert_uint_le(work.pairs, stats.depth[0] * stats.depth[1]);
			ck_assert_uint_le(work.candidates, stats.in_vain + 1);
		}
	}
	build_end();
}

START_TEST(test_nested4)
{
	nested_hold("10.1.2.3", 32);
}
END_TEST

START_TEST(test_nested6)
{
	nested_hold("2001:db8::5555:1", 128);
}
END_TEST

#define CROWD	1000

/*
 * Sources 10.0.0.0 + i to 10.0.255.255 - i, destinations dynamic for odd i: all but DEPTH sets
 * must be crowded out, and the bounds hold.
 */
START_TEST(test_crowd)
{
	struct classifier_members *members;
	struct classifier_stats stats;
	struct classifier_work work;
	char text[64];

	policy_clear();
	set_add("10.9.0.0/16");
	policy.dynamic_num = 1;
	set_add("10.8.0.0/16");
	for (uint32_t i = 0; i < CROWD; i++) {
		snprintf(text, sizeof(text), "10.0.%u.%u-10.0.%u.%u", i / 256, i % 256,
			 255 - i / 256, 255 - i % 256);
		set_add(text);
		rule_add(2 + i, i % 2 ? 0 : 1, (struct classifier_interval)TCP(i, i));
	}
	build();
	classifier_stats(built, &stats);
	ck_assert_uint_eq(stats.depth[0], CLASSIFIER_DEPTH);
	ck_assert_uint_eq(stats.crowded, CROWD - CLASSIFIER_DEPTH);
	/* Services and sources end somewhere; the destinations are in one set each. */
	ck_assert_uint_le(stats.in_vain, 2 * (2 * CROWD / (CLASSIFIER_BLOCKS - 1)));
	ck_assert_int_eq(classifier_members_build(built, sets, &allocator, &members), 0);
	for (uint32_t i = 0; i < CROWD; i++) {
		const char *dst = i % 2 ? "10.9.0.1" : "10.8.0.1";

		ck_assert_uint_eq(ask_with(members, "10.0.128.0", dst, i, &work), i);
		ck_assert_uint_le(work.candidates, stats.in_vain + 1);
		ck_assert_uint_eq(ask_with(members, "10.0.128.0", "10.7.0.1", i, &work), NONE);
		ck_assert_uint_eq(ask("10.0.128.0", dst, i), i % 2 ? NONE : i);
		snprintf(text, sizeof(text), "10.0.%u.%u", i / 256, i % 256);
		ck_assert_uint_eq(ask_with(members, text, dst, i, &work), i);
		ck_assert_uint_eq(ask_with(members, text, dst, i + 1, &work), NONE);
	}
	classifier_members_free(members, &allocator);
	build_end();
}
END_TEST

/* Sets with many rules stay in the lists. */
START_TEST(test_crowd_keeps_worthy)
{
	struct classifier_stats stats;
	char text[64];
	uint32_t any;

	policy_clear();
	any = set_add("::/0");
	for (uint32_t i = 0; i < CROWD; i++) {
		snprintf(text, sizeof(text), "10.0.0.0-10.1.%u.%u", i / 256, i % 256);
		set_add(text);
		rule_add(1 + i, any, (struct classifier_interval)TCP(1, 1));
		rule_add(any, 1 + i, (struct classifier_interval)TCP(1, 1));
	}
	build();
	classifier_stats(built, &stats);
	ck_assert_uint_eq(stats.depth[0], CLASSIFIER_DEPTH);
	ck_assert_uint_eq(stats.crowded, 2 * (CROWD - CLASSIFIER_DEPTH + 1));
	ck_assert_uint_eq(ask("11.0.0.0", "10.1.0.0", 1), 1);
	ck_assert_uint_eq(ask("11.0.0.0", "10.1.3.231", 1), 1999);
	ck_assert_uint_eq(ask("11.0.0.0", "10.1.3.232", 1), NONE);
	build_end();
}
END_TEST

/* --- dynamic sets --- */

START_TEST(test_members)
{
	struct classifier_range two[2];
	struct classifier_members *members;
	struct classifier_work work;

	policy_clear();
	set_add("::/0");		/* no rule names it */
	set_add("10.0.0.1");
	set_add("10.0.0.2");
	policy.dynamic_num = 3;
	set_add("10.0.0.0/8");
	rule_add(1, 2, (struct classifier_interval)TCP(80, 80));
	rule_add(2, 3, (struct classifier_interval)TCP(80, 81));
	rule_add(3, 3, (struct classifier_interval)TCP(80, 82));
	build();
	ck_assert_uint_eq(ask("10.0.0.1", "10.0.0.2", 80), 2);

	ck_assert_int_eq(classifier_members_build(built, sets, &allocator, &members), 0);
	ck_assert_uint_gt(classifier_members_size(members), 0);
	ck_assert_uint_eq(ask_with(members, "10.0.0.1", "10.0.0.2", 80, &work), 0);
	ck_assert_uint_eq(ask_with(members, "10.0.0.1", "10.0.0.3", 80, &work), 2);
	ck_assert_uint_eq(ask_with(members, "10.0.0.2", "10.0.0.3", 80, &work), 1);
	ck_assert_uint_eq(ask_with(members, "10.0.0.2", "10.0.0.3", 82, &work), 2);
	classifier_members_free(members, &allocator);

	range_of("10.0.0.7", &two[0]);
	range_of("2001:db8::/64", &two[1]);
	sets[1] = (struct classifier_set){ two, 2 };
	sets[2].ranges_num = 0;
	ck_assert_int_eq(classifier_members_build(built, sets, &allocator, &members), 0);
	ck_assert_uint_eq(ask_with(members, "10.0.0.1", "10.0.0.2", 80, &work), 2);
	ck_assert_uint_eq(ask_with(members, "10.0.0.7", "10.0.0.2", 80, &work), 2);
	classifier_members_free(members, &allocator);

	sets[2] = (struct classifier_set){ &ranges[3], 1 };
	ck_assert_int_eq(classifier_members_build(built, sets, &allocator, &members), 0);
	ck_assert_uint_eq(ask_with(members, "10.0.0.7", "10.0.0.2", 80, &work), 0);
	ck_assert_uint_eq(ask_with(members, "2001:db8::7", "10.0.0.2", 80, &work), 0);
	ck_assert_uint_eq(ask_with(members, "2001:db8::7", "10.0.0.2", 81, &work), NONE);
	ck_assert_uint_eq(ask_with(members, "10.0.0.7", "10.0.0.2", 81, &work), 1);
	classifier_members_free(members, &allocator);
	build_end();
}
END_TEST

/* --- what is refused --- */

static void refused(int expected)
{
	built = (void *)1;
	ck_assert_int_eq(classifier_build(&policy, &allocator, &built), expected);
	ck_assert_ptr_eq(built, (void *)1);
	built = NULL;
}

static void policy_small(void)
{
	policy_clear();
	set_add("10.0.0.0/8");
	set_add("::/0");
	rule_add(0, 1, (struct classifier_interval)TCP(1, 2));
}

START_TEST(test_refused)
{
	struct classifier_members *members = NULL;

	policy_small();
	rules[0].src = 2;
	refused(-EINVAL);
	policy_small();
	rules[0].dst = 2;
	refused(-EINVAL);
	policy_small();
	intervals[0].first = 3;
	refused(-EINVAL);
	policy_small();
	intervals[0].last = CLASSIFIER_SERVICE_MAX + 1;
	refused(-EINVAL);
	policy_small();
	ranges[1].last[0] = 0;
	ranges[1].first[0] = 1;
	refused(-EINVAL);
	policy_small();
	policy.dynamic_num = 3;
	refused(-EINVAL);
	policy_small();
	policy.rules_num = CLASSIFIER_RULES_MAX + 1;
	refused(-E2BIG);
	policy_small();
	policy.sets_num = CLASSIFIER_SETS_MAX + 1;
	refused(-E2BIG);
	policy_small();
	sets[1].ranges_num = CLASSIFIER_RANGES_MAX + 1;
	refused(-E2BIG);
	policy_small();
	rules[0].services_num = CLASSIFIER_SERVICES_MAX + 1;
	refused(-E2BIG);

	policy_small();
	policy.dynamic_num = 1;
	build();
	ranges[0].last[15] = 0;
	ranges[0].first[15] = 1;
	memcpy(ranges[0].last, ranges[0].first, 15);
	ck_assert_int_eq(classifier_members_build(built, sets, &allocator, &members), -EINVAL);
	sets[0].ranges_num = CLASSIFIER_RANGES_MAX + 1;
	ck_assert_int_eq(classifier_members_build(built, sets, &allocator, &members), -E2BIG);
	ck_assert_ptr_null(members);
	build_end();
	classifier_free(NULL, &allocator);
	classifier_members_free(NULL, &allocator);
}
END_TEST

/* --- memory --- */

/* Cells with one rule and with several, crowded rules, dynamic sets: all there is to allocate */
static void policy_varied(uint32_t num)
{
	char text[64];

	policy_clear();
	set_add("10.9.0.0/16");
	policy.dynamic_num = 1;
	set_add("::/0");
	for (uint32_t i = 0; i < num; i++) {
		snprintf(text, sizeof(text), "10.%u.%u.%u-10.200.%u.%u", i / 65536, i / 256 % 256,
			 i % 256, i / 256 % 256, i % 256);
		set_add(text);
		rule_add(2 + i, i % 2, (struct classifier_interval)TCP(i, i + 3));
		rule_add(1, 0, (struct classifier_interval)TCP(i, i));
		rule_add(2 + i, i % 2, (struct classifier_interval)UDP(i, i + 3));
	}
}

START_TEST(test_out_of_memory)
{
	struct classifier_members *members = NULL;
	long failures = 0;
	int ret;

	policy_varied(100);
	do {
		blocks_left = failures++;
		ret = classifier_build(&policy, &allocator, &built);
		ck_assert(!ret || (ret == -ENOMEM && !blocks_now && !built));
	} while (ret);
	ck_assert_int_gt(failures, 40);
	failures = 0;
	do {
		ck_assert_int_eq(blocks_now, 1);
		blocks_left = failures++;
		ret = classifier_members_build(built, sets, &allocator, &members);
		ck_assert(!ret || (ret == -ENOMEM && !members));
	} while (ret);
	ck_assert_int_gt(failures, 20);
	classifier_members_free(members, &allocator);
	build_end();
}
END_TEST

/* While building: what the header says */
START_TEST(test_memory_for_building)
{
	struct classifier_stats stats;

	policy_varied(4000);
	memory_most = 0;
	build();
	classifier_stats(built, &stats);
	ck_assert_uint_le(memory_most - stats.size, 2 * stats.size + 150 * policy.rules_num +
			  (120 + 60) * policy.sets_num + 40 * policy.rules_num + 3000000);
	build_end();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("classifier");
	TCase *tc = tcase_create("rules");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, test_cases, 0, sizeof(cases) / sizeof(cases[0]));
	tcase_add_test(tc, test_unions);
	tcase_add_test(tc, test_empty);
	tcase_add_test(tc, test_nested4);
	tcase_add_test(tc, test_nested6);
	tcase_add_test(tc, test_crowd);
	tcase_add_test(tc, test_crowd_keeps_worthy);
	tcase_add_test(tc, test_members);
	tcase_add_test(tc, test_refused);
	tcase_add_test(tc, test_out_of_memory);
	tcase_add_test(tc, test_memory_for_building);
	suite_add_tcase(s, tc);
	return suite_run(s);
}
