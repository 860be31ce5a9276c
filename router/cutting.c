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

/* Those of one container, in a row */
struct heap {
	size_t first, num;
};

/*
 * What a sweep has found. Its hands share it, and the last one frees it.
 * @next:	the heap that nobody has taken yet; atomic
 * @progress:	counts sockets; atomic
 * @destroyed:	those of them that were there; atomic
 * @unchanged:	connections that keep what they have, since they cannot be changed
 */
struct round {
	unsigned int refs;
	struct cut *cuts;
	size_t num, max;
	struct heap *heaps;
	size_t heaps_num;
	size_t next;
	uint64_t progress, destroyed;
	size_t unchanged;
	struct timespec began;
	int error;
};

/* A thread that destroys. @container_id: whose sockets it is at, 0: nobody's; atomic */
struct hand {
	struct aside aside;
	struct round *round;
	uint32_t container_id;
	bool passed_over;	/* a later sweep has left that container to it */
	struct cds_list_head node;
};

static struct {
	struct loop *loop;
	struct aside sweep;
	struct loop_timer look, again;
	struct round *round;	/* of the sweep that runs, or whose heaps are not all taken */
	bool sweeping, wanted;
	unsigned int idle, delay;
	uint64_t progress;	/* of the round, at the last look */
} cutting;

static CDS_LIST_HEAD(hands);

static void round_put(struct round *round)
{
	if (--round->refs)
		return;
	free(round->cuts);
	free(round->heaps);
	free(round);
}

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
		if (limiting_follow(entry, &verdict) == -ENOMEM)
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
	round->heaps = calloc(num, sizeof(*round->heaps));
	if (!round->heaps)
		return -ENOMEM;
	for (size_t i = 0; i < num; i++) {
		if (!i || round->cuts[i].container_id != round->cuts[i - 1].container_id)
			round->heaps[round->heaps_num++].first = i;
		round->heaps[round->heaps_num - 1].num++;
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

/* --- hands --- */

static void destroy(struct hand *hand, struct diag *diag, const struct heap *heap)
{
	struct round *round = hand->round;

	__atomic_store_n(&hand->container_id, round->cuts[heap->first].container_id,
			 __ATOMIC_RELEASE);
	for (size_t i = heap->first; i < heap->first + heap->num; i++) {
		int err = diag_destroy(diag, &round->cuts[i].socket);

		if (!err) {
			counter_inc(connections_cut);
			__atomic_fetch_add(&round->destroyed, 1, __ATOMIC_RELAXED);
			denial_cut(round->cuts[i].cookie);
		} else if (err != -ENOENT) {
			__atomic_store_n(&round->error, err, __ATOMIC_RELAXED);
		}
		__atomic_fetch_add(&round->progress, 1, __ATOMIC_RELAXED);
	}
	__atomic_store_n(&hand->container_id, 0, __ATOMIC_RELEASE);
}

static void hand_run(struct aside *aside)
{
	struct hand *hand = caa_container_of(aside, struct hand, aside);
	struct round *round = hand->round;
	struct diag *diag = diag_open(-1);
	size_t n;

	if (!diag) {
		__atomic_store_n(&round->error, -errno, __ATOMIC_RELAXED);
		return;
	}
	while ((n = __atomic_fetch_add(&round->next, 1, __ATOMIC_ACQ_REL)) < round->heaps_num)
		if (round->heaps[n].num)
			destroy(hand, diag, &round->heaps[n]);
	diag_close(diag);
}

static void proceed(void);

/* The last hand of a round says what has become of it. */
static void say(const struct round *round)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	log_info("policy: %llu live connections were cut, %lld ms after it was decided",
		 (unsigned long long)round->destroyed,
		 (long long)(now.tv_sec - round->began.tv_sec) * 1000 +
		 (now.tv_nsec - round->began.tv_nsec) / 1000000);
}

static void hand_done(struct aside *aside)
{
	struct hand *hand = caa_container_of(aside, struct hand, aside);
	struct round *round = hand->round;

	cds_list_del(&hand->node);
	cutting.wanted |= hand->passed_over;
	if (round == cutting.round) {
		cutting.round = NULL;
		round->refs--;
	}
	if (round->refs == 1 && round->destroyed)
		say(round);
	round_put(round);
	free(hand);
	housekeeping_hurry();
	proceed();
}

static void hand_start(struct round *round)
{
	struct hand *hand = calloc(1, sizeof(*hand));

	if (!hand)
		return;
	hand->round = round;
	hand->aside.run = hand_run;
	hand->aside.done = hand_done;
	round->refs++;
	cds_list_add_tail(&hand->node, &hands);
	if (!aside_start(&hand->aside))
		return;
	cds_list_del(&hand->node);
	round->refs--;
	free(hand);
}

static bool is_dealt(const struct round *round)
{
	return __atomic_load_n(&round->next, __ATOMIC_ACQUIRE) >= round->heaps_num;
}

/* Whoever keeps the hands waits for itself alone. */
static void look_handle(struct loop_timer *timer)
{
	struct round *round = cutting.round;
	uint64_t progress;

	if (!round || cutting.sweeping)
		return;
	if (is_dealt(round)) {
		cutting.round = NULL;
		round_put(round);
		proceed();
		return;
	}
	progress = __atomic_load_n(&round->progress, __ATOMIC_RELAXED);
	if (progress == cutting.progress)
		hand_start(round);
	cutting.progress = progress;
	loop_timer_set(cutting.loop, timer, CUTTING_SLOW_MS);
}

/* --- one sweep after the other --- */

/* A thread may wait for that container already, and one is enough. */
static void pass_over(struct round *round)
{
	struct hand *hand;

	cds_list_for_each_entry(hand, &hands, node) {
		uint32_t id = __atomic_load_n(&hand->container_id, __ATOMIC_ACQUIRE);

		for (size_t i = 0; id && i < round->heaps_num; i++) {
			struct heap *heap = &round->heaps[i];

			if (!heap->num || round->cuts[heap->first].container_id != id)
				continue;
			heap->num = 0;
			hand->passed_over = true;
		}
	}
}

static void sweep_done(struct aside *unused)
{
	static struct log_limit limit = { .burst = 1 };
	struct round *round = cutting.round;

	(void)unused;
	cutting.sweeping = false;
	if (round->error && log_limit_ok(&limit))
		log_warning("cannot end or change connections as the policy says: %s; trying again",
			    strerror(-round->error));
	if (round->unchanged)
		log_info("policy: %zu live connections keep the rate, TOS or priority that they "
			 "began with", round->unchanged);
	cutting.idle = round->num || round->error ? 0 : cutting.idle + 1;
	if (round->heaps_num) {
		pass_over(round);
		cutting.progress = 0;
		hand_start(round);
		loop_timer_set(cutting.loop, &cutting.look, CUTTING_SLOW_MS);
		return;
	}
	cutting.round = NULL;
	round_put(round);
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
		round->refs = 1;
		clock_gettime(CLOCK_MONOTONIC, &round->began);
		cutting.round = round;
		cutting.sweeping = true;
		if (!aside_start(&cutting.sweep))
			return;
		cutting.sweeping = false;
		cutting.round = NULL;
		round_put(round);
	}
	later();
}

/* A sweep is over, and what it has found is dealt out. */
static void proceed(void)
{
	if (cutting.round)
		return;
	if (cutting.wanted)
		sweep_start();
	else if (cutting.idle < SWEEPS_IDLE)
		later();
}

static void again_handle(struct loop_timer *unused)
{
	(void)unused;
	if (!cutting.round)
		sweep_start();
}

void cutting_init(struct loop *control)
{
	cutting.loop = control;
	cutting.look.handle = look_handle;
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
	loop_timer_clear(cutting.loop, &cutting.look);
	loop_timer_clear(cutting.loop, &cutting.again);
}
