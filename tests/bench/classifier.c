/* SPDX-License-Identifier: MIT */
/*
 * classifier.c - what the classifier costs: time of a look-up and of building, memory
 *
 * links: core/classifier.c core/classifier_axis.c core/classifier_events.c core/classifier_sieve.c core/classifier_tree.c core/classifier_build.c core/classifier_cells.c core/classifier_crowd.c core/classifier_members.c core/classifier_memory.c core/classifier_services.c core/classifier_sort.c
 *
 *	classifier [-s SEED] [-c CPU] [-r RUNS] [-p KIND] [-m NUM]	a table, of that kind or of all, of
 *						so many rules or of several numbers
 *	classifier [-s SEED] -p KIND -n NUM	that policy as text
 *
 * Each look-up waits for the one before. On a machine that others use too, single runs say little:
 * a figure is the median of many short runs, and behind it stands the shortest.
 */
#include <err.h>
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../core/classifier.h"
#include "policy_gen.h"

#define QUESTIONS	65536u
#define RUN		2048u	/* look-ups that are timed together */
#define RUNS		256
#define BUILDS		9

/* @highest: the most that one look-up did */
struct figures {
	double median;
	double least;
	struct classifier_work highest;
};

static unsigned int runs = RUNS;
static const struct classifier_allocator allocator = { malloc, free };

static struct policy_gen_rule *generated;
static struct classifier_policy policy;
static struct classifier_question *questions;

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static void *room(size_t num, size_t size)
{
	void *data = calloc(num ? num : 1, size);

	if (!data)
		errx(1, "not enough memory");
	return data;
}

/* --- policies --- */

static uint32_t hash_of(const struct policy_gen_range *range)
{
	uint64_t words[4], hash = 0;

	memcpy(words, range->first, 16);
	memcpy(words + 2, range->last, 16);
	for (int i = 0; i < 4; i++)
		hash = (hash ^ words[i]) * 0x9e3779b97f4a7c15u, hash ^= hash >> 29;
	return (uint32_t)hash;
}

/* Equal ranges are one set. */
static uint32_t set_of(struct classifier_set *sets, uint32_t *table, uint32_t mask,
		       const struct policy_gen_range *range)
{
	uint32_t i = hash_of(range) & mask;
	struct classifier_range *own;

	for (; table[i]; i = (i + 1) & mask) {
		if (!memcmp(sets[table[i] - 1].ranges->first, range->first, 16) &&
		    !memcmp(sets[table[i] - 1].ranges->last, range->last, 16))
			return table[i] - 1;
	}
	own = room(1, sizeof(*own));
	memcpy(own->first, range->first, 16);
	memcpy(own->last, range->last, 16);
	sets[policy.sets_num] = (struct classifier_set){ own, 1 };
	table[i] = ++policy.sets_num;
	return policy.sets_num - 1;
}

static struct classifier_rule rule_of(const struct policy_gen_rule *from)
{
	struct classifier_interval *services = room(POLICY_GEN_PORTS_MAX, sizeof(*services));

	for (unsigned int i = 0; i < from->ports_num; i++)
		services[i] = (struct classifier_interval){
			CLASSIFIER_SERVICE(from->protocol, from->ports[i].first),
			CLASSIFIER_SERVICE(from->protocol, from->ports[i].last),
		};
	return (struct classifier_rule){ .services = services, .services_num = from->ports_num };
}

static void policy_make(enum policy_gen_kind kind, uint32_t num, uint64_t seed)
{
	struct classifier_set *sets = room(2 * (size_t)num, sizeof(*sets));
	struct classifier_rule *rules = room(num, sizeof(*rules));
	uint32_t mask = 1, *table;
	struct policy_gen gen;

	while (mask < 8 * num)
		mask *= 2;
	table = room(mask, sizeof(*table));
	policy = (struct classifier_policy){ .sets = sets, .rules = rules, .rules_num = num };
	generated = room(num, sizeof(*generated));
	policy_gen_init(&gen, kind, seed);
	for (uint32_t i = 0; i < num; i++) {
		policy_gen_rule(&gen, i, &generated[i]);
		rules[i] = rule_of(&generated[i]);
		rules[i].src = set_of(sets, table, mask - 1, &generated[i].src);
		rules[i].dst = set_of(sets, table, mask - 1, &generated[i].dst);
	}
	free(table);
}

static void policy_free(void)
{
	for (uint32_t i = 0; i < policy.sets_num; i++)
		free((void *)policy.sets[i].ranges);
	for (uint32_t i = 0; i < policy.rules_num; i++)
		free((void *)policy.rules[i].services);
	free((void *)policy.sets);
	free((void *)policy.rules);
	free(generated);
}

/* --- questions --- */

static void address_in(struct policy_gen *gen, uint8_t *address,
		       const struct policy_gen_range *range)
{
	unsigned int same = 0;

	while (same < 128 && !((range->first[same / 8] ^ range->last[same / 8]) &
			       0x80 >> same % 8))
		same++;
	do {
		memcpy(address, range->first, 16);
		policy_gen_address(gen, address, same);
	} while (memcmp(address, range->first, 16) < 0 || memcmp(address, range->last, 16) > 0);
}

/* Questions that a random rule matches, or (@hit false) the same with a protocol that none
 * names, so that all that could match is looked at */
static void questions_make(uint64_t seed, bool hit)
{
	static const struct policy_gen_range all = {
		.first = { [10] = 0xff, [11] = 0xff, 10 },
		.last = { [10] = 0xff, [11] = 0xff, 10, 0xff, 0xff, 0xff },
	};
	struct policy_gen gen;

	policy_gen_init(&gen, 0, ~seed);
	for (uint32_t i = 0; i < QUESTIONS; i++) {
		const struct policy_gen_rule *rule = policy.rules_num ?
			&generated[policy_gen_below(&gen, policy.rules_num)] : NULL;

		address_in(&gen, questions[i].src, rule ? &rule->src : &all);
		address_in(&gen, questions[i].dst, rule ? &rule->dst : &all);
		questions[i].service = rule && hit ?
			CLASSIFIER_SERVICE(rule->protocol, rule->ports[0].first) :
			CLASSIFIER_SERVICE(CLASSIFIER_OTHER, 0);
	}
}

/* --- measuring --- */

static int compare(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return (left > right) - (left < right);
}

static void figures_of(struct figures *figures, double *samples, unsigned int num)
{
	qsort(samples, num, sizeof(*samples), compare);
	figures->median = samples[num / 2];
	figures->least = samples[0];
}

static double run_once(const struct classifier *classifier, uint32_t from)
{
	double start = now();
	uint32_t i = from;

	for (uint32_t done = 0; done < RUN; done++) {
		uint32_t found = classifier_lookup(classifier, NULL, &questions[i]);

		i = (i + 1 + (found == CLASSIFIER_NONE - 1)) % QUESTIONS;
	}
	return (now() - start) / RUN;
}

static void lookups_measure(const struct classifier *classifier, struct figures *figures)
{
	struct classifier_work work;
	double samples[RUNS];

	for (unsigned int i = 0; i < runs; i++)
		samples[i] = run_once(classifier, i * RUN % QUESTIONS);
	figures_of(figures, samples, runs);
	memset(&figures->highest, 0, sizeof(figures->highest));
	for (uint32_t i = 0; i < QUESTIONS / 8; i++) {
		struct classifier_work *highest = &figures->highest;

		classifier_lookup_counted(classifier, NULL, &questions[i], &work);
		highest->pairs = work.pairs > highest->pairs ? work.pairs : highest->pairs;
		highest->probes = work.probes > highest->probes ? work.probes : highest->probes;
		if (work.candidates > highest->candidates)
			highest->candidates = work.candidates;
	}
}

static struct classifier *build_measure(struct figures *figures)
{
	struct classifier *classifier = NULL;
	double samples[BUILDS];

	for (unsigned int i = 0; i < BUILDS; i++) {
		double start = now();

		classifier_free(classifier, &allocator);
		if (classifier_build(&policy, &allocator, &classifier))
			errx(1, "cannot build");
		samples[i] = (now() - start) / 1e6;
	}
	figures_of(figures, samples, BUILDS);
	return classifier;
}

static void row(enum policy_gen_kind kind, uint32_t num, uint64_t seed)
{
	struct figures build, hit, miss;
	struct classifier *classifier;
	struct classifier_stats stats;

	policy_make(kind, num, seed);
	classifier = build_measure(&build);
	classifier_stats(classifier, &stats);
	questions_make(seed, true);
	lookups_measure(classifier, &hit);
	questions_make(seed, false);
	lookups_measure(classifier, &miss);
	printf("%-9s %6u %6u %7u %6.0f (%5.0f) %6.0f (%5.0f) %7.1f %6.1f (%5.1f) %6u %6u %6u\n",
	       policy_gen_names[kind], num, stats.cells, stats.crowded, hit.median, hit.least,
	       miss.median, miss.least, num ? (double)stats.size / num : (double)stats.size,
	       build.median, build.least, miss.highest.pairs, miss.highest.probes,
	       miss.highest.candidates);
	fflush(stdout);
	classifier_free(classifier, &allocator);
	policy_free();
}

static unsigned int kind_of(const char *name)
{
	unsigned int kind = 0;

	while (kind < POLICY_GEN_KIND_NUM && strcmp(name, policy_gen_names[kind]))
		kind++;
	if (kind == POLICY_GEN_KIND_NUM)
		errx(2, "%s: no such kind", name);
	return kind;
}

/* @name: of a kind, or NULL: of all; @only: rules, or 0: several numbers of them */
static void table(const char *name, uint32_t only, uint64_t seed)
{
	static const uint32_t nums[] = { 0, 100, 1000, 10000, 100000 };

	questions = room(QUESTIONS, sizeof(*questions));
	printf("seed %llu; times: median (least) of %d runs\n", (unsigned long long)seed, runs);
	printf("%-9s %6s %6s %7s %14s %14s %7s %14s %6s %6s %6s\n", "", "", "", "",
	       "hit", "miss", "bytes", "build", "most", "most", "most");
	printf("%-9s %6s %6s %7s %14s %14s %7s %14s %6s %6s %6s\n", "kind", "rules", "cells",
	       "crowded", "ns", "ns", "a rule", "ms", "pairs", "probes", "rules");
	for (unsigned int kind = 0; kind < POLICY_GEN_KIND_NUM; kind++) {
		if (name && kind != kind_of(name))
			continue;
		for (unsigned int i = kind ? 2 : 0; !only && i < sizeof(nums) / sizeof(nums[0]); i++)
			row(kind, nums[i], seed);
		if (only)
			row(kind, only, seed);
	}
	free(questions);
}

static void print(const char *name, uint32_t num, uint64_t seed)
{
	struct policy_gen gen;

	policy_gen_init(&gen, kind_of(name), seed);
	for (uint32_t i = 0; i < num; i++) {
		struct policy_gen_rule rule;

		policy_gen_rule(&gen, i, &rule);
		policy_gen_print(stdout, &rule);
	}
}

static void place(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		err(1, "cannot run on CPU %d", cpu);
}

int main(int argc, char **argv)
{
	const char *name = NULL;
	uint64_t seed = 1;
	uint32_t num = 0, only = 0;
	int opt;

	while ((opt = getopt(argc, argv, "s:c:r:p:m:n:")) != -1) {
		switch (opt) {
		case 's':
			seed = strtoull(optarg, NULL, 0);
			break;
		case 'c':
			place(atoi(optarg));
			break;
		case 'r':
			runs = (unsigned int)strtoul(optarg, NULL, 0);
			if (!runs || runs > RUNS)
				errx(2, "-r takes 1 to %d", RUNS);
			break;
		case 'p':
			name = optarg;
			break;
		case 'm':
			only = (uint32_t)strtoul(optarg, NULL, 0);
			break;
		case 'n':
			num = (uint32_t)strtoul(optarg, NULL, 0);
			break;
		default:
			fprintf(stderr, "usage: %s [-s SEED] [-c CPU] [-r RUNS] [-p KIND] [-m NUM | -n NUM]\n",
				argv[0]);
			return 2;
		}
	}
	if (name && num)
		print(name, num, seed);
	else
		table(name, only, seed);
	return 0;
}
