/* SPDX-License-Identifier: MIT */
/* cutting.c - ends the live connections that the policy in force denies, and changes others */
#include "cutting.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <urcu.h>

#include "aside.h"
#include "counters.h"
#include "dealing.h"
#include "denial.h"
#include "diag.h"
#include "housekeeping.h"
#include "ledger.h"
#include "limiting.h"
#include "log.h"
#include "policy_force.h"
#include "shaping_live.h"

#define AGAIN_MS	50	/* until the next sweep looks whether anything is left; twice as long each time */
#define AGAIN_MAX_MS	3200
#define SWEEPS_IDLE	2	/* in a row, that find nothing */

/* A socket that is to go; @found: the kernel knows it */
struct cut {
	uint64_t cookie;
	uint32_t container_id;
	bool found;
	struct diag_socket socket;
};

/*
 * What a sweep has found.
 * @destroyed:	those that were there; atomic
 * @unchanged:	connections that keep what they have, since they cannot be changed
 */
struct round {
	struct deal deal;
	struct cut *cuts;
	size_t num, max;
	uint64_t destroyed;
	size_t unchanged;
	struct timespec began;
	int error;
};

static struct {
	struct loop *loop;
	struct aside sweep;
	struct loop_timer again;
	struct dealing dealing;
	struct round *round;	/* of the sweep that runs */
	bool wanted;
	unsigned int idle, delay;
} cutting;

/* --- the sweep: a thread of its own --- */

/* One that stays: is its rule another one now? (The socket has what its rule had said, where that is known.) */
static void change(struct round *round, const struct ledger_entry *entry,
		   const struct policy_rule *rule)
{
	static const struct shaping none = { .tos = -1, .priority = -1 };
	const struct shaping *before = entry->shaping.known ? &entry->shaping : &none;
	struct shaping now = shaping_of(rule);
	int err = 0;

	if (!shaping_equal(before, &now)) {
		err = shaping_live_change(entry->cookie, before, &now);
		if (shaping_live_is_possible())
			counter_inc(connections_changed);
		else
			round->unchanged++;
	}
	if (err)
		round->error = err;
	else if (!entry->shaping.known || !shaping_equal(before, &now))
		ledger_set_shaping(entry->cookie, &now);
}

static void collect(struct ledger_entry *entry, void *data)
{
	const struct ends ends = ledger_ends(entry);
	struct round *round = data;
	struct policy_verdict verdict;

	policy_ask_tcp(&ends, &verdict);
	if (verdict.allowed) {
		change(round, entry, verdict.rule);
		if (limiting_follow(entry, &verdict))
			round->error = -ENOMEM;
	}
	if (verdict.allowed || verdict.provisional)
		return;
	if (round->num == round->max) {
		size_t more = round->max ? round->max * 2 : 256;
		struct cut *bigger = reallocarray(round->cuts, more, sizeof(*bigger));

		if (!bigger) {
			round->error = -ENOMEM;
			return;
		}
		round->cuts = bigger;
		round->max = more;
	}
	round->cuts[round->num++] = (struct cut){
		.cookie = entry->cookie, .container_id = entry->container_id,
	};
}

static int compare_cookies(const void *a, const void *b)
{
	const struct cut *first = a, *second = b;

	return first->cookie < second->cookie ? -1 : first->cookie > second->cookie;
}

static int compare_containers(const void *a, const void *b)
{
	const struct cut *first = a, *second = b;

	return first->container_id < second->container_id ? -1 :
	       first->container_id > second->container_id;
}

static void find(const struct diag_socket *socket, void *data)
{
	struct round *round = data;
	const struct cut key = { .cookie = socket->cookie };
	struct cut *cut = bsearch(&key, round->cuts, round->num, sizeof(key), compare_cookies);

	if (!cut)
		return;
	cut->socket = *socket;
	cut->found = true;
}

static int find_sockets(struct round *round)
{
	struct diag *diag = diag_open(-1);
	int err = diag ? 0 : -errno;

	qsort(round->cuts, round->num, sizeof(*round->cuts), compare_cookies);
	if (!err)
		err = diag_dump(diag, DIAG_LIVE, 0, 0, false, find, round);
	diag_close(diag);
	return err;
}

/* Only those that were found stay. */
static int make_heaps(struct round *round)
{
	size_t num = 0;

	for (size_t i = 0; i < round->num; i++)
		if (round->cuts[i].found)
			round->cuts[num++] = round->cuts[i];
	round->num = num;
	if (!num)
		return 0;
	qsort(round->cuts, num, sizeof(*round->cuts), compare_containers);
	round->deal.heaps = calloc(num, sizeof(*round->deal.heaps));
	if (!round->deal.heaps)
		return -ENOMEM;
	for (size_t i = 0; i < num; i++) {
		uint32_t id = round->cuts[i].container_id;

		if (!i || id != round->cuts[i - 1].container_id)
			round->deal.heaps[round->deal.heaps_num++] = (struct deal_heap){
				.container_id = id, .first = i,
			};
		round->deal.heaps[round->deal.heaps_num - 1].num++;
	}
	return 0;
}

static bool is_live(uint64_t cookie)
{
	return ledger_find(cookie);
}

static void sweep_run(struct aside *unused)
{
	struct round *round = cutting.round;
	int err;

	(void)unused;
	rcu_read_lock();
	shaping_live_tidy(is_live);
	ledger_each(collect, round);
	rcu_read_unlock();
	if (!round->num)
		return;
	err = find_sockets(round);
	/* What was not seen this time, the next sweep sees. */
	if (!err || err == -EINTR)
		err = make_heaps(round);
	else
		round->num = 0;
	if (err)
		round->error = err;
}

/* --- what it has found is destroyed, by container --- */

static struct round *round_of(struct deal *deal)
{
	return caa_container_of(deal, struct round, deal);
}

static void destroy(struct round *round, struct diag *diag, const struct cut *cut)
{
	int err = diag_destroy(diag, &cut->socket);

	if (!err) {
		counter_inc(connections_cut);
		__atomic_fetch_add(&round->destroyed, 1, __ATOMIC_RELAXED);
		denial_cut(cut->cookie);
	} else if (err != -ENOENT) {
		__atomic_store_n(&round->error, err, __ATOMIC_RELAXED);
	}
}

static void work(struct deal_hand *hand, struct deal *deal, const struct deal_heap *heap)
{
	struct round *round = round_of(deal);
	struct diag *diag = diag_open(-1);

	if (!diag) {
		__atomic_store_n(&round->error, -errno, __ATOMIC_RELAXED);
		return;
	}
	for (size_t i = heap->first; i < heap->first + heap->num; i++)
		if (deal_take(hand, round->cuts[i].cookie))
			destroy(round, diag, &round->cuts[i]);
	diag_close(diag);
}

static void say(const struct round *round)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	log_info("policy: %llu live connections were cut, %lld ms after it was decided",
		 (unsigned long long)round->destroyed,
		 (long long)(now.tv_sec - round->began.tv_sec) * 1000 +
		 (now.tv_nsec - round->began.tv_nsec) / 1000000);
}

static void round_free(struct deal *deal)
{
	struct round *round = round_of(deal);

	if (round->destroyed)
		say(round);
	free(round->cuts);
	free(deal->heaps);
	free(round);
}

/* --- one sweep after the other --- */

static void proceed(void);

static void sweep_done(struct aside *unused)
{
	static struct log_limit limit = { .burst = 1 };
	struct round *round = cutting.round;

	(void)unused;
	cutting.round = NULL;
	if (round->error && log_limit_ok(&limit))
		log_warning("cannot end or change connections as the policy says: %s; trying again",
			    strerror(-round->error));
	if (round->unchanged)
		log_info("policy: %zu live connections keep the rate, TOS or priority that they "
			 "began with", round->unchanged);
	cutting.idle = round->num || round->error ? 0 : cutting.idle + 1;
	if (round->deal.heaps_num) {
		dealing_start(&cutting.dealing, &round->deal);
		return;
	}
	round_free(&round->deal);
	proceed();
}

static void later(void)
{
	loop_timer_set(cutting.loop, &cutting.again, cutting.delay);
	if (cutting.delay < AGAIN_MAX_MS)
		cutting.delay *= 2;
}

static void sweep_start(void)
{
	struct round *round = calloc(1, sizeof(*round));

	cutting.wanted = false;
	cutting.sweep.run = sweep_run;
	cutting.sweep.done = sweep_done;
	if (round) {
		round->deal.work = work;
		round->deal.free = round_free;
		clock_gettime(CLOCK_MONOTONIC, &round->began);
		cutting.round = round;
		if (!aside_start(&cutting.sweep))
			return;
		cutting.round = NULL;
		round_free(&round->deal);
	}
	later();
}

/* A sweep is over, and what it has found is dealt out. */
static void proceed(void)
{
	if (cutting.round || dealing_is_busy(&cutting.dealing))
		return;
	if (cutting.wanted)
		sweep_start();
	else if (cutting.idle < SWEEPS_IDLE)
		later();
}

static void freed(struct dealing *unused, bool missed)
{
	(void)unused;
	cutting.wanted |= missed;
	housekeeping_hurry();
	proceed();
}

static void again_handle(struct loop_timer *unused)
{
	(void)unused;
	if (!cutting.round && !dealing_is_busy(&cutting.dealing))
		sweep_start();
}

void cutting_init(struct loop *control)
{
	cutting.loop = control;
	cutting.dealing.freed = freed;
	dealing_init(&cutting.dealing, control);
	cutting.again.handle = again_handle;
	cutting.idle = SWEEPS_IDLE;
	cutting.delay = AGAIN_MS;
}

void cutting_start(void)
{
	cutting.idle = 0;
	cutting.delay = AGAIN_MS;
	cutting.wanted = true;
	if (ledger_count())
		proceed();
}

void cutting_exit(void)
{
	dealing_exit(&cutting.dealing);
	loop_timer_clear(cutting.loop, &cutting.again);
}
