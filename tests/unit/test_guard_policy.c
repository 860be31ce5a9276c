/* SPDX-License-Identifier: MIT */
/*
 * test_guard_policy.c - what slim.ko is told of a policy decides as the router does
 *
 * links: router/guard_policy.c router/shaping.c router/policy.c router/policy_build.c router/policy_check.c router/policy_compile.c router/policy_inputs.c router/policy_domain.c router/policy_crossing.c router/policy_force.c router/policy_class.c router/policy_identity.c router/policy_lex.c router/policy_members.c router/policy_ends.c router/policy_include.c router/policy_parse.c router/policy_parser.c router/policy_rule.c router/policy_profile.c router/policy_report.c router/policy_resolve.c router/policy_row.c router/policy_show.c router/policy_source.c router/policy_statement.c router/policy_stats.c router/policy_uses.c router/policy_value.c router/config.c router/config_lex.c router/config_parse.c router/config_report.c router/config_value.c router/config_word.c router/base64.c router/endpoint.c router/log.c router/tags.c router/text.c core/classifier.c core/classifier_axis.c core/classifier_build.c core/classifier_cells.c core/classifier_crowd.c core/classifier_events.c core/classifier_members.c core/classifier_memory.c core/classifier_services.c core/classifier_sieve.c core/classifier_sort.c core/classifier_tree.c
 * libs: check jansson urcu urcu-common
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <urcu.h>

#include "../../router/directory.h"
#include "../../router/endpoint.h"
#include "../../router/guard_policy.h"
#include "../../router/policy_force.h"
#include "../../router/policy_parse.h"
#include "../../router/tags.h"
#include "suite.h"

#define BLUE		1
#define GREEN		2
#define QUESTIONS	20000

static struct config *config;

/* --- the directory, as far as it is asked --- */

static struct {
	struct tags *tags;
	struct in6_addr addr;
} containers[8];
static unsigned int containers_num;

void directory_each_tagged(void (*each)(uint32_t vni, const struct tags *tags,
					const struct in6_addr *addr, void *data),
			   void *data)
{
	for (unsigned int i = 0; i < containers_num; i++)
		each(BLUE, containers[i].tags, &containers[i].addr, data);
}

bool directory_is_unknown(uint32_t vni, const struct in6_addr *addr)
{
	(void)vni, (void)addr;
	return false;
}

/* --- the module --- */

/* What it was told: of each part all that came, in order */
static struct {
	struct slim_policy_counts counts;
	uint32_t flags;
	uint8_t *data[SLIM_PART_MAX + 1];
	size_t num[SLIM_PART_MAX + 1];
	bool ended;
} told;

static int link_error;

int guard_link_begin(struct guard_link *unused, uint64_t generation,
		     const struct slim_policy_counts *counts, uint32_t flags)
{
	(void)unused, (void)generation;
	for (int i = 0; i <= SLIM_PART_MAX; i++)
		free(told.data[i]);
	memset(&told, 0, sizeof(told));
	told.counts = *counts;
	told.flags = flags;
	return link_error;
}

int guard_link_part(struct guard_link *unused, enum slim_part part, const void *data, size_t num,
		    size_t size)
{
	(void)unused;
	ck_assert_ptr_null(told.data[part]);
	told.data[part] = malloc(num * size + 1);
	if (num)
		memcpy(told.data[part], data, num * size);
	told.num[part] = num;
	return 0;
}

int guard_link_end(struct guard_link *unused)
{
	(void)unused;
	ck_assert_uint_eq(told.counts.domains, told.num[SLIM_PART_DOMAINS]);
	ck_assert_uint_eq(told.counts.sets, told.num[SLIM_PART_SETS]);
	ck_assert_uint_eq(told.counts.ranges, told.num[SLIM_PART_RANGES]);
	ck_assert_uint_eq(told.counts.rules, told.num[SLIM_PART_RULES]);
	ck_assert_uint_eq(told.counts.services, told.num[SLIM_PART_SERVICES]);
	told.ended = true;
	return 0;
}

static bool in_range(const uint8_t *address, const struct slim_policy_range *range)
{
	return memcmp(address, range->first, 16) >= 0 && memcmp(address, range->last, 16) <= 0;
}

static bool in_set(const struct slim_policy_set *sets, uint32_t number,
		   const struct slim_policy_range *ranges, const uint8_t *address)
{
	for (uint32_t i = 0; i < number; i++)
		ranges += sets[i].ranges_num;
	for (uint32_t i = 0; i < sets[number].ranges_num; i++)
		if (in_range(address, &ranges[i]))
			return true;
	return false;
}

static bool has_service(const struct slim_policy_service *services, uint32_t num, uint32_t service)
{
	for (uint32_t i = 0; i < num; i++)
		if (service >= services[i].first && service <= services[i].last)
			return true;
	return false;
}

/* One rule after the other, of the domain (@owner, @question's tenants). *@rule: that has decided, or SLIM_NO_RULE;
 * -1: there is no such domain; else whether it allows */
static int decide(uint32_t owner, const struct policy_question *question, uint32_t *rule)
{
	const struct slim_policy_domain *domain = (const void *)told.data[SLIM_PART_DOMAINS];
	const struct slim_policy_set *sets = (const void *)told.data[SLIM_PART_SETS];
	const struct slim_policy_range *ranges = (const void *)told.data[SLIM_PART_RANGES];
	const struct slim_policy_rule *rules = (const void *)told.data[SLIM_PART_RULES];
	const struct slim_policy_service *services = (const void *)told.data[SLIM_PART_SERVICES];

	*rule = SLIM_NO_RULE;
	for (uint32_t i = 0; i < told.counts.domains; i++, domain++) {
		bool is = domain->owner == owner && domain->source == question->source_vni &&
			  domain->destination == question->destination_vni;

		for (uint32_t j = 0; j < domain->rules_num; j++) {
			if (is && in_set(sets, rules[j].source, ranges, question->source) &&
			    in_set(sets, rules[j].destination, ranges, question->destination) &&
			    has_service(services, rules[j].services_num, question->service)) {
				*rule = rules[j].id;
				return rules[j].flags & SLIM_POLICY_ALLOW;
			}
			services += rules[j].services_num;
		}
		if (is)
			return domain->flags & SLIM_POLICY_ALLOW;
		for (uint32_t j = 0; j < domain->sets_num; j++)
			ranges += sets[j].ranges_num;
		sets += domain->sets_num;
		rules += domain->rules_num;
	}
	return -1;
}

/* --- policies --- */

static void has_container(const char *address, const char *tags)
{
	size_t len = strlen(tags) + 1;
	char text[64];

	memcpy(text, tags, len);
	for (size_t i = 0; i < len; i++)
		if (text[i] == ' ')
			text[i] = '\0';
	containers[containers_num].tags = tags_new(text, len);
	ck_assert_int_eq(addr_parse(address, &containers[containers_num].addr), 0);
	containers_num++;
}

static void setup(void)
{
	static const char text[] = "host h1 { address 192.0.2.1; }\n"
				   "tenant blue { vni 1; prefix 10.1.0.0/16; prefix fd01::/48; }\n"
				   "tenant green { vni 2; prefix 10.2.0.0/16; }\n";
	char error[512];

	config = config_parse("t", text, strlen(text), error, sizeof(error));
	ck_assert_msg(config != NULL, "%s", error);
	has_container("10.1.0.1", "web app shop");
	has_container("10.1.0.2", "db app shop");
	has_container("10.1.0.3", "spy");
}

static void teardown(void)
{
	policy_force_exit();
	rcu_barrier();
	while (containers_num)
		free(containers[--containers_num].tags);
	config_free(config);
}

static struct policy_compiled *compiled_of(const char *text)
{
	struct policy_compiled *compiled;
	struct policy *policy;
	char *errors;

	policy = policy_parse("p", text, strlen(text), config, &errors);
	ck_assert_msg(policy != NULL, "%s", errors);
	compiled = policy_compile(policy, config, &errors);
	ck_assert_msg(compiled != NULL, "%s", errors);
	return compiled;
}

static const char policy_text[] =
	"tenant blue\n"
	"default deny\n"
	"group shop = label app=shop\n"
	"group mixed = container spy, 10.1.0.128/25\n"
	"deny tcp from 10.1.0.3 to any port 81\n"
	"allow tcp from shop to container db port 80-90, 443 rate 1mbit tos 16 priority 3\n"
	"allow tcp from mixed to 10.1.0.0/28\n"
	"allow any from fd01::/64 to fd01::/64\n"
	"allow tcp from 10.1.0.0/24 to 10.2.0.0/28 of green port 80\n"
	"tenant green\n"
	"default allow\n"
	"deny tcp from 10.2.0.1 to any port 80\n"
	"allow tcp from 10.1.0.0/25 of blue to 10.2.0.0/24 port 80-81\n";

static void random_address(uint32_t vni, uint8_t out[16])
{
	struct in6_addr addr;
	char text[64];

	if (vni == BLUE && random() % 8 == 0)
		snprintf(text, sizeof(text), "fd01::%lx", random() % 4);
	else
		snprintf(text, sizeof(text), "10.%u.0.%ld", vni, random() % 2 ? random() % 8 : random() % 256);
	ck_assert_int_eq(addr_parse(text, &addr), 0);
	memcpy(out, &addr, 16);
}

static void ask_both(const struct policy_question *question)
{
	struct policy_verdict verdict;
	uint32_t rule, second;
	int allowed, other;

	rcu_read_lock();
	policy_ask(question, &verdict);
	rcu_read_unlock();
	allowed = decide(question->source_vni, question, &rule);
	if (question->source_vni == question->destination_vni) {
		ck_assert_int_eq(allowed != 0, verdict.allowed);
		ck_assert_uint_eq(rule, verdict.rule ? verdict.number : SLIM_NO_RULE);
		return;
	}
	other = decide(question->destination_vni, question, &second);
	ck_assert_int_eq(allowed > 0 && other > 0, verdict.allowed);
}

static void ask_many(void)
{
	unsigned int allowed = 0;

	for (int i = 0; i < QUESTIONS; i++) {
		struct policy_question question = {
			.source_vni = random() % 2 ? BLUE : GREEN,
			.destination_vni = random() % 2 ? BLUE : GREEN,
			.service = CLASSIFIER_SERVICE(CLASSIFIER_TCP, random() % 2 ? 80 + random() % 12 : 443),
		};
		struct policy_verdict verdict;

		random_address(question.source_vni, question.source);
		random_address(question.destination_vni, question.destination);
		ask_both(&question);
		rcu_read_lock();
		policy_ask(&question, &verdict);
		rcu_read_unlock();
		allowed += verdict.allowed;
	}
	ck_assert_uint_gt(allowed, QUESTIONS / 50);
	ck_assert_uint_lt(allowed, QUESTIONS / 2);
}

START_TEST(it_decides_alike)
{
	struct policy_compiled *compiled = compiled_of(policy_text);
	struct policy_members *members;

	ck_assert_int_eq(policy_members_build(compiled, &members), 0);
	ck_assert_int_eq(policy_publish(compiled, members), 0);
	ck_assert_int_eq(guard_policy_stage(NULL, compiled, 7), 0);
	ck_assert(told.ended);
	ck_assert_uint_eq(told.flags, 0);
	ask_many();
}
END_TEST

START_TEST(shapes_are_told)
{
	struct policy_compiled *compiled = compiled_of(policy_text);
	const struct slim_policy_rule *rules;

	ck_assert_int_eq(guard_policy_stage(NULL, compiled, 7), 0);
	rules = (const void *)told.data[SLIM_PART_RULES];
	ck_assert_uint_eq(rules[0].shape.flags, 0);
	ck_assert_uint_eq(rules[1].shape.flags, SLIM_SHAPE_ALL);
	ck_assert_uint_eq(rules[1].shape.rate, 125000);
	ck_assert_uint_eq(rules[1].shape.tos, 16);
	ck_assert_uint_eq(rules[1].shape.priority, 3);
	policy_compiled_put(compiled);
}
END_TEST

/* Those of each domain that has some, as they are in the whole */
START_TEST(members_are_told_alone)
{
	struct policy_compiled *compiled = compiled_of(policy_text);
	const struct slim_policy_set *sets;
	uint32_t ranges = 0;

	has_container("10.1.0.7", "web2 app shop");
	ck_assert_int_eq(guard_policy_stage_members(NULL, compiled, 8), 0);
	ck_assert_uint_eq(told.flags, SLIM_STAGE_MEMBERS);
	ck_assert_uint_eq(told.counts.domains + told.counts.rules + told.counts.services, 0);
	/* shop, db, mixed */
	ck_assert_uint_eq(told.counts.sets, 3);
	sets = (const void *)told.data[SLIM_PART_SETS];
	for (int i = 0; i < 3; i++)
		ranges += sets[i].ranges_num;
	ck_assert_uint_eq(ranges, told.counts.ranges);
	ck_assert_uint_eq(ranges, 3 + 1 + 2);
	policy_compiled_put(compiled);
}
END_TEST

START_TEST(no_policy_is_told)
{
	ck_assert_int_eq(guard_policy_stage(NULL, NULL, 9), 0);
	ck_assert_uint_eq(told.flags, SLIM_STAGE_NONE);
	ck_assert(told.ended);
}
END_TEST

START_TEST(what_the_module_says_is_heard)
{
	struct policy_compiled *compiled = compiled_of(policy_text);

	link_error = -E2BIG;
	ck_assert_int_eq(guard_policy_stage(NULL, compiled, 7), -E2BIG);
	ck_assert(!told.ended);
	policy_compiled_put(compiled);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("guard_policy");
	TCase *tc = tcase_create("userspace");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, it_decides_alike);
	tcase_add_test(tc, shapes_are_told);
	tcase_add_test(tc, members_are_told_alone);
	tcase_add_test(tc, no_policy_is_told);
	tcase_add_test(tc, what_the_module_says_is_heard);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
