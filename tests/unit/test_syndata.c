/* SPDX-License-Identifier: MIT */
/*
 * test_syndata.c - when a path counts as losing SYNs with data, and for how long
 *
 * links: router/syndata.c
 * libs:
 */
#include <check.h>
#include <stdlib.h>

#include "../../router/syndata.h"
#include "suite.h"

static struct syndata syndata;

static void setup(void)
{
	syndata = (struct syndata){ 0 };
}

static void sweep(unsigned int lost, unsigned int taken, unsigned int gone, uint64_t at)
{
	for (unsigned int i = 0; i < lost + taken + gone && !syndata_is_lost(&syndata); i++)
		syndata_ask(&syndata, at - 500);
	for (unsigned int i = 0; i < lost; i++)
		syndata_judge(&syndata, SYNDATA_CONNECTING, at - 500);
	for (unsigned int i = 0; i < taken; i++)
		syndata_judge(&syndata, SYNDATA_CONNECTED, at - 500);
	for (unsigned int i = 0; i < gone; i++)
		syndata_judge(&syndata, SYNDATA_GONE, at - 500);
	syndata_settle(&syndata, at);
}

/* Sweeps one after the other, and what is thought of the path then */
static const struct {
	const char *what;
	struct {
		unsigned int lost, taken, gone;
	} sweeps[4];
	bool is_lost;
} cases[] = {
	{ "nothing", { { 0, 0, 0 } }, false },
	{ "a single one", { { 1, 0, 0 } }, false },
	{ "two at once", { { 2, 0, 0 } }, true },
	{ "two, one after the other", { { 1, 0, 0 }, { 0, 0, 0 }, { 1, 0, 0 } }, true },
	{ "one now and then among others", { { 1, 90, 0 }, { 1, 90, 0 }, { 1, 90, 0 }, { 1, 90, 0 } }, false },
	{ "many, but more arrive", { { 20, 900, 0 } }, false },
	{ "more are lost than arrive", { { 20, 5, 0 } }, true },
	{ "a few among many short ones", { [3] = { 5, 0, 5000 } }, false },
	{ "many, and some that were given up", { { 5, 0, 3 }, { 5, 0, 3 } }, true },
	{ "one, then it arrives, then one", { { 1, 0, 0 }, { 0, 1, 0 }, { 1, 0, 0 } }, false },
};

START_TEST(test_cases)
{
	for (uint64_t i = 0; i < 4; i++)
		sweep(cases[_i].sweeps[i].lost, cases[_i].sweeps[i].taken,
		      cases[_i].sweeps[i].gone, 10000 + 1000 * i);
	ck_assert_msg(syndata_is_lost(&syndata) == cases[_i].is_lost, "%s", cases[_i].what);
	ck_assert(syndata_ask(&syndata, 15000) == !cases[_i].is_lost);
}
END_TEST

START_TEST(test_trial)
{
	const uint64_t again = 10000 + SYNDATA_REMEMBERED;

	sweep(2, 0, 0, 10000);
	/* It was sent before that was known. */
	sweep(0, 9, 9, 10100);
	ck_assert(syndata_is_lost(&syndata));
	ck_assert(!syndata_ask(&syndata, again - 1));
	/* One tries, and another one later, if nothing was heard of it. */
	ck_assert(syndata_ask(&syndata, again));
	ck_assert(!syndata_ask(&syndata, again));
	ck_assert(!syndata_ask(&syndata, again + SYNDATA_TRIAL - 1));
	ck_assert(syndata_ask(&syndata, again + SYNDATA_TRIAL));
	sweep(1, 0, 0, again + 20000);
	ck_assert(!syndata_ask(&syndata, again + 30000));
	ck_assert(syndata_ask(&syndata, again + 20000 + SYNDATA_REMEMBERED));
	sweep(0, 0, 1, again + 30000 + SYNDATA_REMEMBERED);
	ck_assert(!syndata_is_lost(&syndata));
	ck_assert(syndata_ask(&syndata, again + 30000));
	ck_assert(syndata_ask(&syndata, again + 30000));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("syndata");
	TCase *tc = tcase_create("path");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_loop_test(tc, test_cases, 0, sizeof(cases) / sizeof(cases[0]));
	tcase_add_test(tc, test_trial);
	suite_add_tcase(s, tc);
	return suite_run(s);
}
