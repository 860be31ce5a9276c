/* SPDX-License-Identifier: MIT */
/*
 * test_replay.c - which sequence numbers of a key were seen
 *
 * links: core/replay.c
 * libs:
 */
#include <check.h>
#include <pthread.h>
#include <stdlib.h>

#include "../../core/replay.h"
#include "suite.h"

static struct replay *window;

static void setup(void)
{
	window = calloc(1, sizeof(*window));
	ck_assert_ptr_nonnull(window);
}

static void teardown(void)
{
	free(window);
}

/* In this order, on one window */
static const struct {
	uint64_t sequence;
	bool fresh;
} steps[] = {
	{ 0, true }, { 0, false }, { 1, true }, { 31, true }, { 32, true }, { 31, false },
	{ REPLAY_WINDOW - 1, true }, { 2, true }, { 2, false },
	{ REPLAY_WINDOW, true },		/* takes the word of 0 .. 31 over */
	{ 3, false }, { 0, false }, { 33, true }, { 33, false },
	{ 5ull * REPLAY_WINDOW + 40, true }, { 34, false }, { 4ull * REPLAY_WINDOW + 41, false },
	{ 4ull * REPLAY_WINDOW + 64, true }, { 4ull * REPLAY_WINDOW + 64, false },
	{ SLIM_WIRE_SEQUENCE_MAX - 1, true }, { SLIM_WIRE_SEQUENCE_MAX - 1, false },
	{ SLIM_WIRE_SEQUENCE_MAX, false }, { UINT64_MAX, false },
	{ SLIM_WIRE_SEQUENCE_MAX - 2, true },
};

START_TEST(test_steps)
{
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		ck_assert_msg(replay_accept(window, steps[i].sequence) == steps[i].fresh,
			      "step %zu", i);
}
END_TEST

/* All of a window, backwards, after its highest */
START_TEST(test_backwards)
{
	const uint64_t base = 7ull * REPLAY_WINDOW;

	for (uint64_t i = REPLAY_WINDOW; i-- > 0;)
		suite_assert(replay_accept(window, base + i));
	for (uint64_t i = 0; i < REPLAY_WINDOW; i++)
		suite_assert(!replay_accept(window, base + i));
}
END_TEST

#define THREADS	4
#define NUMBERS	400000u

static unsigned int accepted;	/* atomic */

static void *accept_all(void *start)
{
	unsigned int mine = 0;

	for (unsigned int i = 0; i < NUMBERS; i++)
		mine += replay_accept(window, (i + *(unsigned int *)start) % NUMBERS);
	__atomic_fetch_add(&accepted, mine, __ATOMIC_RELAXED);
	return NULL;
}

/* Each number is new to just one of several threads that all try them all. */
START_TEST(test_threads)
{
	unsigned int starts[THREADS] = { 0, 0, 100, NUMBERS / 2 };
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, accept_all, &starts[i]), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	ck_assert_uint_eq(accepted, NUMBERS);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("replay");
	TCase *tc = tcase_create("window");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, test_steps);
	tcase_add_test(tc, test_backwards);
	tcase_add_test(tc, test_threads);
	suite_add_tcase(s, tc);
	return suite_run(s);
}
