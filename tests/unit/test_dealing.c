/* SPDX-License-Identifier: MIT */
/*
 * test_dealing.c - work on containers, of which some keep whoever works for them
 *
 * links: router/dealing.c router/aside.c router/slice.c router/loop.c
 * libs: urcu urcu-cds urcu-common
 */
#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <urcu.h>

#include "../../router/aside.h"
#include "../../router/dealing.h"
#include "../../router/loop.h"
#include "suite.h"

#define CONTAINERS	8	/* their ids are 1 .. */
#define SOCKETS		12	/* of one that has several; all have cookies from 1 on */
#define PATIENCE_MS	3000

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

/* By id: those that keep whoever comes, at this socket or at none; and how often each was worked for */
static bool keeps[CONTAINERS + 1], nameless;
static unsigned int begun[CONTAINERS + 1], ended[CONTAINERS + 1];

/* The first container's, by cookie */
static bool socket_keeps[SOCKETS + 1];
static unsigned int socket_begun[SOCKETS + 1], socket_ended[SOCKETS + 1];

static struct loop *loop;
static struct dealing dealing;
static unsigned int deals, frees, missed;
static struct loop_timer limit;

/* What is waited for, one after the other, and what is done then; the last one has nothing to do. */
struct step {
	bool (*holds)(void);
	void (*then)(void);
};

static const struct step *step;

static void work_on_sockets(struct deal_hand *hand, const struct deal_heap *heap)
{
	for (size_t cookie = heap->first; cookie < heap->first + heap->num; cookie++) {
		if (!deal_take(hand, cookie))
			continue;
		pthread_mutex_lock(&lock);
		socket_begun[cookie]++;
		while (socket_keeps[cookie])
			pthread_cond_wait(&changed, &lock);
		socket_ended[cookie]++;
		pthread_mutex_unlock(&lock);
	}
}

static void work(struct deal_hand *hand, struct deal *deal, const struct deal_heap *heap)
{
	(void)deal;
	if (heap->num) {
		work_on_sockets(hand, heap);
		return;
	}
	/* Of another container's socket with the same cookie nothing follows. */
	if (!deal_take(hand, nameless ? 0 : 1))
		return;
	pthread_mutex_lock(&lock);
	begun[heap->container_id]++;
	pthread_cond_broadcast(&changed);
	while (keeps[heap->container_id])
		pthread_cond_wait(&changed, &lock);
	ended[heap->container_id]++;
	pthread_mutex_unlock(&lock);
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

static void deal_to(uint32_t num, size_t sockets)
{
	struct deal *deal = calloc(1, sizeof(*deal));

	deal->heaps = calloc(num, sizeof(*deal->heaps));
	for (uint32_t i = 0; i < num; i++)
		deal->heaps[i].container_id = i + 1;
	deal->heaps_num = num;
	deal->heaps[0].first = 1;
	deal->heaps[0].num = sockets;
	deal->work = work;
	deal->free = deal_free;
	deals++;
	ck_assert(!dealing_is_busy(&dealing));
	dealing_start(&dealing, deal);
}

static void deal_to_all(void)
{
	deal_to(CONTAINERS, 0);
}

static void deal_sockets(void)
{
	deal_to(1, SOCKETS);
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
	return frees == 1 && begun[2] == 1 && begun[3] == 1;
}

static void let_both_go(void)
{
	let_go(3);
	let_go(2);
}

static bool two_were_missed(void)
{
	return missed >= 2 && frees == 2 && ended[2] == 1 && ended[3] == 1;
}

static void let_all_go(void)
{
	pthread_mutex_lock(&lock);
	memset(socket_keeps, 0, sizeof(socket_keeps));
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
}

static unsigned int kept_now(void)
{
	unsigned int num = 0;

	for (int i = 1; i <= SOCKETS; i++)
		num += socket_begun[i] - socket_ended[i];
	return num;
}

/* Whoever hears that there is more to do deals again. */
static bool deals_go_on(bool done)
{
	static unsigned int heard;

	if (!done && missed > heard && !dealing_is_busy(&dealing)) {
		heard = missed;
		pthread_mutex_unlock(&lock);
		deal_sockets();
		pthread_mutex_lock(&lock);
	}
	return done;
}

static bool others_ended(void)
{
	bool all = true;

	for (int i = 1; i <= SOCKETS; i++) {
		all &= socket_ended[i] || socket_keeps[i];
		ck_assert(!socket_keeps[i] || socket_begun[i] <= 1);
	}
	return deals_go_on(all && kept_now() == 2);
}

static bool as_many_are_kept_as_may(void)
{
	ck_assert_uint_le(kept_now(), DEALING_KEPT_MAX);
	return deals_go_on(kept_now() == DEALING_KEPT_MAX && !dealing_is_busy(&dealing));
}

static bool none_is_kept(void)
{
	return !kept_now() && frees == deals && !dealing_is_busy(&dealing);
}

static bool is_passed_over(void)
{
	return kept_now() == DEALING_KEPT_MAX && !dealing_is_busy(&dealing);
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
	nameless = _i;
	deal_to_all();
	run_steps(steps);
	dealing_exit(&dealing);
}
END_TEST

/* ... not even from that container's other sockets: each is begun once where it keeps somebody. */
START_TEST(a_socket_that_is_kept_keeps_no_other)
{
	static const struct step steps[] = {
		{ others_ended, let_all_go },
		{ none_is_kept, NULL },
	};

	setup();
	socket_keeps[1] = socket_keeps[5] = true;
	deal_sockets();
	run_steps(steps);
	dealing_exit(&dealing);
}
END_TEST

/* But it keeps only so many hands. */
START_TEST(hands_that_are_kept_are_bounded)
{
	static const struct step steps[] = {
		{ as_many_are_kept_as_may, deal_sockets },
		{ is_passed_over, let_all_go },
		{ none_is_kept, NULL },
	};

	setup();
	for (int i = 1; i < SOCKETS; i++)
		socket_keeps[i] = true;
	deal_sockets();
	run_steps(steps);
	dealing_exit(&dealing);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("dealing");
	TCase *tc = tcase_create("userspace");

	tcase_set_timeout(tc, 20);
	tcase_add_test(tc, everyone_has_a_turn);
	tcase_add_loop_test(tc, who_keeps_a_hand_keeps_it_from_nobody, 0, 2);
	tcase_add_test(tc, a_socket_that_is_kept_keeps_no_other);
	tcase_add_test(tc, hands_that_are_kept_are_bounded);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
