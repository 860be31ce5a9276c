/* SPDX-License-Identifier: MIT */
/*
 * test_preambles.c - whoever opens many connections displaces his own
 * links: router/preambles.c router/endpoint.c
 * libs: urcu urcu-cds urcu-common
 */
#include <arpa/inet.h>
#include <check.h>
#include <stdbool.h>
#include <stdlib.h>

#include "../../router/endpoint.h"
#include "../../router/preambles.h"
#include "suite.h"

#define STRANGERS	5

static struct preambles preambles;
static struct preambles_entry entries[2 * PREAMBLES_MAX];
static struct slim_endpoint sources[STRANGERS];

static struct slim_endpoint source(uint32_t host)
{
	struct in6_addr addr = addr_map4(htonl(0xc0000200 + host));

	return endpoint_make(&addr, (uint16_t)(1024 + host));
}

/* From strangers who are counted apart */
static void setup(void)
{
	bool used[PREAMBLES_ORIGINS] = { false };
	unsigned int num = 0;

	preambles_init(&preambles);
	for (uint32_t host = 1; num < STRANGERS; host++) {
		struct preambles_entry entry;
		struct slim_endpoint from = source(host);

		preambles_add(&preambles, &entry, &from);
		preambles_remove(&preambles, &entry);
		if (!used[entry.origin])
			sources[num++] = from;
		used[entry.origin] = true;
	}
	ck_assert_uint_eq(preambles.num, 0);
}

static void add(unsigned int index, unsigned int stranger)
{
	preambles_add(&preambles, &entries[index], &sources[stranger]);
}

static void ck_displaces(unsigned int index)
{
	struct preambles_entry *victim = preambles_victim(&preambles);

	ck_assert_ptr_nonnull(victim);
	ck_assert_int_eq(victim - entries, index);
	preambles_remove(&preambles, victim);
}

START_TEST(none_goes_while_there_is_room)
{
	for (unsigned int i = 0; i < PREAMBLES_MAX; i++) {
		ck_assert_ptr_null(preambles_victim(&preambles));
		add(i, 0);
	}
	ck_displaces(0);
	ck_assert_ptr_null(preambles_victim(&preambles));
}
END_TEST

/* A few of each of the others are the oldest, and then come amid the crowd; none of them goes. */
START_TEST(the_oldest_of_the_busiest_goes)
{
	unsigned int num = 0, oldest;

	for (unsigned int stranger = 1; stranger < STRANGERS; stranger++)
		for (unsigned int i = 0; i < 3; i++)
			add(num++, stranger);
	oldest = num;
	while (num < PREAMBLES_MAX)
		add(num++, 0);
	for (unsigned int i = 0; i < 500; i++) {
		ck_displaces(oldest++);
		add(num++, 0);
	}
	for (unsigned int stranger = 1; stranger < STRANGERS; stranger++) {
		ck_displaces(oldest++);
		add(num++, stranger);
	}
	ck_assert_uint_eq(preambles.num, PREAMBLES_MAX);
}
END_TEST

/* Of two crowds, the larger one, until they are equal. */
START_TEST(crowds_are_made_equal)
{
	unsigned int num = 0, left[2] = { 700, PREAMBLES_MAX - 700 };

	while (num < PREAMBLES_MAX) {
		add(num, num < 700 ? 0 : 1);
		num++;
	}
	for (unsigned int i = 0; i < 600; i++) {
		struct preambles_entry *victim = preambles_victim(&preambles);

		ck_assert_ptr_nonnull(victim);
		left[victim - entries < 700 ? 0 : 1]--;
		preambles_remove(&preambles, victim);
		add(num++, 2 + i % 3);
	}
	ck_assert_uint_le(left[0], 214);
	ck_assert_uint_le(left[1], 214);
	ck_assert_uint_ge(left[0], 200);
	ck_assert_uint_ge(left[1], 200);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("preambles");
	TCase *tc = tcase_create("preambles");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, none_goes_while_there_is_room);
	tcase_add_test(tc, the_oldest_of_the_busiest_goes);
	tcase_add_test(tc, crowds_are_made_equal);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
