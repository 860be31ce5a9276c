/* SPDX-License-Identifier: MIT */
/*
 * test_denial.c - which decisions are said in the log
 *
 * links: router/denial.c router/endpoint.c
 * libs: urcu urcu-common
 */
#include <check.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../router/denial.h"
#include "../../router/directory.h"
#include "../../router/ledger.h"
#include "../../router/log.h"
#include "suite.h"

static struct config_tenant tenants[2] = { { .name = "blue", .vni = 1 }, { .name = "green", .vni = 2 } };
static const struct config config = { .tenants = tenants, .tenants_num = 2 };
static struct policy_source file = { .name = "/p" };
static const struct policy policy = { .sources = { .files = &file, .files_num = 1 } };

/* --- the router around it --- */

static unsigned int lines;
static char last[512];

void log_info(const char *format, ...)
{
	va_list args;

	lines++;
	va_start(args, format);
	vsnprintf(last, sizeof(last), format, args);
	va_end(args);
}

/* All is within one second. */
bool log_limit_ok(struct log_limit *limit)
{
	return limit->said++ < limit->burst;
}

const struct tags *directory_tags(uint32_t vni, const struct in6_addr *addr)
{
	(void)vni, (void)addr;
	return NULL;
}

struct ledger_entry *ledger_find(uint64_t cookie)
{
	(void)cookie;
	return NULL;
}

void policy_ask_tcp(const struct ends *ends, struct policy_verdict *verdict)
{
	(void)ends;
	*verdict = (struct policy_verdict){ .policy = &policy };
}

const struct config_tenant *config_tenant_by_vni(const struct config *unused, uint32_t vni)
{
	(void)unused;
	return vni <= 2 ? &tenants[vni - 1] : NULL;
}

const char *config_tenant_name(const struct config *from, uint32_t vni)
{
	const struct config_tenant *tenant = config_tenant_by_vni(from, vni);

	return tenant ? tenant->name : "?";
}

/* --- tests --- */

static void say(uint32_t vni, unsigned int kind, unsigned int times)
{
	const struct policy_verdict verdict = { .policy = &policy };
	const struct ends ends = { .source_vni = vni, .destination_vni = vni };

	while (times--) {
		if (kind == 0)
			denial_say(&verdict, &ends);
		else if (kind == 1)
			denial_limit(&verdict, NULL, -EUSERS, &ends);
		else if (kind == 2)
			denial_say_packet(&verdict, IPPROTO_UDP, &ends);
		else
			denial_cut_packet(&ends);
	}
}

/* Whatever one tenant's containers do, the other's are said. */
START_TEST(no_tenant_takes_anothers_lines)
{
	denial_init(&config);
	for (uint32_t kind = 0; kind < 4; kind++) {
		lines = 0;
		say(1, kind, 1000);
		ck_assert_uint_eq(lines, 10);
		say(2, kind, 1);
		ck_assert_uint_eq(lines, 11);
		ck_assert_ptr_nonnull(strstr(last, "tenant green"));
	}
}
END_TEST

/* Allowed by two tenants' rules: each that is to be logged */
START_TEST(each_rule_that_is_to_be_logged_is)
{
	const struct ends ends = { .source_vni = 1, .destination_vni = 2 };
	struct policy_rule rules[2] = { { .place.line = 3 }, { .place.line = 7 } };
	struct policy_verdict verdict = {
		.allowed = true, .policy = &policy, .rule = &rules[0], .second = &rules[1],
	};

	denial_init(&config);
	denial_say(&verdict, &ends);
	ck_assert_uint_eq(lines, 0);
	rules[1].log = true;
	denial_say(&verdict, &ends);
	ck_assert_uint_eq(lines, 1);
	ck_assert_ptr_nonnull(strstr(last, "by /p:7"));
	rules[0].log = true;
	denial_say(&verdict, &ends);
	ck_assert_uint_eq(lines, 3);
}
END_TEST

/* No rule has decided about a packet from tenant to tenant. */
START_TEST(packets_between_tenants_are_told_apart)
{
	const struct policy_verdict verdict = { .policy = &policy };
	struct ends ends = { .source_vni = 1, .destination_vni = 2 };

	denial_init(&config);
	denial_say_packet(&verdict, IPPROTO_UDP, &ends);
	ck_assert_ptr_nonnull(strstr(last, "(udp) from tenant blue to green: "));
	ck_assert_ptr_nonnull(strstr(last, ", as there is no packet path from tenant to tenant"));
	ends.destination_vni = 1;
	denial_say_packet(&verdict, IPPROTO_UDP, &ends);
	ck_assert_ptr_nonnull(strstr(last, "(udp) in tenant blue: "));
	ck_assert_ptr_nonnull(strstr(last, ", by default"));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("denial");
	TCase *tc = tcase_create("userspace");

	tcase_add_test(tc, no_tenant_takes_anothers_lines);
	tcase_add_test(tc, packets_between_tenants_are_told_apart);
	tcase_add_test(tc, each_rule_that_is_to_be_logged_is);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
