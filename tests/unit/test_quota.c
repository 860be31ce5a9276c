/* SPDX-License-Identifier: MIT */
/*
 * test_quota.c - places and set-ups of one container by one rule: exact, whoever asks at once
 * links: router/quota.c router/endpoint.c
 * libs: urcu urcu-cds urcu-common
 */
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <urcu.h>

#include "../../router/endpoint.h"
#include "../../router/quota.h"
#include "suite.h"

#define START	1000000u	/* ms */
#define THREADS	8

static const struct quota_key key = { .rule = 7, .host = 1, .vni = 100, .id = 3 };

static void setup(void)
{
	hash_seed_init();
	rcu_register_thread();
	ck_assert_int_eq(quota_init(), 0);
	rcu_read_lock();
}

/* Whatever a test does, nobody needs anything afterwards. */
static void teardown(void)
{
	quota_sweep(START + 3600000);
	ck_assert_uint_eq(quota_num(), 0);
	rcu_read_unlock();
	rcu_barrier();
	rcu_unregister_thread();
}

static int take(uint32_t connections, uint32_t setups, uint64_t at, struct quota **quota)
{
	return quota_take(&key, &(struct quota_limits){ connections, setups }, START + at, quota);
}

START_TEST(places_are_given_back)
{
	struct quota_seat seats[3] = { 0 };
	struct quota *quota;

	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(take(3, 0, 0, &quota), 0);
		quota_sit(&seats[i], quota);
	}
	ck_assert_int_eq(take(3, 0, 0, &quota), -EUSERS);
	/* The numbers are of who asks. */
	ck_assert_int_eq(take(4, 0, 0, &quota), 0);
	quota_give(quota);
	quota_leave(&seats[1]);
	quota_leave(&seats[1]);
	ck_assert_int_eq(take(3, 0, 0, &quota), 0);
	quota_give(quota);
	ck_assert_int_eq(take(2, 0, 0, &quota), -EUSERS);
	quota_leave(&seats[0]);
	quota_leave(&seats[2]);
}
END_TEST

static const struct quota_key others[] = {
	{ .rule = 8, .host = 1, .vni = 100, .id = 3 },
	{ .rule = 7, .host = 2, .vni = 100, .id = 3 },
	{ .rule = 7, .host = 1, .vni = 101, .id = 3 },
	{ .rule = 7, .host = 1, .vni = 100, .id = 4 },
	{ .rule = 7, .host = 1, .vni = 100, .id = 3, .direction = 1 },
};

START_TEST(others_have_their_own)
{
	static const struct quota_limits one = { 1, 1 };
	struct quota *quota, *other;

	ck_assert_int_eq(take(1, 1, 0, &quota), 0);
	ck_assert_int_eq(quota_take(&others[_i], &one, START, &other), 0);
	ck_assert_int_eq(quota_take(&others[_i], &one, START, &other), -EUSERS);
	quota_give(other);
	quota_give(quota);
}
END_TEST

/* How many of those who ask each ms from @from to @to may */
static unsigned int set_ups(uint32_t limit, uint64_t from, uint64_t to)
{
	unsigned int num = 0;
	struct quota *quota;

	for (uint64_t at = from; at < to; at++)
		if (!take(0, limit, at, &quota)) {
			quota_give(quota);
			num++;
		}
	return num;
}

START_TEST(as_many_set_ups_a_second)
{
	ck_assert_uint_eq(set_ups(50, 0, 1000), 50);
	ck_assert_uint_eq(set_ups(50, 1000, 1040), 16);
	ck_assert_uint_eq(set_ups(50, 60000, 60050), 50);
}
END_TEST

/* Whoever asks when, and however many: no second has more. */
START_TEST(no_second_has_more)
{
	enum { LIMIT = 20, SECONDS = 40 };
	static unsigned int at_ms[SECONDS * 1000];
	unsigned int in_window = 0, all = 0;
	struct quota *quota;

	srand((unsigned int)_i + 1);
	for (unsigned int ms = 0; ms < SECONDS * 1000; ms++) {
		unsigned int tries = rand() % 400 ? 0 : (unsigned int)rand() % (2 * LIMIT);

		while (tries--)
			if (!take(0, LIMIT, ms, &quota)) {
				quota_give(quota);
				at_ms[ms]++;
				all++;
			}
		in_window += at_ms[ms];
		if (ms > 1000)
			in_window -= at_ms[ms - 1001];
		suite_assert(in_window <= LIMIT);
	}
	ck_assert_uint_ge(all, SECONDS * LIMIT / 2);
}
END_TEST

static const uint64_t borders[] = { 0, 1, QUOTA_SLOT_MS - 1, QUOTA_SLOT_MS, QUOTA_SLOT_MS + 1, 500,
				    1000 - QUOTA_SLOT_MS, 999 };

/* The limit is reached at 0 and a border: nobody more within a second of the first, and then one. */
START_TEST(a_second_is_a_second)
{
	uint64_t over = QUOTA_SLOTS * QUOTA_SLOT_MS;

	ck_assert_uint_eq(set_ups(2, 0, 1), 1);
	ck_assert_uint_eq(set_ups(2, borders[_i], borders[_i] + 1), 1);
	ck_assert_uint_eq(set_ups(2, borders[_i], 1001), 0);
	ck_assert_uint_eq(set_ups(2, over, over + 1), 1);
}
END_TEST

START_TEST(clocks_that_are_behind)
{
	struct quota *quota;

	ck_assert_uint_eq(set_ups(5, 500, 510), 5);
	ck_assert_int_eq(take(0, 5, 0, &quota), -EDQUOT);
	ck_assert_int_eq(take(0, 5, 1400, &quota), -EDQUOT);
}
END_TEST

START_TEST(what_was_set_up_before_counts)
{
	struct quota_seat seat = { 0 };
	struct quota *quota;

	ck_assert_int_eq(quota_move(&seat, &key), 0);
	quota_note(&seat, START + 100, START + 1000);
	quota_note(&seat, START + 900, START + 1000);
	/* Long ago, and not yet */
	quota_note(&seat, START - 60000, START + 1000);
	quota_note(&seat, START + 2000, START + 1000);
	ck_assert_int_eq(take(0, 2, 1000, &quota), -EDQUOT);
	ck_assert_int_eq(take(1, 0, 1000, &quota), -EUSERS);
	ck_assert_int_eq(take(0, 3, 1000, &quota), 0);
	quota_give(quota);
	ck_assert_int_eq(take(0, 3, 1000, &quota), -EDQUOT);
	ck_assert_int_eq(take(0, 3, 1150, &quota), 0);
	quota_give(quota);
	quota_leave(&seat);
}
END_TEST

/* Of two that find each other there, where one may be, one stays. */
START_TEST(one_seat_yields)
{
	const struct quota_limits one = { .connections = 1 };
	struct quota_seat seats[2] = { 0 };
	struct quota_key is;

	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(quota_move(&seats[i], &key), 0);
	ck_assert(quota_yield(&seats[1], &one));
	ck_assert(!quota_key_of(&seats[1], &is));
	ck_assert(!quota_yield(&seats[0], &one));
	ck_assert(quota_key_of(&seats[0], &is));
	quota_leave(&seats[0]);
}
END_TEST

START_TEST(seats_move)
{
	const struct quota_limits one = { .connections = 1 };
	struct quota_seat seats[2] = { 0 };
	struct quota_key is;
	struct quota *quota;

	ck_assert(!quota_key_of(&seats[0], &is));
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(quota_move(&seats[i], &key), 0);
	ck_assert_int_eq(quota_move(&seats[1], &others[0]), 0);
	ck_assert(quota_key_of(&seats[1], &is));
	ck_assert_mem_eq(&is, &others[0], sizeof(is));
	ck_assert_int_eq(quota_move(&seats[1], &others[0]), 0);
	ck_assert_int_eq(quota_take(&others[0], &(struct quota_limits){ 2, 0 }, START, &quota), 0);
	quota_give(quota);
	ck_assert_int_eq(quota_take(&others[0], &one, START, &quota), -EUSERS);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(quota_move(&seats[i], NULL), 0);
	ck_assert(!quota_key_of(&seats[1], &is));
}
END_TEST

static unsigned int looked[10];
static struct quota_seat sitting[10];

static void look(struct quota_seat *seat, void *data)
{
	ck_assert_ptr_eq(data, looked);
	looked[seat - sitting]++;
}

/* A few at a time, and each in its turn */
START_TEST(all_are_looked_at)
{
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(quota_move(&sitting[i], &key), 0);
	quota_look(&key, 4, 5, START, look, looked);
	ck_assert_uint_eq(looked[3], 1);
	ck_assert_uint_eq(looked[4], 0);
	quota_look(&key, 4, 5, START + 4, look, looked);
	ck_assert_uint_eq(looked[4], 0);
	quota_look(&key, 4, 5, START + 5, look, looked);
	quota_look(&key, 2, 5, START + 10, look, looked);
	for (int i = 0; i < 10; i++)
		ck_assert_uint_eq(looked[i], 1);
	/* Nobody twice in one go */
	quota_look(&key, 100, 5, START + 20, look, looked);
	for (int i = 0; i < 10; i++)
		ck_assert_uint_eq(looked[i], 2);
	quota_look(&others[0], 4, 5, START, look, NULL);
	for (int i = 0; i < 10; i++)
		quota_leave(&sitting[i]);
}
END_TEST

START_TEST(the_sweep_takes_what_nobody_needs)
{
	struct quota_seat seat = { 0 };
	struct quota *quota;

	ck_assert_int_eq(take(1, 1, 0, &quota), 0);
	quota_sit(&seat, quota);
	quota_sweep(START + 5000);
	ck_assert_uint_eq(quota_num(), 1);
	ck_assert_int_eq(take(0, 1, 5000, &quota), 0);
	quota_give(quota);
	quota_leave(&seat);
	quota_sweep(START + 5500);
	ck_assert_uint_eq(quota_num(), 1);
	ck_assert_int_eq(take(0, 1, 5500, &quota), -EDQUOT);
	quota_sweep(START + 6100);
	ck_assert_uint_eq(quota_num(), 0);
}
END_TEST

/* --- all at once --- */

#define ROUNDS	20000
#define MANY	(THREADS * ROUNDS / 2)	/* may: all along they are at it together */

static struct quota_limits crowd_limits;
static unsigned int crowd_most;
static unsigned int crowd_now, crowd_taken;	/* atomic */
static bool crowd_keeps;
static pthread_barrier_t crowd_start;

static void *crowd(void *unused)
{
	struct quota_seat seat = { 0 };
	struct quota *quota;

	(void)unused;
	rcu_register_thread();
	pthread_barrier_wait(&crowd_start);
	for (int i = 0; i < ROUNDS; i++) {
		rcu_read_lock();
		if (!quota_take(&key, &crowd_limits, START, &quota)) {
			__atomic_add_fetch(&crowd_taken, 1, __ATOMIC_RELAXED);
			suite_assert(__atomic_add_fetch(&crowd_now, 1, __ATOMIC_SEQ_CST) <= crowd_most);
			if (!crowd_keeps) {
				quota_sit(&seat, quota);
				__atomic_sub_fetch(&crowd_now, 1, __ATOMIC_SEQ_CST);
				quota_leave(&seat);
			}
		}
		rcu_read_unlock();
	}
	rcu_unregister_thread();
	return NULL;
}

static void run_crowd(void)
{
	pthread_t threads[THREADS];

	rcu_read_unlock();
	pthread_barrier_init(&crowd_start, NULL, THREADS);
	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, crowd, NULL), 0);
	/* Meanwhile what nobody needs goes, and comes back. */
	for (int i = 0; i < 1000; i++) {
		rcu_read_lock();
		quota_sweep(START);
		rcu_read_unlock();
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	rcu_read_lock();
}

START_TEST(exactly_as_many_places)
{
	struct quota *quota;

	crowd_limits = (struct quota_limits){ .connections = MANY };
	crowd_most = MANY;
	crowd_keeps = true;
	run_crowd();
	ck_assert_uint_eq(crowd_taken, MANY);
	ck_assert_int_eq(take(MANY + 1, 0, 0, &quota), 0);
	for (int i = 0; i <= MANY; i++)
		quota_give(quota);
	ck_assert_int_eq(take(1, 0, 0, &quota), 0);
	quota_give(quota);
}
END_TEST

START_TEST(exactly_as_many_set_ups)
{
	crowd_limits = (struct quota_limits){ .setups = MANY };
	crowd_most = THREADS;
	crowd_keeps = false;
	run_crowd();
	ck_assert_uint_eq(crowd_taken, MANY);
}
END_TEST

START_TEST(never_more_at_once)
{
	crowd_limits = (struct quota_limits){ .connections = 3 };
	crowd_most = 3;
	crowd_keeps = false;
	run_crowd();
	ck_assert_uint_ge(crowd_taken, 1000);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("quota");
	TCase *tc = tcase_create("quota");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, places_are_given_back);
	tcase_add_loop_test(tc, others_have_their_own, 0, sizeof(others) / sizeof(others[0]));
	tcase_add_test(tc, as_many_set_ups_a_second);
	tcase_add_loop_test(tc, no_second_has_more, 0, 5);
	tcase_add_loop_test(tc, a_second_is_a_second, 0, sizeof(borders) / sizeof(borders[0]));
	tcase_add_test(tc, clocks_that_are_behind);
	tcase_add_test(tc, what_was_set_up_before_counts);
	tcase_add_test(tc, one_seat_yields);
	tcase_add_test(tc, seats_move);
	tcase_add_test(tc, all_are_looked_at);
	tcase_add_test(tc, the_sweep_takes_what_nobody_needs);
	tcase_add_test(tc, exactly_as_many_places);
	tcase_add_test(tc, exactly_as_many_set_ups);
	tcase_add_test(tc, never_more_at_once);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
