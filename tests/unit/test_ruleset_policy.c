/* SPDX-License-Identifier: MIT */
/*
 * test_ruleset_policy.c - what is loaded when devices go, and when nftables refuse
 *
 * links: router/ruleset_policy.c router/ruleset_refusal.c router/packet_sets.c router/endpoint.c router/log.c
 * libs:
 */
#include <check.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../router/endpoint.h"
#include "../../router/ruleset_load.h"
#include "../../router/ruleset_policy.h"
#include "suite.h"

#define PORTS	3

static const char *const ports[PORTS] = { "slim-1", "slim-2", "slim-3" };
static bool gone[PORTS];

/* What the loads were, and what is to become of them. @goes: which port goes during one, from 1; 0: none */
static struct {
	unsigned int num;
	char *texts[8];
	int results[8];
	int goes[8];
} loads;

/* Can the kernel refuse there, and what comes of trying? */
static struct {
	int netdev, bridge;
	unsigned int num;
} trials;

unsigned int if_nametoindex(const char *name)
{
	for (unsigned int i = 0; i < PORTS; i++)
		if (!strcmp(name, ports[i]))
			return gone[i] ? 0 : i + 1;
	return 100;
}

/* As nftables: refused where a device is not there */
int ruleset_load(const char *commands, size_t len, char *error, size_t size)
{
	unsigned int n;

	ck_assert_uint_gt(size, 0);
	*error = '\0';
	if (strstr(commands, "slim_trial")) {
		trials.num++;
		return strstr(commands, "bridge") ? trials.bridge : trials.netdev;
	}
	n = loads.num++;
	ck_assert_uint_lt(n, 8);
	loads.texts[n] = strndup(commands, len);
	if (loads.goes[n])
		gone[loads.goes[n] - 1] = true;
	for (int i = 0; i < PORTS; i++) {
		char device[32];

		snprintf(device, sizeof(device), "device \"%s\"", ports[i]);
		if (gone[i] && strstr(commands, device))
			return -EIO;
	}
	return loads.results[n];
}

static int load(void)
{
	static struct in6_addr address;
	static struct policy_box box = { .service_first = 1, .service_last = 2 };
	static struct policy_profile profile = { POLICY_ALLOW, &box, 1, 1 };
	static uint32_t of[1][POLICY_SIDE_NUM];
	static const struct policy_profiles profiles = { &profile, 1, of };
	const struct ruleset_policy_tenant tenant = {
		.vni = 1, .action = POLICY_DENY, .addresses = &address, .addresses_num = 1,
		.profiles = &profiles, .ports = ports, .ports_num = PORTS, .vxlan = "vxlan",
	};
	char error[100];

	address = addr_map4(htonl(0x0a010001));
	box.first = box.last = address;
	return ruleset_policy_load(&tenant, 1, error, sizeof(error));
}

static bool names(unsigned int n, int port)
{
	char device[32];

	snprintf(device, sizeof(device), "device \"%s\"", ports[port]);
	return strstr(loads.texts[n], device) != NULL;
}

/* Is all of the table made anew? */
static bool is_anew(unsigned int n)
{
	return strstr(loads.texts[n], "\ndelete table netdev slim_policy\n") != NULL;
}

static bool makes_set(unsigned int n)
{
	return strstr(loads.texts[n], "\nset s4_") != NULL;
}

static void setup(void)
{
	memset(&loads, 0, sizeof(loads));
	memset(gone, 0, sizeof(gone));
	hash_seed_init();
	ck_assert_int_eq(load(), 0);
	ck_assert_uint_eq(loads.num, 1);
	ck_assert(is_anew(0) && makes_set(0));
}

static void teardown(void)
{
	char error[100];

	ck_assert_int_eq(ruleset_policy_load(NULL, 0, error, sizeof(error)), 0);
	for (unsigned int i = 0; i < loads.num; i++)
		free(loads.texts[i]);
}

START_TEST(sets_stay)
{
	ck_assert_int_eq(load(), 0);
	ck_assert_uint_eq(loads.num, 2);
	ck_assert(!is_anew(1) && !makes_set(1));
	for (int i = 0; i < PORTS; i++)
		ck_assert(names(1, i));
}
END_TEST

START_TEST(what_has_gone_is_left_out)
{
	gone[1] = true;
	ck_assert_int_eq(load(), 0);
	ck_assert_uint_eq(loads.num, 2);
	ck_assert(!is_anew(1) && names(1, 0) && !names(1, 1) && names(1, 2));
}
END_TEST

START_TEST(what_goes_meanwhile_is_left_out_next)
{
	loads.goes[1] = 1;
	loads.goes[2] = 3;
	ck_assert_int_eq(load(), 0);
	ck_assert_uint_eq(loads.num, 4);
	ck_assert(!is_anew(2) && !names(2, 0) && names(2, 2));
	ck_assert(!is_anew(3) && !makes_set(3) && names(3, 1) && !names(3, 2));
}
END_TEST

START_TEST(what_is_refused_otherwise_is_made_anew)
{
	loads.results[1] = -EIO;
	ck_assert_int_eq(load(), 0);
	ck_assert_uint_eq(loads.num, 3);
	ck_assert(!is_anew(1) && is_anew(2) && makes_set(2));
	loads.results[3] = loads.results[4] = -EIO;
	ck_assert_int_eq(load(), -EIO);
	ck_assert_uint_eq(loads.num, 5);
}
END_TEST

static bool refuses(unsigned int n, const char *rule)
{
	const char *chain = strstr(loads.texts[n], "chain refuse {\n");

	return chain && !strncmp(chain + strlen("chain refuse {\n"), rule, strlen(rule));
}

static void begin(void)
{
	memset(&loads, 0, sizeof(loads));
	hash_seed_init();
}

START_TEST(it_refuses_at_once)
{
	begin();
	ck_assert_int_eq(load(), 0);
	ck_assert_int_eq(load(), 0);
	ck_assert_uint_eq(trials.num, 1);
	ck_assert(refuses(0, "meta l4proto tcp reject with tcp reset\n"));
	ck_assert(refuses(1, "meta l4proto tcp reject with tcp reset\n"));
	ck_assert_ptr_null(strstr(loads.texts[0], "table bridge"));
}
END_TEST

START_TEST(it_refuses_at_the_bridge)
{
	char error[100];

	begin();
	trials.netdev = -EIO;
	ck_assert_int_eq(load(), 0);
	ck_assert(refuses(0, "meta mark set 0x55000000 accept\n"));
	ck_assert_ptr_nonnull(strstr(loads.texts[0], "table bridge slim_policy {\n"));
	ck_assert_int_eq(ruleset_policy_load(NULL, 0, error, sizeof(error)), 0);
	ck_assert_ptr_nonnull(strstr(loads.texts[1], "delete table bridge slim_policy\n"));
	ck_assert_ptr_null(strstr(loads.texts[1], "table bridge slim_policy {\n"));
}
END_TEST

START_TEST(it_cannot_refuse)
{
	begin();
	trials.netdev = trials.bridge = -EIO;
	ck_assert_int_eq(load(), 0);
	ck_assert(refuses(0, "drop\n"));
	ck_assert_ptr_null(strstr(loads.texts[0], "table bridge"));
}
END_TEST

/* What a lack of memory hides is looked for again. */
START_TEST(it_is_not_known_yet)
{
	begin();
	trials.netdev = -ENOMEM;
	ck_assert_int_eq(load(), -ENOMEM);
	ck_assert_uint_eq(loads.num, 0);
	trials.netdev = 0;
	ck_assert_int_eq(load(), 0);
	ck_assert(refuses(0, "meta l4proto tcp reject with tcp reset\n"));
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("ruleset_policy");
	TCase *tc = tcase_create("loads");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, sets_stay);
	tcase_add_test(tc, what_has_gone_is_left_out);
	tcase_add_test(tc, what_goes_meanwhile_is_left_out_next);
	tcase_add_test(tc, what_is_refused_otherwise_is_made_anew);
	suite_add_tcase(s, tc);
	tc = tcase_create("refusals");
	tcase_add_test(tc, it_refuses_at_once);
	tcase_add_test(tc, it_refuses_at_the_bridge);
	tcase_add_test(tc, it_cannot_refuse);
	tcase_add_test(tc, it_is_not_known_yet);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	return suite_run(suite());
}
