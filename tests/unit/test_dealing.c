/* SPDX-License-Identifier: MIT */
/*
 * test_dealing.c - work on containers, of which some keep whoever works for them
 *
 * links: router/dealing.c router/aside.c router/loop.c
 * libs: urcu urcu-cds urcu-common
 */
#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <urcu.h>

#include "../../router/aside.h"
#include "../../router/dealing.h"
#include "../../router/loop.h"

#define CONTAINERS	8	/* their ids are 1 .. */
#define PATIENCE_MS	3000

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

/* By id: those that keep whoever comes; and how often each was worked for */
static bool keeps[CONTAINERS + 1];
static unsigned int begun[CONTAINERS + 1], ended[CONTAINERS + 1];

static struct loop *loop;
static struct dealing dealing;
static unsigned int frees, missed;
static struct loop_timer limit;

/* What is waited for, one after the other, and what is done then; the last one has nothing to do. */
struct step {
	bool (*holds)(void);
	void (*then)(void);
};

static const struct step *step;

static void work(struct deal *deal, const struct deal_heap *heap)
{
	pthread_mutex_lock(&lock);
	begun[heap->container_id]++;
	pthread_cond_broadcast(&changed);
	while (keeps[heap->container_id])
		pthread_cond_wait(&changed, &lock);
	ended[heap->container_id]++;
	pthread_mutex_unlock(&lock);
	deal_progress(deal);
}

static bool holds(void)
{
	bool holding;

	pthread_mutex_lock(&lock);
	holding = step->holds();
	pthread_mutex_unlock(&lock);
	return holding;
}

static void look(void)
{
	while (holds()) {
		if (!step->then) {
			loop_stop(loop);
			return;
		}
		(step++)->then();
	}
}

static void deal_free(struct deal *deal)
{
	frees++;
	free(deal->heaps);
	free(deal);
}

static void freed(struct dealing *unused, bool one_missed)
{
	(void)unused;
	missed += one_missed;
	look();
}

static void too_late(struct loop_timer *unused)
{
	(void)unused;
	loop_stop(loop);
}

static void run_steps(const struct step *steps)
{
	step = steps;
	loop_timer_set(loop, &limit, PATIENCE_MS);
	loop_run(loop);
	ck_assert_msg(!step->then && holds(), "after step %d", (int)(step - steps));
}

static void deal_to_all(void)
{
	struct deal *deal = calloc(1, sizeof(*deal));

	deal->heaps = calloc(CONTAINERS, sizeof(*deal->heaps));
	for (uint32_t i = 0; i < CONTAINERS; i++)
		deal->heaps[i].container_id = i + 1;
	deal->heaps_num = CONTAINERS;
	deal->work = work;
	deal->free = deal_free;
	ck_assert(!dealing_is_busy(&dealing));
	dealing_start(&dealing, deal);
}

static void let_go(uint32_t id)
{
	pthread_mutex_lock(&lock);
	keeps[id] = false;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
}

static void setup(void)
{
	rcu_register_thread();
	loop = loop_new();
	aside_init(loop);
	limit.handle = too_late;
	dealing.freed = freed;
	dealing_init(&dealing, loop);
}

static bool all_ended(void)
{
	for (int i = 1; i <= CONTAINERS; i++)
		if (!ended[i])
			return false;
	return !dealing_is_busy(&dealing) && frees;
}

START_TEST(everyone_has_a_turn)
{
	static const struct step steps[] = { { all_ended, NULL } };

	setup();
	deal_to_all();
	run_steps(steps);
	for (int i = 1; i <= CONTAINERS; i++)
		ck_assert_uint_eq(ended[i], 1);
	ck_assert_uint_eq(frees, 1);
	ck_assert_uint_eq(missed, 0);
}
END_TEST

static bool all_but_two_ended(void)
{
	for (int i = 1; i <= CONTAINERS; i++)
		if (ended[i] != !keeps[i])
			return false;
	return begun[2] && begun[3] && !frees && !dealing_is_busy(&dealing);
}

static bool others_twice(void)
{
	for (int i = 1; i <= CONTAINERS; i++)
		if (ended[i] != (keeps[i] ? 0 : 2))
			return false;
	return frees == 1 && begun[2] == 1 && begun[3] == 1 && !missed;
}

static void let_both_go(void)
{
	let_go(3);
	let_go(2);
}

static bool two_were_missed(void)
{
	return missed == 2 && frees == 2 && ended[2] == 1 && ended[3] == 1;
}

/* One hand waits for each of those that keep it, and the next deal leaves these to them. */
START_TEST(who_keeps_a_hand_keeps_it_from_nobody)
{
	static const struct step steps[] = {
		{ all_but_two_ended, deal_to_all },
		{ others_twice, let_both_go },
		{ two_were_missed, NULL },
	};

	setup();
	keeps[2] = keeps[3] = true;
	deal_to_all();
	run_steps(steps);
	dealing_exit(&dealing);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("dealing");
	TCase *tc = tcase_create("userspace");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 20);
	tcase_add_test(tc, everyone_has_a_turn);
	tcase_add_test(tc, who_keeps_a_hand_keeps_it_from_nobody);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
