/* SPDX-License-Identifier: MIT */
/*
 * test_classifier_random.c - the classifier against a linear search
 *
 * links: core/classifier.c core/classifier_axis.c core/classifier_events.c core/classifier_sieve.c core/classifier_tree.c core/classifier_build.c core/classifier_cells.c core/classifier_crowd.c core/classifier_members.c core/classifier_memory.c core/classifier_services.c core/classifier_sort.c
 * libs:
 *
 * The linear search knows nothing but what a rule means. SLIM_TEST_SEED=N runs a run again.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "../../core/classifier.h"
#include "suite.h"

#define SETS_MAX	20000
#define SET_RANGES_MAX	8
#define RULES_MAX	20000
#define RULE_SERVICES	6

#define POLICIES	5000
#define HUGE		8	/* of them, with as many sets and rules as there may be */
#define QUESTIONS	200	/* of each */
#define MEMBERSHIPS	3	/* of each: without members, and two different ones */
#define SLOTS_RUN_MAX	128	/* that a probe reads, of a table that is half full */
#define SECONDS_MAX	60	/* of processor time, for all of it */

/* Of all policies; in memory that the test's process shares with the one that prints */
static struct {
	uint64_t seed;
	uint64_t questions;
	uint64_t hits;
	uint64_t policies;
	uint64_t crowded;	/* policies with crowded rules */
	uint64_t crowded_hits;	/* questions that a search without bit vectors did not answer */
	uint64_t deepest;
	double seconds;		/* of processor time */
} *total;

static uint64_t state;

static const struct classifier_allocator allocator = { malloc, free };

static struct {
	struct classifier_range ranges[SETS_MAX][SET_RANGES_MAX];
	struct classifier_set sets[SETS_MAX];
	struct classifier_interval services[RULES_MAX][RULE_SERVICES];
	struct classifier_rule rules[RULES_MAX];
	struct classifier_policy policy;
	unsigned int bits;	/* in which addresses differ, at the low end */
	unsigned int flavour;
} made;

/* --- random things --- */

static uint64_t random64(void)
{
	uint64_t z = state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static uint32_t below(uint32_t bound)
{
	return (uint32_t)(random64() % bound);
}

static bool one_in(uint32_t num)
{
	return !below(num);
}

/* Turns the low @bits of an address into random ones. */
static void low_random(uint8_t *address, unsigned int bits)
{
	for (unsigned int i = 0; i < bits; i++) {
		uint8_t bit = (uint8_t)(1u << i % 8);

		address[15 - i / 8] &= (uint8_t)~bit;
		address[15 - i / 8] |= one_in(2) ? bit : 0;
	}
}

static void random_address(uint8_t *address)
{
	static const uint8_t v4[16] = { [10] = 0xff, [11] = 0xff, 10, 0, 128, 0 };
	static const uint8_t v6[16] = { 0x20, 1, 0xd, 0xb8, [8] = 0x80 };

	if (made.flavour == 1 ? one_in(10) : made.flavour == 2 ? !one_in(10) : one_in(2)) {
		memcpy(address, v6, 16);
		low_random(address, one_in(8) ? below(129) : made.bits);
	} else {
		memcpy(address, v4, 16);
		low_random(address, made.bits > 32 || one_in(50) ? 32 : made.bits);
	}
	/* Around the edges of all there is, and of IPv4 */
	if (one_in(40))
		memset(address, one_in(2) ? 0 : 0xff, one_in(2) ? 16 : 10);
}

/* One further or nearer, or as it is */
static void nudge(uint8_t *address)
{
	unsigned int way = below(4);

	for (int i = 15; i >= 0 && way; i--) {
		if (way == 1 && ++address[i])
			break;
		if (way >= 2 && address[i]--)
			break;
	}
}

static void random_range(struct classifier_range *range)
{
	unsigned int low = below(one_in(8) ? 129 : made.bits + 1);

	random_address(range->first);
	switch (below(made.flavour == 3 ? 16 : 8)) {
	case 0:
		memset(range->first, 0, 16);
		memset(range->last, 0xff, 16);
		return;
	case 1: case 2: case 3: case 4:		/* a prefix */
		memcpy(range->last, range->first, 16);
		for (unsigned int i = 0; i < low; i++) {
			range->first[15 - i / 8] &= (uint8_t)~(1u << i % 8);
			range->last[15 - i / 8] |= (uint8_t)(1u << i % 8);
		}
		return;
	case 5:
		memcpy(range->last, range->first, 16);
		return;
	default:
		random_address(range->last);
		if (memcmp(range->first, range->last, 16) > 0) {
			struct classifier_range swapped = *range;

			memcpy(range->first, swapped.last, 16);
			memcpy(range->last, swapped.first, 16);
		}
	}
}

static void random_set(uint32_t set)
{
	struct classifier_range *ranges = made.ranges[set];
	uint32_t num = one_in(4) ? below(SET_RANGES_MAX + 1) : 1;

	for (uint32_t i = 0; i < num; i++) {
		random_range(&ranges[i]);
		if (i && one_in(4)) {		/* just behind the one before */
			memcpy(ranges[i].first, ranges[i - 1].last, 16);
			for (int j = 15; j >= 0 && !++ranges[i].first[j]; j--)
				;
			if (memcmp(ranges[i].first, ranges[i].last, 16) > 0)
				memcpy(ranges[i].last, ranges[i].first, 16);
		}
	}
	made.sets[set] = (struct classifier_set){ ranges, num };
}

static uint32_t random_port(void)
{
	static const uint32_t ports[] = { 0, 1, 80, 443, 8000, 65534, 65535 };

	return one_in(3) ? below(65536) : ports[below(7)];
}

static void random_interval(struct classifier_interval *interval)
{
	uint32_t protocol = below(CLASSIFIER_PROTOCOL_NUM), a = random_port(), b = random_port();

	switch (below(6)) {
	case 0:
		*interval = (struct classifier_interval){ 0, CLASSIFIER_SERVICE_MAX };
		return;
	case 1:
		a = 0;
		b = 65535;
		break;
	case 2: case 3:
		a = b;
		break;
	default:
		break;
	}
	interval->first = CLASSIFIER_SERVICE(protocol, a < b ? a : b);
	interval->last = CLASSIFIER_SERVICE(protocol, a < b ? b : a);
}

static void random_rule(uint32_t rule)
{
	uint32_t num = one_in(3) ? below(RULE_SERVICES + 1) : 1;

	for (uint32_t i = 0; i < num; i++)
		random_interval(&made.services[rule][i]);
	made.rules[rule] = (struct classifier_rule){
		.src = below(made.policy.sets_num),
		.dst = below(made.policy.sets_num),
		.services = made.services[rule],
		.services_num = num,
	};
	if (rule && one_in(10))
		made.rules[rule] = made.rules[below(rule)];
}

static void random_policy(void)
{
	static const unsigned int bits[] = { 2, 4, 8, 16, 32, 48, 80 };
	bool huge = total->policies % (POLICIES / HUGE) == 0, large = one_in(12);

	made.bits = bits[below(7)];
	made.flavour = below(4);
	made.policy = (struct classifier_policy){
		.sets = made.sets,
		.sets_num = 1 + below(large ? 600 : one_in(2) ? 6 : 60),
		.rules = made.rules,
		.rules_num = below((large ? 600 : one_in(2) ? 20 : 120) + 1),
	};
	if (huge) {
		made.bits = one_in(2) ? 32 : 80;
		made.policy.sets_num = SETS_MAX;
		made.policy.rules_num = RULES_MAX;
	}
	if (one_in(2))
		made.policy.dynamic_num = below(huge ? 30 : made.policy.sets_num + 1);
	for (uint32_t i = 0; i < made.policy.sets_num; i++)
		random_set(i);
	for (uint32_t i = 0; i < made.policy.rules_num; i++)
		random_rule(i);
}

static void random_end(uint8_t *address, uint32_t set)
{
	const struct classifier_set *from = &made.sets[set];
	const struct classifier_range *range;

	if (!from->ranges_num || one_in(6)) {
		random_address(address);
		return;
	}
	range = &from->ranges[below(from->ranges_num)];
	memcpy(address, one_in(2) ? range->first : range->last, 16);
	nudge(address);
}

/* Near the edges of some rule, or anywhere */
static void random_question(struct classifier_question *question)
{
	const struct classifier_rule *rule = &made.rules[below(made.policy.rules_num + 1)];
	struct classifier_interval interval;

	random_interval(&interval);
	if (!made.policy.rules_num || rule == &made.rules[made.policy.rules_num]) {
		random_address(question->src);
		random_address(question->dst);
		question->service = interval.first;
		return;
	}
	random_end(question->src, rule->src);
	random_end(question->dst, one_in(4) ? below(made.policy.sets_num) : rule->dst);
	if (rule->services_num && !one_in(4))
		interval = rule->services[below(rule->services_num)];
	question->service = (one_in(2) ? interval.first : interval.last) + below(3) - 1;
	if (question->service > CLASSIFIER_SERVICE_MAX)
		question->service = CLASSIFIER_SERVICE_MAX;
}

/* --- the linear search --- */

static bool set_has(const struct classifier_set *set, const uint8_t *address)
{
	for (uint32_t i = 0; i < set->ranges_num; i++) {
		if (memcmp(set->ranges[i].first, address, 16) <= 0 &&
		    memcmp(address, set->ranges[i].last, 16) <= 0)
			return true;
	}
	return false;
}

static bool rule_has(const struct classifier_rule *rule, uint32_t service)
{
	for (uint32_t i = 0; i < rule->services_num; i++) {
		if (rule->services[i].first <= service && service <= rule->services[i].last)
			return true;
	}
	return false;
}

static uint32_t linear_search(bool members, const struct classifier_question *question)
{
	for (uint32_t i = 0; i < made.policy.rules_num; i++) {
		const struct classifier_rule *rule = &made.rules[i];

		if (!members && (rule->src < made.policy.dynamic_num ||
				 rule->dst < made.policy.dynamic_num))
			continue;
		if (rule_has(rule, question->service) &&
		    set_has(&made.sets[rule->src], question->src) &&
		    set_has(&made.sets[rule->dst], question->dst))
			return i;
	}
	return CLASSIFIER_NONE;
}

/* --- the comparison --- */

/* Of the dynamic sets that have members now */
static uint32_t sets_with(bool members, const uint8_t *address)
{
	uint32_t num = 0;

	for (uint32_t i = 0; members && i < made.policy.dynamic_num; i++)
		num += set_has(&made.sets[i], address);
	return num;
}

static uint32_t rules_with_dynamic(void)
{
	uint32_t num = 0;

	for (uint32_t i = 0; i < made.policy.rules_num; i++)
		num += made.rules[i].src < made.policy.dynamic_num ||
		       made.rules[i].dst < made.policy.dynamic_num;
	return num;
}

/* What is stated is no more than what the theory says of this policy, whatever it is. */
static void stats_hold(const struct classifier_stats *stats)
{
	uint64_t ends = 0;

	for (uint32_t i = 0; i < made.policy.rules_num; i++) {
		const struct classifier_rule *rule = &made.rules[i];

		ends += rule->services_num;
		if (rule->src >= made.policy.dynamic_num)
			ends += made.sets[rule->src].ranges_num;
		if (rule->dst >= made.policy.dynamic_num)
			ends += made.sets[rule->dst].ranges_num;
	}
	ck_assert_uint_le(stats->in_vain, 2 * ends / (CLASSIFIER_BLOCKS - 1));
	ck_assert_uint_le(stats->slots_run, SLOTS_RUN_MAX);
}

static void bounds_hold(const struct classifier *classifier, bool members,
			const struct classifier_question *question,
			const struct classifier_work *work)
{
	struct classifier_stats stats;

	classifier_stats(classifier, &stats);
	if (work->pairs > (stats.depth[0] + sets_with(members, question->src)) *
			  (stats.depth[1] + sets_with(members, question->dst)) ||
	    work->probes > work->pairs || work->slots > work->probes * stats.slots_run ||
	    work->words > (stats.crowded + 63) / 64 ||
	    work->candidates > stats.in_vain + rules_with_dynamic() + 1)
		ck_abort_msg("seed %llu, policy %llu: more work than stated",
			     (unsigned long long)total->seed,
			     (unsigned long long)total->policies);
}

static void ask(const struct classifier *classifier, const struct classifier_members *members)
{
	struct classifier_question question;
	struct classifier_work work;
	uint32_t found, expected;

	random_question(&question);
	expected = linear_search(members, &question);
	found = classifier_lookup_counted(classifier, members, &question, &work);
	if (found != expected || classifier_lookup(classifier, members, &question) != expected)
		ck_abort_msg("seed %llu, policy %llu: rule %d, should be %d",
			     (unsigned long long)total->seed,
			     (unsigned long long)total->policies, (int)found, (int)expected);
	bounds_hold(classifier, members, &question, &work);
	total->questions++;
	total->hits += found != CLASSIFIER_NONE;
	total->crowded_hits += found != CLASSIFIER_NONE && work.candidates;
}

static void ask_all(const struct classifier *classifier, unsigned int membership)
{
	struct classifier_members *members = NULL;

	if (membership) {
		for (uint32_t i = 0; i < made.policy.dynamic_num; i++)
			random_set(i);
		ck_assert_int_eq(classifier_members_build(classifier, made.sets, &allocator,
							  &members), 0);
	}
	for (unsigned int i = 0; i < QUESTIONS / MEMBERSHIPS + 1; i++)
		ask(classifier, members);
	classifier_members_free(members, &allocator);
}

/* A policy and questions for it, which depend on the seed and the policy's number alone */
static void one_policy(void)
{
	struct classifier *classifier;
	struct classifier_stats stats;

	state = total->seed * 0x9e3779b97f4a7c15u + total->policies;
	random_policy();
	ck_assert_int_eq(classifier_build(&made.policy, &allocator, &classifier), 0);
	classifier_stats(classifier, &stats);
	stats_hold(&stats);
	total->crowded += stats.crowded > 0;
	for (unsigned int side = 0; side < 2; side++) {
		ck_assert_uint_le(stats.depth[side], CLASSIFIER_DEPTH);
		if (stats.depth[side] > total->deepest)
			total->deepest = stats.depth[side];
	}
	for (unsigned int i = 0; i < MEMBERSHIPS; i++)
		ask_all(classifier, i);
	classifier_free(classifier, &allocator);
}

static double seconds_used(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

START_TEST(test_random)
{
	for (total->policies = 0; total->policies < POLICIES; total->policies++)
		one_policy();
	total->seconds = seconds_used();
	ck_assert_double_le(total->seconds, SECONDS_MAX);
	/* What was asked was worth asking. */
	ck_assert_uint_ge(total->questions, 1000000);
	ck_assert_uint_ge(total->hits, total->questions / 4);
	ck_assert_uint_ge(total->questions - total->hits, total->questions / 10);
	ck_assert_uint_ge(total->crowded, POLICIES / 50);
	ck_assert_uint_ge(total->crowded_hits, 5000);
	ck_assert_uint_eq(total->deepest, CLASSIFIER_DEPTH);
}
END_TEST

int main(void)
{
	const char *seed = getenv("SLIM_TEST_SEED");
	Suite *s = suite_create("classifier, random");
	TCase *tc = tcase_create("linear search");
	int failed;

	total = mmap(NULL, sizeof(*total), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (total == MAP_FAILED)
		return EXIT_FAILURE;
	total->seed = seed ? strtoull(seed, NULL, 10) :
			     (uint64_t)time(NULL) << 16 ^ (uint64_t)getpid();
	printf("SLIM_TEST_SEED=%llu\n", (unsigned long long)total->seed);
	tcase_set_timeout(tc, 200);
	tcase_add_test(tc, test_random);
	suite_add_tcase(s, tc);
	failed = suite_run(s);
	printf("seed %llu: %llu questions to %llu policies (%llu crowded), %llu hits (%llu crowded), "
	       "depth %llu, %.1f s: %s\n", (unsigned long long)total->seed,
	       (unsigned long long)total->questions, (unsigned long long)total->policies,
	       (unsigned long long)total->crowded, (unsigned long long)total->hits,
	       (unsigned long long)total->crowded_hits, (unsigned long long)total->deepest, total->seconds,
	       failed ? "failed" : "passed");
	return failed;
}
