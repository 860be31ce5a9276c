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
#include "reshaping.h"
#include "shaping.h"

#define AGAIN_MS	50	/* until the next sweep looks whether anything is left; twice as long each time */
#define AGAIN_MAX_MS	3200
#define SWEEPS_IDLE	2	/* in a row, that find nothing */
#define PAUSE		4	/* after a sweep, times what it took */
#define FEW		4	/* less than one in so many: the kernel is asked for each, and not for all that it has */

/* A socket that is to go; @found: the kernel knows it */
struct cut {
	uint64_t cookie;
	uint32_t container_id;
	bool found;
	struct diag_socket socket;
};

/*
 * What a sweep has found.
 * @all:	connections that there are
 * @nameless:	what the host calls some that are to go is not known
 * @destroyed:	those that were there; atomic
 * @differ:	some that stay are to have another rate, TOS or priority
 */
struct round {
	struct deal deal;
	struct cut *cuts;
	size_t num, max, all;
	uint64_t destroyed;
	bool differ, nameless;
	struct timespec began;
	int error;
};

static struct {
	struct loop *loop;
	struct aside sweep;
	struct loop_timer again;
	struct dealing dealing;
	struct round *round;	/* of the sweep that runs */
	bool wanted, urgent;
	unsigned int idle, delay;
	uint64_t due;			/* ms: the next one, unless it is urgent */
} cutting;

/* --- the sweep: a thread of its own --- */

static void collect(struct ledger_entry *entry, void *data)
{
	const struct ends ends = ledger_ends(entry);
	struct round *round = data;
	struct policy_verdict verdict;
	struct cut *cut;

	round->all++;
	policy_ask_tcp(&ends, &verdict);
	if (verdict.allowed) {
		const struct shaping now = shaping_of(verdict.rule);

		round->differ |= !entry->shaping.known || !shaping_equal(&entry->shaping, &now) ||
				 reshaping_is_unmarked(entry);
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
	cut = &round->cuts[round->num++];
	*cut = (struct cut){
		.cookie = entry->cookie, .container_id = entry->container_id,
	};
	if (!ledger_host_names(entry, &cut->socket.local, &cut->socket.peer))
		round->nameless = true;
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

static int find_by_dump(struct round *round, struct diag *diag)
{
	qsort(round->cuts, round->num, sizeof(*round->cuts), compare_cookies);
	return diag_dump(diag, DIAG_LIVE, 0, 0, false, find, round);
}

static int find_each(struct round *round, struct diag *diag)
{
	int err = 0;

	for (size_t i = 0; i < round->num && (!err || err == -ENOENT); i++) {
		struct cut *cut = &round->cuts[i];
		struct diag_socket socket;

		err = diag_find_live(diag, cut->cookie, &cut->socket.local, &cut->socket.peer, &socket);
		cut->found = !err;
		if (!err)
			cut->socket = socket;
	}
	return err == -ENOENT ? 0 : err;
}

static int find_sockets(struct round *round)
{
	struct diag *diag = diag_open(-1);
	int err = diag ? 0 : -errno;

	if (!err)
		err = round->nameless || round->num >= round->all / FEW ? find_by_dump(round, diag) :
		      find_each(round, diag);
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

static void sweep_run(struct aside *unused)
{
	struct round *round = cutting.round;
	int err;

	(void)unused;
	rcu_read_lock();
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

/* ms */
static long long age(const struct round *round)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (long long)(now.tv_sec - round->began.tv_sec) * 1000 +
	       (now.tv_nsec - round->began.tv_nsec) / 1000000;
}

static void say(const struct round *round)
{
	log_info("policy: %llu live connections were cut, %lld ms after it was decided",
		 (unsigned long long)round->destroyed, age(round));
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

static void say_error(int error)
{
	static struct log_limit limit = { .burst = 1 };

	if (log_limit_ok(&limit))
		log_warning("cannot end or change connections as the policy says: %s; trying again",
			    strerror(-error));
}

static void reshaped(int err)
{
	if (err) {
		cutting.idle = 0;
		say_error(err);
	}
	proceed();
}

static void sweep_done(struct aside *unused)
{
	struct round *round = cutting.round;
	bool found = round->num || round->error, differ = round->differ;

	(void)unused;
	cutting.round = NULL;
	cutting.due = loop_now(cutting.loop) + PAUSE * (uint64_t)age(round);
	if (round->error)
		say_error(round->error);
	cutting.idle = found ? 0 : cutting.idle + 1;
	if (round->deal.heaps_num)
		dealing_start(&cutting.dealing, &round->deal);
	else
		round_free(&round->deal);
	if (differ || !found)
		reshaping_start(differ, reshaped);
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

	cutting.wanted = cutting.urgent = false;
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

static bool is_under_way(void)
{
	return cutting.round || reshaping_is_running() || dealing_is_busy(&cutting.dealing);
}

/* A sweep is over, what it has found is dealt out, and the others are changed. */
static void proceed(void)
{
	uint64_t now = loop_now(cutting.loop);

	if (is_under_way())
		return;
	if (cutting.wanted && (cutting.urgent || now >= cutting.due))
		sweep_start();
	else if (cutting.wanted)
		loop_timer_set(cutting.loop, &cutting.again, (unsigned int)(cutting.due - now));
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
	if (!is_under_way())
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
	cutting.urgent = true;
	cutting_start_soon();
}

void cutting_start_soon(void)
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
