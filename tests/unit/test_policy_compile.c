/* SPDX-License-Identifier: MIT */
/*
 * test_policy_compile.c - what a policy decides once it is compiled and in force
 *
 * links: router/policy.c router/policy_build.c router/policy_check.c router/policy_compile.c router/policy_inputs.c router/policy_domain.c router/policy_crossing.c router/policy_force.c router/policy_class.c router/policy_identity.c router/policy_lex.c router/policy_members.c router/policy_ends.c router/policy_include.c router/policy_parse.c router/policy_parser.c router/policy_rule.c router/policy_profile.c router/policy_report.c router/policy_resolve.c router/policy_row.c router/policy_show.c router/policy_source.c router/policy_statement.c router/policy_stats.c router/policy_uses.c router/policy_value.c router/config.c router/config_lex.c router/config_parse.c router/config_report.c router/config_value.c router/config_word.c router/base64.c router/endpoint.c router/log.c router/tags.c router/text.c core/classifier.c core/classifier_axis.c core/classifier_build.c core/classifier_cells.c core/classifier_crowd.c core/classifier_events.c core/classifier_members.c core/classifier_memory.c core/classifier_services.c core/classifier_sieve.c core/classifier_sort.c core/classifier_tree.c
 * libs: check jansson urcu urcu-common
 */
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <urcu.h>

#include "../../router/directory.h"
#include "../../router/endpoint.h"
#include "../../router/policy_force.h"
#include "../../router/policy_crossing.h"
#include "../../router/policy_profile.h"
#include "../../router/policy_show.h"
#include "../../router/policy_stats.h"
#include "../../router/tags.h"
#include "suite.h"

#define COUNT(a)	((int)(sizeof(a) / sizeof((a)[0])))
#define BLUE		1
#define GREEN		2

static struct config *config;

/* --- the directory, as far as it is asked --- */

#define CONTAINERS	16

static struct {
	uint32_t vni;
	struct tags *tags;
	struct in6_addr addr;
} containers[CONTAINERS];
static unsigned int containers_num;

void directory_each_tagged(void (*each)(uint32_t vni, const struct tags *tags,
					const struct in6_addr *addr, void *data),
			   void *data)
{
	for (unsigned int i = 0; i < containers_num; i++)
		each(containers[i].vni, containers[i].tags, &containers[i].addr, data);
}

/* Peers have yet to tell who they have. */
static bool peers_untold;

bool directory_is_unknown(uint32_t vni, const struct in6_addr *addr)
{
	for (unsigned int i = 0; i < containers_num; i++)
		if (containers[i].vni == vni &&
		    !memcmp(&containers[i].addr, addr, sizeof(*addr)))
			return false;
	return peers_untold;
}

/* @tags: "NAME KEY VALUE KEY VALUE ..." */
static void has_container(uint32_t vni, const char *address, const char *tags)
{
	size_t len = strlen(tags) + 1;
	char text[256];

	memcpy(text, tags, len);
	for (size_t i = 0; i < len; i++)
		if (text[i] == ' ')
			text[i] = '\0';
	ck_assert(tags_are_good(text, len));
	containers[containers_num].vni = vni;
	containers[containers_num].tags = tags_new(text, len);
	ck_assert_int_eq(addr_parse(address, &containers[containers_num].addr), 0);
	containers_num++;
}

static void no_containers(void)
{
	while (containers_num)
		free(containers[--containers_num].tags);
}

/* --- a policy in force --- */

static void setup(void)
{
	static const char text[] = "host h1 { address 192.0.2.1; }\n"
				   "tenant blue { vni 1; prefix 10.1.0.0/16; prefix fd01::/48; }\n"
				   "tenant green { vni 2; prefix 10.2.0.0/16; }\n"
				   "tenant red { vni 4; prefix 10.4.0.0/16; }\n";
	char error[512];

	config = config_parse("t", text, strlen(text), error, sizeof(error));
	ck_assert_msg(config != NULL, "%s", error);
}

static void teardown(void)
{
	policy_force_exit();
	rcu_barrier();
	no_containers();
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

static void roll(const struct policy_compiled *compiled, bool again)
{
	struct policy_members *members;

	ck_assert_int_eq(policy_members_build(compiled, &members), 0);
	if (again)
		ck_assert_int_eq(policy_publish_members(members), 0);
	else
		ck_assert_int_eq(policy_publish((struct policy_compiled *)compiled, members), 0);
}

static void in_force(const char *text)
{
	roll(compiled_of(text), false);
}

static struct policy_question question(uint32_t from, const char *source, uint32_t to,
				       const char *destination, uint32_t service)
{
	struct policy_question question = {
		.source_vni = from, .destination_vni = to, .service = service,
	};
	struct in6_addr addr;

	ck_assert_int_eq(addr_parse(source, &addr), 0);
	memcpy(question.source, &addr, sizeof(addr));
	ck_assert_int_eq(addr_parse(destination, &addr), 0);
	memcpy(question.destination, &addr, sizeof(addr));
	return question;
}

#define TCP(port)	CLASSIFIER_SERVICE(CLASSIFIER_TCP, port)
#define UDP(port)	CLASSIFIER_SERVICE(CLASSIFIER_UDP, port)
#define ICMP		CLASSIFIER_SERVICE(CLASSIFIER_ICMP, 0)
#define OTHER		CLASSIFIER_SERVICE(CLASSIFIER_OTHER, 0)

/* The line of the rule that decides, 0: none; negative: it is denied, of none: -1000 */
static int decides(uint32_t from, const char *source, uint32_t to, const char *destination,
		   uint32_t service)
{
	struct policy_question asked = question(from, source, to, destination, service);
	struct policy_verdict verdict;
	int line;

	rcu_read_lock();
	policy_ask(&asked, &verdict);
	line = verdict.rule ? (int)verdict.rule->place.line : 0;
	if (!verdict.allowed)
		line = line ? -line : -1000;
	rcu_read_unlock();
	return line;
}

static const char rules[] =
	"tenant blue\n"							/* 1 */
	"default deny\n"
	"group web = 10.1.1.0/24, fd01::1:0/112, label tier=web\n"
	"group db = container db1, inner\n"
	"group inner = 10.1.2.4-10.1.2.9\n"
	"allow tcp from web to db port 5432, 6000-6010\n"		/* 6 */
	"deny any from 10.1.9.0/24\n"
	"allow tcp from any to web port 80\n"				/* 8 */
	"allow icmp\n"							/* 9 */
	"allow udp to outside port 53\n"				/* 10 */
	"allow any from 10.1.8.1 to 10.1.8.2\n"				/* 11 */
	"allow tcp from web to any of green port 443\n"			/* 12 */
	"allow tcp from any of green to web port 444\n"			/* 13 */
	"tenant green\n"						/* 14 */
	"deny tcp port 25\n"						/* 15 */
	"allow tcp from web2 of blue to any port 443\n"			/* 16 */
	"allow tcp from container gate to label tier=web of blue port 444\n"	/* 17 */
	"tenant blue\n"
	"group web2 = 10.1.1.0/25\n"
	"allow tcp from container db1 to container db1 port 1\n";	/* 20 */

static const struct {
	uint32_t from;
	const char *source;
	uint32_t to;
	const char *destination;
	uint32_t service;
	int line;
} cases[] = {
	{ BLUE, "10.1.1.7", BLUE, "10.1.2.4", TCP(5432), 6 },
	{ BLUE, "10.1.1.7", BLUE, "10.1.2.9", TCP(6010), 6 },
	{ BLUE, "10.1.1.7", BLUE, "10.1.2.9", TCP(6011), -1000 },
	{ BLUE, "10.1.1.7", BLUE, "10.1.2.10", TCP(5432), -1000 },
	{ BLUE, "10.1.1.7", BLUE, "10.1.2.4", UDP(5432), -1000 },
	{ BLUE, "fd01::1:7", BLUE, "10.1.2.4", TCP(5432), 6 },
	{ BLUE, "10.1.7.1", BLUE, "10.1.7.2", TCP(5432), 6 },		/* by label and name */
	{ BLUE, "10.1.7.2", BLUE, "10.1.7.1", TCP(5432), -1000 },
	{ BLUE, "fd01::7", BLUE, "10.1.7.2", TCP(5432), 6 },		/* the same container's */
	{ BLUE, "10.1.7.3", BLUE, "10.1.7.2", TCP(5432), -1000 },	/* tier=backup */
	{ BLUE, "10.1.9.1", BLUE, "10.1.7.1", TCP(80), -7 },
	{ BLUE, "10.1.5.1", BLUE, "10.1.7.1", TCP(80), 8 },
	{ BLUE, "10.1.5.1", BLUE, "10.1.7.2", TCP(80), -1000 },
	{ BLUE, "10.1.5.1", BLUE, "10.1.7.2", ICMP, 9 },
	{ BLUE, "fd01::9", BLUE, "fd01::8", ICMP, 9 },
	{ BLUE, "10.1.5.1", BLUE, "8.8.8.8", UDP(53), 10 },
	{ BLUE, "10.1.5.1", BLUE, "10.3.8.8", UDP(53), 10 },
	{ BLUE, "10.1.5.1", BLUE, "10.1.0.0", UDP(53), -1000 },
	{ BLUE, "10.1.5.1", BLUE, "10.1.255.255", UDP(53), -1000 },
	{ BLUE, "10.1.5.1", BLUE, "10.0.255.255", UDP(53), 10 },
	{ BLUE, "fd01::5", BLUE, "fd01:0:1::", UDP(53), 10 },
	{ BLUE, "fd01::5", BLUE, "fd01:0:0:ffff::", UDP(53), -1000 },
	{ BLUE, "fd01::5", BLUE, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", UDP(53), 10 },
	{ BLUE, "fd01::5", BLUE, "::", UDP(53), 10 },
	{ BLUE, "10.1.8.1", BLUE, "10.1.8.2", OTHER, 11 },
	{ BLUE, "10.1.8.1", BLUE, "10.1.8.2", UDP(1), 11 },
	{ BLUE, "10.1.7.2", BLUE, "10.1.7.2", TCP(1), 20 },
	/* Another tenant's, of the same address and name */
	{ GREEN, "10.1.7.1", GREEN, "10.2.7.2", TCP(5432), 0 },
	{ GREEN, "10.2.0.1", GREEN, "10.2.0.2", TCP(25), -15 },
	{ GREEN, "10.2.0.1", GREEN, "10.2.0.2", TCP(26), 0 },
	{ 3, "10.2.0.1", 3, "10.2.0.2", TCP(25), 0 },
	/* Link-local addresses, whatever rules and default say */
	{ BLUE, "fd01::5", BLUE, "fe80::5", UDP(53), -1000 },
	{ GREEN, "fd02::1", GREEN, "fe80::", TCP(26), -1000 },
	{ GREEN, "febf:ffff::1", GREEN, "fd02::1", TCP(26), -1000 },
	{ GREEN, "fe80::1", GREEN, "fe80::2", ICMP, -1000 },
	{ GREEN, "fec0::1", GREEN, "fe7f::1", TCP(26), 0 },
	{ 3, "fe80::1", 3, "fe80::2", TCP(25), 0 },
	/* From tenant to tenant */
	{ BLUE, "10.1.1.7", GREEN, "10.2.0.2", TCP(443), 12 },
	{ BLUE, "10.1.1.200", GREEN, "10.2.0.2", TCP(443), -1000 },	/* green does not say so */
	{ BLUE, "10.1.5.7", GREEN, "10.2.0.2", TCP(443), -1000 },	/* blue does not say so */
	{ BLUE, "10.1.1.7", GREEN, "10.2.0.2", TCP(442), -1000 },
	{ GREEN, "10.2.0.5", BLUE, "10.1.7.1", TCP(444), 17 },
	{ GREEN, "10.2.0.6", BLUE, "10.1.7.1", TCP(444), -1000 },
	{ GREEN, "10.2.0.5", BLUE, "10.1.7.3", TCP(444), -1000 },
	{ GREEN, "10.2.0.5", BLUE, "10.1.7.1", TCP(443), -1000 },
	{ BLUE, "10.1.1.7", 3, "10.3.0.2", TCP(443), -1000 },
	/* Packets to addresses that the policy knows to be the other tenant's */
	{ BLUE, "10.1.1.7", BLUE, "10.2.0.2", TCP(443), -1000 },
	{ BLUE, "10.1.5.1", BLUE, "10.2.0.0", UDP(53), -1000 },
	{ BLUE, "10.1.5.1", BLUE, "10.2.255.255", UDP(53), -1000 },
	{ BLUE, "10.1.5.1", BLUE, "10.3.0.0", UDP(53), 10 },
	{ GREEN, "10.2.0.5", GREEN, "10.1.0.0", UDP(53), -1000 },
	{ GREEN, "10.2.0.5", GREEN, "fd01:0:0:ffff::", ICMP, -1000 },
	{ GREEN, "10.2.0.5", GREEN, "10.4.0.1", UDP(53), 0 },
};

static void some_containers(void)
{
	has_container(BLUE, "10.1.7.1", "w1 tier web zone a");
	has_container(BLUE, "fd01::7", "w1 tier web zone a");
	has_container(BLUE, "10.1.7.2", "db1 zone a tier db");
	has_container(BLUE, "10.1.7.3", "b1 tier backup web web");
	has_container(GREEN, "10.2.0.5", "gate tier web");
	has_container(GREEN, "10.2.0.6", "db1 tier web");
}

START_TEST(test_cases)
{
	some_containers();
	in_force(rules);
	ck_assert_int_eq(decides(cases[_i].from, cases[_i].source, cases[_i].to,
				 cases[_i].destination, cases[_i].service), cases[_i].line);
}
END_TEST

START_TEST(test_none)
{
	uint64_t before = policy_generation();

	/* There is no policy. */
	ck_assert_int_eq(decides(BLUE, "10.1.1.1", BLUE, "10.1.1.2", TCP(80)), 0);
	ck_assert_int_eq(decides(BLUE, "10.1.1.1", GREEN, "10.2.1.2", TCP(80)), -1000);
	ck_assert_int_eq(policy_publish_closed(), 0);
	ck_assert_int_eq(decides(BLUE, "10.1.1.1", BLUE, "10.1.1.2", TCP(80)), -1000);
	ck_assert_int_eq(policy_publish(NULL, NULL), 0);
	ck_assert_int_eq(decides(BLUE, "10.1.1.1", BLUE, "10.1.1.2", TCP(80)), 0);
	in_force("");
	ck_assert_int_eq(decides(BLUE, "10.1.1.1", BLUE, "10.1.1.2", TCP(80)), 0);
	ck_assert_int_eq(decides(BLUE, "10.1.1.1", GREEN, "10.2.1.2", TCP(80)), -1000);
	ck_assert_uint_eq(policy_generation(), before + 3);
}
END_TEST

/* Containers come and go; the policy stays the same. */
START_TEST(test_roll)
{
	struct policy_compiled *compiled = compiled_of(rules);
	struct policy_verdict old;
	struct policy_question asked =
		question(BLUE, "10.1.7.1", BLUE, "10.1.7.2", TCP(5432));

	roll(compiled, false);
	rcu_read_lock();
	policy_ask(&asked, &old);
	ck_assert(!old.allowed);
	ck_assert(!policy_is_stale(&old));
	rcu_read_unlock();
	some_containers();
	ck_assert_int_eq(decides(BLUE, "10.1.7.1", BLUE, "10.1.7.2", TCP(5432)), -1000);
	roll(compiled, true);
	ck_assert(policy_is_stale(&old));
	ck_assert_int_eq(decides(BLUE, "10.1.7.1", BLUE, "10.1.7.2", TCP(5432)), 6);
	no_containers();
	roll(compiled, true);
	ck_assert_int_eq(decides(BLUE, "10.1.7.1", BLUE, "10.1.7.2", TCP(5432)), -1000);
	ck_assert(policy_members_matter(compiled, BLUE));
	ck_assert(policy_members_matter(compiled, GREEN));
	ck_assert(!policy_members_matter(compiled, 3));
}
END_TEST

/* A range of IPv6 addresses around those that stand for IPv4 holds none of these. */
static const struct {
	const char *ends, *address;
	bool holds;
} families[] = {
	{ "::/0", "10.1.0.1", false },
	{ "::/0", "0.0.0.0", false },
	{ "::/0", "255.255.255.255", false },
	{ "::/0", "::", true },
	{ "::/0", "::fffe:ffff:ffff", true },
	{ "::/0", "::1:0:0:0", true },
	{ "::/0", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", true },
	{ "::/1", "10.1.0.1", false },
	{ "::/64", "10.1.0.1", false },
	{ "::/64", "::ffff:ffff:ffff:ffff", true },
	{ "::fffe:0:0/95", "10.1.0.1", false },
	{ "::fffe:0:0/95", "::fffe:0:1", true },
	{ "::1-fd00::", "10.1.0.1", false },
	{ "::1-fd00::", "fd00::", true },
	{ "::1-fd00::", "fd00::1", false },
	{ "::/0, 10.1.0.0/16", "10.1.0.1", true },
	{ "::/0, 10.1.0.0/16", "10.2.0.1", false },
	{ "0.0.0.0/0", "10.1.0.1", true },
	{ "0.0.0.0/0", "fd01::1", false },
	{ "::ffff:10.1.0.0/112", "10.1.0.1", true },
	{ "any", "10.1.0.1", true },
	{ "any", "fd01::1", true },
};

START_TEST(test_families)
{
	char text[128];

	sprintf(text, "tenant blue\ndefault deny\nallow tcp from %s\n", families[_i].ends);
	in_force(text);
	ck_assert_int_eq(decides(BLUE, families[_i].address, BLUE, "10.1.0.2", TCP(1)),
			 families[_i].holds ? 3 : -1000);
}
END_TEST

static bool is_provisional(const char *source, const char *destination, uint32_t service)
{
	struct policy_question asked = question(BLUE, source, BLUE, destination, service);
	struct policy_verdict verdict;

	rcu_read_lock();
	policy_ask(&asked, &verdict);
	rcu_read_unlock();
	ck_assert(!verdict.provisional || !verdict.allowed);
	return verdict.provisional;
}

/* What names might yet allow is not denied for good while it is not known who is called so. */
/* --- limits --- */

static uint64_t quota_of(const char *text, uint16_t port)
{
	struct policy_question asked = question(BLUE, "10.1.1.7", BLUE, "10.1.2.4", TCP(port));
	struct policy_verdict verdict;

	in_force(text);
	rcu_read_lock();
	policy_ask(&asked, &verdict);
	rcu_read_unlock();
	ck_assert_uint_eq(verdict.limits[0].quota, verdict.limits[1].quota);
	return verdict.limits[0].quota;
}

#define LIMITED	"tenant blue\ngroup web = 10.1.1.0/24\ngroup db = container db1, 10.1.2.4\n" \
		"allow tcp from web to db port 5432 connections 5\n"

static const struct {
	const char *text;
	bool same;
} limited[] = {
	{ LIMITED, true },
	/* Elsewhere, with other limits and other groups */
	{ "tenant blue\ngroup db = 10.1.2.0/24\ngroup web = 10.1.0.0/20\n"
	  "group unused = container x, label a=b\ndeny tcp port 1\n"
	  "tenant green\ngroup other = container y\ntenant blue\n"
	  "allow tcp to db port 5432 from web setups 5/s rate 1mbit\n", true },
	/* Another match */
	{ "tenant blue\ngroup web = 10.1.1.0/24\ngroup db = 10.1.2.4\n"
	  "allow tcp from web to db port 5433, 5432 connections 5\n", false },
	{ "tenant blue\ngroup web = 10.1.1.0/24\ngroup db = 10.1.2.4\n"
	  "allow any from web to db connections 5\n", false },
	{ "tenant blue\ngroup web = 10.1.1.0/24\ngroup db = 10.1.2.4\n"
	  "allow tcp from web, 10.1.5.0 to db port 5432 connections 5\n", false },
	{ "tenant blue\ngroup we = 10.1.1.0/24\ngroup bdb = 10.1.2.4\n"
	  "allow tcp from we to bdb port 5432 connections 5\n", false },
	{ "tenant blue\nallow tcp from 10.1.1.0/24 to 10.1.2.4 port 5432 connections 5\n", false },
	{ "tenant blue\nallow tcp from 10.1.1.0/24 to container db1, 10.1.2.4 port 5432 setups 1/s\n", false },
};

START_TEST(test_limits)
{
	uint64_t first = quota_of(LIMITED, 5432);

	ck_assert(first);
	ck_assert_uint_eq(quota_of(LIMITED, 5433), 0);
	ck_assert_uint_eq(quota_of("tenant blue\nallow tcp\n", 5432), 0);
	ck_assert_uint_eq(quota_of("tenant blue\ndeny tcp port 5432\nallow tcp connections 3\n", 5432), 0);
	ck_assert((quota_of(limited[_i].text, 5432) == first) == limited[_i].same);
	ck_assert(quota_of(limited[_i].text, 5432));
}
END_TEST

/* --- from tenant to tenant --- */

static void note_vni(const struct config_tenant *tenant, void *data)
{
	*(uint32_t *)data = *(uint32_t *)data * 10 + tenant->vni;
}

static const struct {
	const char *text;
	uint32_t of_blue, of_green;	/* to whom */
} crossings[] = {
	{ "tenant blue\nallow tcp\n", 0, 0 },
	{ "tenant blue\nallow tcp to any of green\n", GREEN, 0 },
	{ "tenant blue\nallow tcp to any of green\nallow tcp to 10.2.0.1 of green port 1\n"
	  "tenant green\nallow tcp from any of blue\n", GREEN, 0 },
	/* Whose rules it are does not matter: the other's say no. */
	{ "tenant green\nallow tcp from any of blue\n", GREEN, 0 },
	{ "tenant green\nallow tcp from any of blue\nallow tcp to any of blue\n", GREEN, BLUE },
};

/* Of two tenants' rules each has its own limits. */
START_TEST(test_limits_of_two)
{
	struct policy_question asked = question(BLUE, "10.1.1.7", GREEN, "10.2.2.4", TCP(443));
	struct policy_verdict verdict;

	in_force("tenant blue\nallow tcp to any of green connections 5\n"
		 "tenant green\nallow tcp from any of blue setups 3/s\n");
	rcu_read_lock();
	policy_ask(&asked, &verdict);
	ck_assert(verdict.allowed);
	ck_assert_uint_eq(verdict.limits[0].rule->connections, 5);
	ck_assert_uint_eq(verdict.limits[1].rule->setups, 3);
	ck_assert(verdict.limits[0].quota && verdict.limits[1].quota);
	ck_assert_uint_ne(verdict.limits[0].quota, verdict.limits[1].quota);
	rcu_read_unlock();
}
END_TEST

/* Both tenants' rules have decided, unless one alone says no. */
START_TEST(test_hits_of_two)
{
	struct policy_question asked = question(BLUE, "10.1.1.7", GREEN, "10.2.2.4", TCP(443));
	struct policy_verdict verdict;

	in_force("tenant blue\nallow tcp to any of green\n"
		 "tenant green\ndeny tcp from 10.1.1.8 of blue\nallow tcp from any of blue log\n");
	rcu_read_lock();
	policy_ask(&asked, &verdict);
	policy_count(&verdict);
	ck_assert(!verdict.rule->log && verdict.second->log);
	ck_assert_uint_eq(policy_in_force()->hits[0], 1);
	ck_assert_uint_eq(policy_in_force()->hits[1], 0);
	ck_assert_uint_eq(policy_in_force()->hits[2], 1);
	asked = question(BLUE, "10.1.1.8", GREEN, "10.2.2.4", TCP(443));
	policy_ask(&asked, &verdict);
	policy_count(&verdict);
	ck_assert_ptr_null(verdict.second);
	ck_assert_uint_eq(policy_in_force()->hits[0], 1);
	ck_assert_uint_eq(policy_in_force()->hits[1], 1);
	rcu_read_unlock();
}
END_TEST

START_TEST(test_crossings)
{
	struct in6_addr there, here, outside;
	uint32_t of_blue = 0, of_green = 0;

	in_force(crossings[_i].text);
	ck_assert_int_eq(addr_parse("10.2.3.4", &there), 0);
	ck_assert_int_eq(addr_parse("10.1.3.4", &here), 0);
	ck_assert_int_eq(addr_parse("10.3.3.4", &outside), 0);
	rcu_read_lock();
	policy_crossing_each(BLUE, note_vni, &of_blue);
	policy_crossing_each(GREEN, note_vni, &of_green);
	ck_assert_uint_eq(of_blue, crossings[_i].of_blue);
	ck_assert_uint_eq(of_green, crossings[_i].of_green);
	ck_assert_uint_eq(policy_crossing_to(BLUE, &there), of_blue ? GREEN : BLUE);
	ck_assert_uint_eq(policy_crossing_to(BLUE, &here), BLUE);
	ck_assert_uint_eq(policy_crossing_to(BLUE, &outside), BLUE);
	ck_assert_uint_eq(policy_crossing_to(GREEN, &here), of_green ? BLUE : GREEN);
	ck_assert_int_eq(policy_crossing_stamp() != 0, of_blue || of_green);
	rcu_read_unlock();
}
END_TEST

static uint32_t crossings_of(uint32_t vni)
{
	uint32_t to = 0;

	policy_crossing_each(vni, note_vni, &to);
	return to;
}

START_TEST(test_crossings_of_many)
{
	in_force("tenant blue\nallow tcp from any of red\nallow tcp to any of green\n"
		 "tenant green\nallow tcp to any of red\nallow tcp to any of blue\n"
		 "tenant red\nallow tcp from any of blue\n");
	rcu_read_lock();
	ck_assert_uint_eq(crossings_of(0), 0);
	ck_assert_uint_eq(crossings_of(BLUE), 24);
	ck_assert_uint_eq(crossings_of(GREEN), 14);
	ck_assert_uint_eq(crossings_of(3), 0);
	ck_assert_uint_eq(crossings_of(4), 1);
	ck_assert_uint_eq(crossings_of(5), 0);
	rcu_read_unlock();
}
END_TEST

START_TEST(test_provisional)
{
	peers_untold = true;
	has_container(BLUE, "10.1.7.1", "db1");
	in_force("tenant blue\ndefault deny\n"
		 "allow tcp from 10.1.0.0/16 to container db2 port 80\n"
		 "allow tcp to 10.1.0.0/16 port 443\n");
	ck_assert(is_provisional("10.1.7.1", "10.1.7.2", TCP(80)));
	ck_assert(is_provisional("10.1.7.2", "10.1.7.1", TCP(80)));
	ck_assert(!is_provisional("10.1.7.1", "10.1.7.1", TCP(80)));
	ck_assert(!is_provisional("10.1.7.1", "10.1.7.2", TCP(443)));
	/* No container will ever be there. */
	ck_assert(!is_provisional("10.1.7.1", "192.0.2.1", TCP(80)));
	peers_untold = false;
	ck_assert(!is_provisional("10.1.7.1", "10.1.7.2", TCP(80)));
	peers_untold = true;
	/* Without names there is nothing to wait for. */
	in_force("tenant blue\ndefault deny\nallow tcp to 10.1.0.0/16 port 443\n");
	ck_assert(!is_provisional("10.1.7.1", "10.1.7.2", TCP(80)));
	ck_assert_int_eq(policy_publish_closed(), 0);
	ck_assert(!is_provisional("10.1.7.1", "10.1.7.2", TCP(80)));
	peers_untold = false;
}
END_TEST

START_TEST(test_hits)
{
	struct policy_question asked =
		question(BLUE, "10.1.1.7", BLUE, "10.1.2.4", TCP(5432));
	struct policy_verdict verdict;

	in_force(rules);
	rcu_read_lock();
	policy_ask(&asked, &verdict);
	policy_count(&verdict);
	policy_count(&verdict);
	ck_assert_uint_eq(policy_in_force()->hits[verdict.number], 2);
	ck_assert_uint_eq(verdict.number, 0);
	/* Of a policy that is no more in force nothing is counted. */
	in_force(rules);
	policy_count(&verdict);
	ck_assert_uint_eq(policy_in_force()->hits[0], 0);
	rcu_read_unlock();
}
END_TEST

/* Groups as deep as a file can have them, and ones that name each other all over */
START_TEST(test_deep)
{
	const int depth = 20000;
	size_t size = 64u * depth, len;
	char *text = malloc(size);

	len = (size_t)sprintf(text, "tenant blue\ndefault deny\ngroup g0 = 10.1.0.1\n");
	for (int i = 1; i < depth; i++)
		len += (size_t)sprintf(text + len, "group g%d = g%d\n", i, i - 1);
	sprintf(text + len, "allow any from g%d\n", depth - 1);
	in_force(text);
	ck_assert_int_eq(decides(BLUE, "10.1.0.1", BLUE, "10.1.9.9", TCP(1)), depth + 3);
	ck_assert_int_eq(decides(BLUE, "10.1.0.2", BLUE, "10.1.9.9", TCP(1)), -1000);
	len = (size_t)sprintf(text, "tenant blue\ndefault deny\ngroup g0 = 10.1.0.1\n"
			      "group g1 = 10.1.0.3, label a=b, g0\n");
	for (int i = 2; i < 200; i++)
		len += (size_t)sprintf(text + len, "group g%d = g%d, g%d\n", i, i - 1, i - 2);
	sprintf(text + len, "allow any from g199\n");
	in_force(text);
	ck_assert_int_gt(decides(BLUE, "10.1.0.3", BLUE, "10.1.9.9", TCP(1)), 0);
	ck_assert_int_eq(decides(BLUE, "10.1.0.2", BLUE, "10.1.9.9", TCP(1)), -1000);
	free(text);
}
END_TEST

/* Groups that stand for more than there is room for: what is said, and where */
START_TEST(test_too_many)
{
	char *text = malloc(1 << 20), *errors;
	struct policy *policy;
	size_t len = (size_t)sprintf(text, "tenant blue\ngroup all = 10.1.0.0");

	for (unsigned int i = 1; i < 2048; i++)
		len += (size_t)sprintf(text + len, ", 10.1.%u.%u", i * 2 >> 8, i * 2 & 255);
	for (unsigned int i = 0; i < 2048; i++)
		len += (size_t)sprintf(text + len, "\n group g%u = all, 10.9.%u.%u", i, i >> 8, i & 255);
	len += (size_t)sprintf(text + len, "\n");
	policy = policy_parse("p", text, len, config, &errors);
	ck_assert_msg(policy != NULL, "%s", errors);
	ck_assert_ptr_null(policy_compile(policy, config, &errors));
	ck_assert_ptr_nonnull(errors);
	/* 2048 and 2046 times 2049 have room. */
	ck_assert_msg(strstr(errors, "p:2049:8: with this there are more than 4194304 ranges of addresses") ==
		      errors, "%s", errors);
	ck_assert_ptr_nonnull(strstr(errors, "\n     group g2046 = all, 10.9.7.254\n           ^"));
	free(errors);
	policy_free(policy);
	free(text);
}
END_TEST

/* --- statistics --- */

/* @hidden: of each rule the line of the one that hides it, 0: none */
static const struct {
	const char *text;
	int hidden[4];
} hiding[] = {
	{ "tenant blue\nallow tcp\ndeny tcp from 10.1.0.1 port 80\ndeny udp\n", { 0, 2, 0 } },
	{ "tenant blue\ndeny tcp from 10.1.0.1 port 80\nallow tcp\n", { 0, 0 } },
	/* Another one decides at the first address, or at the last one. */
	{ "tenant blue\nallow tcp from 10.1.0.1\ndeny any from 10.1.0.0/24\nallow tcp from 10.1.0.1-10.1.0.9\n",
	  { 0, 0, 3 } },
	{ "tenant blue\nallow tcp from 10.1.0.9\ndeny any from 10.1.0.0/24\nallow tcp from 10.1.0.1-10.1.0.9\n",
	  { 0, 0, 3 } },
	{ "tenant blue\nallow tcp port 80\ndeny tcp\nallow tcp port 80-90\n", { 0, 0, 3 } },
	/* One that is not hidden by either alone */
	{ "tenant blue\nallow tcp from 10.1.0.0/25\ndeny any from 10.1.0.128/25\nallow tcp from 10.1.0.0/24\n",
	  { 0, 0, 0 } },
	{ "tenant blue\nallow tcp from container c1\ndeny tcp from container c1\n", { 0, 0 } },
	{ "tenant blue\nallow tcp to any of green\nallow tcp to any of green\n", { 0, 0 } },
};

START_TEST(test_stats)
{
	const char *at = strchr(hiding[_i].text, '\n') + 1, *file;
	json_t *stats, *list, *rule;
	char place[16];
	size_t i;

	policy_show_init(config);
	in_force(hiding[_i].text);
	stats = policy_stats(-1);
	ck_assert_ptr_nonnull(stats);
	ck_assert_int_eq(json_unpack(stats, "{s:s, s:o}", "file", &file, "rules", &list), 0);
	ck_assert_str_eq(file, config->policy);
	json_array_foreach(list, i, rule) {
		const json_t *hidden = json_object_get(rule, "hidden_by");

		sprintf(place, "p:%d", hiding[_i].hidden[i]);
		ck_assert_str_eq(json_is_null(hidden) ? "p:0" : json_string_value(hidden), place);
		ck_assert(!strncmp(at, json_string_value(json_object_get(rule, "text")), strcspn(at, "\n")));
		at = strchr(at, '\n') + 1;
	}
	ck_assert_str_eq(at, "");
	json_decref(stats);
}
END_TEST

/* What tools are told where there is no policy */
START_TEST(test_no_stats)
{
	json_t *shown;

	policy_show_init(config);
	ck_assert_int_eq(policy_publish(NULL, NULL), 0);
	shown = policy_show_files(-1);
	ck_assert(json_is_null(json_object_get(shown, "file")));
	ck_assert_str_eq(json_string_value(json_object_get(shown, "path")), config->policy);
	ck_assert(json_is_false(json_object_get(shown, "closed")));
	ck_assert_uint_eq(json_array_size(json_object_get(shown, "files")), 0);
	json_decref(shown);
	ck_assert_int_eq(policy_publish_closed(), 0);
	shown = policy_stats(-1);
	ck_assert_str_eq(json_string_value(json_object_get(shown, "file")), config->policy);
	ck_assert(json_is_true(json_object_get(shown, "closed")));
	json_decref(shown);
}
END_TEST

/* --- against a plain reading of the parsed policy --- */

static unsigned int rnd(unsigned int below)
{
	return (unsigned int)(random() % below);
}

static bool is_member(const struct policy *policy, uint32_t n, const struct in6_addr *addr);

static bool has_label(const struct tags *tags, const char *key, const char *value)
{
	const char *at = tags->text + strlen(tags->text) + 1;

	while (at < tags->text + tags->len) {
		const char *its = at + strlen(at) + 1;

		if (!strcmp(at, key) && !strcmp(its, value))
			return true;
		at = its + strlen(its) + 1;
	}
	return false;
}

static bool member_is(const struct policy *policy, const struct policy_member *member,
		      uint32_t vni, const struct in6_addr *addr)
{
	const struct config_tenant *tenant = config_tenant_by_vni(config, vni);

	switch (member->type) {
	case POLICY_MEMBER_ANY:
		return true;
	case POLICY_MEMBER_OUTSIDE:
		return !config_tenant_covers(tenant, addr);
	case POLICY_MEMBER_RANGE:
		return addr_is4(addr) == addr_is4(&member->range.first) &&
		       memcmp(addr, &member->range.first, 16) >= 0 &&
		       memcmp(addr, &member->range.last, 16) <= 0;
	case POLICY_MEMBER_GROUP:
		return is_member(policy, policy->groups[member->group].set, addr);
	default:
		break;
	}
	for (unsigned int i = 0; i < containers_num; i++) {
		const char *name = policy_string(policy, member->text.name);

		if (containers[i].vni != vni || memcmp(&containers[i].addr, addr, 16))
			continue;
		if (member->type == POLICY_MEMBER_CONTAINER ?
		    !strcmp(name, tags_name(containers[i].tags)) :
		    has_label(containers[i].tags, name, policy_string(policy, member->text.value)))
			return true;
	}
	return false;
}

static bool is_member(const struct policy *policy, uint32_t n, const struct in6_addr *addr)
{
	const struct policy_set *set = &policy->sets[n];

	for (uint32_t i = 0; i < set->num; i++)
		if (member_is(policy, &policy->members[set->first + i],
			      policy->tenants[set->tenant].vni, addr))
			return true;
	return false;
}

static bool serves(const struct policy *policy, const struct policy_rule *rule, uint32_t service)
{
	static const int protocols[] = { -1, CLASSIFIER_TCP, CLASSIFIER_UDP, CLASSIFIER_ICMP };

	if (rule->protocol == POLICY_PROTOCOL_ANY)
		return true;
	if ((int)(service >> 16) != protocols[rule->protocol])
		return false;
	for (uint32_t i = 0; i < rule->ports_num; i++)
		if ((service & 0xffff) >= policy->ports[rule->ports + i].first &&
		    (service & 0xffff) <= policy->ports[rule->ports + i].last)
			return true;
	return !rule->ports_num;
}

/* The rule's number, or -1 */
static int plainly(const struct policy *policy, const struct policy_question *asked)
{
	struct in6_addr source, destination;

	memcpy(&source, asked->source, 16);
	memcpy(&destination, asked->destination, 16);
	for (uint32_t i = 0; i < policy->rules_num; i++) {
		const struct policy_rule *rule = &policy->rules[i];

		if (policy->tenants[policy->sets[rule->source].tenant].vni == asked->source_vni &&
		    policy->tenants[policy->sets[rule->destination].tenant].vni ==
		    asked->destination_vni && serves(policy, rule, asked->service) &&
		    is_member(policy, rule->source, &source) &&
		    is_member(policy, rule->destination, &destination))
			return (int)i;
	}
	return -1;
}

static const char *const spots[] = {
	"10.1.0.1", "10.1.0.2", "10.1.0.3", "10.1.1.1", "10.1.1.2", "fd01::1", "fd01::2",
	"fd01::1:1", "8.8.8.8", "2001:db8::1",
};

static int put_ends(char *text, int groups)
{
	static const char *const some[] = {
		"10.1.0.1", "10.1.0.0/24", "10.1.0.2-10.1.1.1", "10.1.0.0/16", "fd01::/64",
		"fd01::1-fd01::1:1", "::/0", "0.0.0.0/0", "outside", "container c1", "container c2",
		"label a=1", "label a=2", "label b=1",
	};
	int len = 0, num = 1 + (int)rnd(3);

	if (!rnd(5))
		return sprintf(text, "any");
	for (int i = 0; i < num; i++) {
		unsigned int which = rnd(COUNT(some) + (groups > 0 ? 4 : 0));

		len += sprintf(text + len, "%s", i ? ", " : "");
		len += which < COUNT(some) ? sprintf(text + len, "%s", some[which]) :
					     sprintf(text + len, "g%d", (int)rnd((unsigned int)groups));
	}
	return len;
}

static void put_policy(char *text)
{
	static const char *const protocols[] = {
		"any", "tcp", "udp", "icmp", "tcp", "tcp",
	};
	int groups = (int)rnd(6), num = (int)rnd(12), len;

	len = sprintf(text, "tenant blue\ndefault %s\n", rnd(2) ? "allow" : "deny");

	for (int i = 0; i < groups; i++) {
		len += sprintf(text + len, "group g%d = ", i);
		len += put_ends(text + len, i);
		len += sprintf(text + len, "\n");
	}
	for (int i = 0; i < num; i++) {
		const char *protocol = protocols[rnd(COUNT(protocols))];

		len += sprintf(text + len, "%s %s from ", rnd(2) ? "allow" : "deny", protocol);
		len += put_ends(text + len, groups);
		len += sprintf(text + len, " to ");
		len += put_ends(text + len, groups);
		if ((*protocol == 't' || *protocol == 'u') && rnd(2))
			len += sprintf(text + len, " port %u, %u-%u", rnd(4), rnd(3), 3 + rnd(3));
		len += sprintf(text + len, "\n");
	}
}

static void put_containers(void)
{
	char tags[64];

	no_containers();
	for (unsigned int i = 0; i < 6; i++) {
		sprintf(tags, "c%u a %u b %u", rnd(4), rnd(4), rnd(2));
		has_container(1 + rnd(2), spots[rnd(8)], tags);
	}
}

/* --- profiles --- */

static struct policy_profiles profiles;
static struct in6_addr ends[COUNT(spots)];
static int ends_num;

static int compare_addresses(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct in6_addr));
}

static struct policy_profile_budget budget;

static int take_profiles(uint32_t domain, const struct classifier_set *sets, void *data)
{
	const struct policy_compiled *compiled = data;
	policy_profiles_free(&profiles);
	return policy_profiles_build(&profiles, compiled, &compiled->domains[domain], sets, ends,
				     (size_t)ends_num, &budget);
}

static int make_within(const struct policy_profile_budget *limits)
{
	const struct policy_compiled *compiled = policy_in_force();

	budget = *limits;
	if (!compiled->domains[0].dynamic_num)
		return take_profiles(0, NULL, (void *)compiled);
	return policy_members_each(compiled, take_profiles, (void *)compiled);
}

/* What they take is what all of them may, together. */
static void make_profiles(void)
{
	struct policy_profile_budget taken, less;

	ends_num = COUNT(spots);
	for (int i = 0; i < ends_num; i++)
		ck_assert_int_eq(addr_parse(spots[i], &ends[i]), 0);
	qsort(ends, COUNT(spots), sizeof(ends[0]), compare_addresses);
	taken = POLICY_PROFILE_BUDGET;
	ck_assert_int_eq(make_within(&taken), 0);
	taken.boxes -= budget.boxes;
	taken.work -= budget.work;
	less = taken;
	less.boxes--;
	ck_assert_int_eq(make_within(&less), taken.boxes ? -E2BIG : 0);
	less = taken;
	less.work--;
	ck_assert_int_eq(make_within(&less), -E2BIG);
	ck_assert_int_eq(make_within(&taken), 0);
	ck_assert_uint_eq(budget.boxes, 0);
	ck_assert_uint_eq(budget.work, 0);
}

/* What the profile of one end says of the other one: it must say so once. */
static bool says(const uint8_t address[16], enum policy_side side, const uint8_t other[16],
		 uint32_t service)
{
	const struct in6_addr *end = bsearch(address, ends, COUNT(spots), sizeof(ends[0]),
					     compare_addresses);
	const struct policy_profile *profile =
		&profiles.profiles[profiles.of[end - ends][side]];
	unsigned int found = 0;

	for (uint32_t i = 0; i < profile->boxes_num; i++) {
		const struct policy_box *box = &profile->boxes[i];

		suite_assert(box->service_first >> 16 == box->service_last >> 16);
		suite_assert(addr_is4(&box->first) == addr_is4(&box->last));
		found += memcmp(other, &box->first, 16) >= 0 && memcmp(other, &box->last, 16) <= 0 &&
			 service >= box->service_first && service <= box->service_last;
	}
	suite_assert(found <= 1);
	return found == (profile->action == POLICY_ALLOW);
}

static void compare(const char *text)
{
	const struct policy *policy;
	struct policy_verdict verdict;
	int plain;

	rcu_read_lock();
	policy = policy_in_force()->policy;
	make_profiles();
	for (int i = 0; i < 60; i++) {
		struct policy_question asked = question(BLUE, spots[rnd(COUNT(spots))], BLUE,
			spots[rnd(COUNT(spots))], CLASSIFIER_SERVICE(rnd(4), rnd(7)));

		policy_ask(&asked, &verdict);
		plain = plainly(policy, &asked);
		ck_assert_msg(verdict.rule == (plain < 0 ? NULL : &policy->rules[plain]),
			      "rule %d, not %d, of\n%s", verdict.rule ? (int)verdict.number : -1,
			      plain, text);
		for (int side = 0; side < POLICY_SIDE_NUM; side++)
			ck_assert_msg(says(side ? asked.destination : asked.source, side,
					   side ? asked.source : asked.destination,
					   asked.service) == verdict.allowed,
				      "side %d, rule %d, service %x, %d %d of\n%s", side, plain,
				      asked.service, asked.source[15], asked.destination[15], text);
	}
	policy_profiles_free(&profiles);
	rcu_read_unlock();
}

START_TEST(test_random)
{
	const char *given = getenv("SLIM_TEST_SEED");
	unsigned int seed = given ? (unsigned int)strtoul(given, NULL, 10) : (unsigned int)time(NULL);
	char text[8192];

	printf("SLIM_TEST_SEED=%u\n", seed);
	fflush(stdout);
	srandom(seed);
	for (int i = 0; i < 300; i++) {
		put_policy(text);
		put_containers();
		in_force(text);
		compare(text);
		put_containers();
		roll(policy_in_force(), true);
		compare(text);
	}
}
END_TEST

#define MANY	520

static int put_far(char *text, unsigned int i)
{
	return sprintf(text, "allow tcp from any to 10.9.%u.%u port 1-3\n", i / 256, i % 256);
}

static int put_port(char *text, unsigned int i)
{
	return sprintf(text, "deny tcp to any port %u\n", i * 40503 % 65536);
}

static int put_nested(char *text, unsigned int i)
{
	return sprintf(text, "allow tcp to 10.9.%u.%u-11.0.0.0 port 1\n", i / 256, i % 256);
}

static int put_overlapping(char *text, unsigned int i)
{
	return sprintf(text, "allow tcp to 10.9.%u.%u-11.9.%u.%u port %u\n", i / 256, i % 256,
		       i / 256, i % 256, i + 1);
}

/* Policies that are large for nftables. @deny: their default; @own: one more rule of each container here */
static const struct {
	const char *name;
	int (*put)(char *text, unsigned int i);
	unsigned int rules;
	bool deny, own;
	int result;
	uint32_t boxes_max;
} large[] = {
	{ "all are in the same sets", put_far, 65536, true, false, 0, 65536 },
	{ "each is in one of its own", put_far, 8192, true, true, -E2BIG, 0 },
	{ "all ports", put_port, 8192, false, false, 0, 2 * 3 * 8192 },
	{ "they overlap, on one port", put_nested, 4096, true, false, 0, 2 * 4096 },
	{ "they overlap, on as many ports", put_overlapping, 65535, true, false, -E2BIG, 0 },
};

START_TEST(test_large)
{
	static struct in6_addr many[MANY];
	size_t len = 0, max = 8u << 20;
	struct policy_compiled *compiled;
	struct timespec from, to;
	char *text = malloc(max);
	int err;

	len += (size_t)sprintf(text, "tenant blue\ndefault %s\n",
			       large[_i].deny ? "deny" : "allow");
	for (unsigned int i = 0; i < large[_i].rules; i++)
		len += (size_t)large[_i].put(text + len, i);
	for (uint32_t i = 0; i < MANY; i++) {
		many[i] = addr_map4(htonl(0x0a010000 + i));
		if (large[_i].own)
			len += (size_t)sprintf(text + len, "deny udp from 10.1.%u.%u\n", i / 256, i % 256);
	}
	ck_assert_uint_lt(len, max);
	compiled = compiled_of(text);
	free(text);
	budget = POLICY_PROFILE_BUDGET;
	clock_gettime(CLOCK_MONOTONIC, &from);
	err = policy_profiles_build(&profiles, compiled, &compiled->domains[0], NULL, many, MANY,
				    &budget);
	clock_gettime(CLOCK_MONOTONIC, &to);
	printf("%s: %ld ms, %u boxes, %llu steps\n", large[_i].name,
	       (long)(to.tv_sec - from.tv_sec) * 1000 + (to.tv_nsec - from.tv_nsec) / 1000000,
	       POLICY_PROFILE_BUDGET.boxes - budget.boxes,
	       (unsigned long long)(POLICY_PROFILE_BUDGET.work - budget.work));
	ck_assert_int_eq(err, large[_i].result);
	if (!err)
		ck_assert_uint_le(POLICY_PROFILE_BUDGET.boxes - budget.boxes, large[_i].boxes_max);
	policy_profiles_free(&profiles);
	policy_compiled_put(compiled);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("policy_compile");
	TCase *tc = tcase_create("decisions");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, test_cases, 0, COUNT(cases));
	tcase_add_loop_test(tc, test_families, 0, COUNT(families));
	tcase_add_test(tc, test_none);
	tcase_add_test(tc, test_roll);
	tcase_add_test(tc, test_limits_of_two);
	tcase_add_test(tc, test_hits_of_two);
	tcase_add_loop_test(tc, test_crossings, 0, COUNT(crossings));
	tcase_add_test(tc, test_crossings_of_many);
	tcase_add_loop_test(tc, test_limits, 0, COUNT(limited));
	tcase_add_test(tc, test_provisional);
	tcase_add_test(tc, test_hits);
	tcase_add_test(tc, test_deep);
	tcase_add_loop_test(tc, test_stats, 0, COUNT(hiding));
	tcase_add_test(tc, test_no_stats);
	tcase_add_test(tc, test_too_many);
	tcase_add_test(tc, test_random);
	tcase_add_loop_test(tc, test_large, 0, COUNT(large));
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	rcu_register_thread();
	return suite_run(suite());
}
