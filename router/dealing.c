/* SPDX-License-Identifier: MIT */
/* dealing.c - work on sockets of containers, dealt out so that none holds up the others' */
#include "dealing.h"

#include <stdlib.h>
#include <urcu/compiler.h>

#include "aside.h"

/* @container_id: whose sockets it is at, 0: nobody's; atomic */
struct hand {
	struct aside aside;
	struct dealing *dealing;
	struct deal *deal;
	uint32_t container_id;
	bool passed_over;	/* a later deal has left that container to it */
	struct cds_list_head node;
};

static void put(struct deal *deal)
{
	if (!--deal->refs)
		deal->free(deal);
}

void deal_progress(struct deal *deal)
{
	__atomic_fetch_add(&deal->progress, 1, __ATOMIC_RELAXED);
}

/* --- hands --- */

static void hand_run(struct aside *aside)
{
	struct hand *hand = caa_container_of(aside, struct hand, aside);
	struct deal *deal = hand->deal;
	size_t n;

	while ((n = __atomic_fetch_add(&deal->next, 1, __ATOMIC_ACQ_REL)) < deal->heaps_num) {
		if (!deal->heaps[n].container_id)
			continue;
		__atomic_store_n(&hand->container_id, deal->heaps[n].container_id,
				 __ATOMIC_RELEASE);
		deal->work(deal, &deal->heaps[n]);
		deal_progress(deal);
		__atomic_store_n(&hand->container_id, 0, __ATOMIC_RELEASE);
	}
}

static void hand_done(struct aside *aside)
{
	struct hand *hand = caa_container_of(aside, struct hand, aside);
	struct dealing *dealing = hand->dealing;
	struct deal *deal = hand->deal;
	bool missed = hand->passed_over;

	cds_list_del(&hand->node);
	free(hand);
	if (deal == dealing->deal) {
		dealing->deal = NULL;
		put(deal);
	}
	put(deal);
	dealing->freed(dealing, missed);
}

static void hand_start(struct dealing *dealing, struct deal *deal)
{
	struct hand *hand = calloc(1, sizeof(*hand));

	if (!hand)
		return;
	hand->dealing = dealing;
	hand->deal = deal;
	hand->aside.run = hand_run;
	hand->aside.done = hand_done;
	deal->refs++;
	cds_list_add_tail(&hand->node, &dealing->hands);
	if (!aside_start(&hand->aside))
		return;
	cds_list_del(&hand->node);
	deal->refs--;
	free(hand);
}

/* Whoever keeps the hands waits for itself alone. */
static void look_handle(struct loop_timer *timer)
{
	struct dealing *dealing = caa_container_of(timer, struct dealing, look);
	struct deal *deal = dealing->deal;
	uint64_t progress;

	if (!deal)
		return;
	if (__atomic_load_n(&deal->next, __ATOMIC_ACQUIRE) >= deal->heaps_num) {
		dealing->deal = NULL;
		put(deal);
		dealing->freed(dealing, false);
		return;
	}
	progress = __atomic_load_n(&deal->progress, __ATOMIC_RELAXED);
	if (progress == dealing->progress)
		hand_start(dealing, deal);
	dealing->progress = progress;
	loop_timer_set(dealing->loop, timer, DEALING_SLOW_MS);
}

/* A hand may wait for that container already, and one is enough. */
static void pass_over(struct dealing *dealing, struct deal *deal)
{
	struct hand *hand;

	cds_list_for_each_entry(hand, &dealing->hands, node) {
		uint32_t id = __atomic_load_n(&hand->container_id, __ATOMIC_ACQUIRE);

		for (size_t i = 0; id && i < deal->heaps_num; i++) {
			if (deal->heaps[i].container_id != id)
				continue;
			deal->heaps[i].container_id = 0;
			hand->passed_over = true;
		}
	}
}

void dealing_start(struct dealing *dealing, struct deal *deal)
{
	deal->refs = 1;
	deal->next = 0;
	deal->progress = 0;
	dealing->deal = deal;
	dealing->progress = 0;
	pass_over(dealing, deal);
	hand_start(dealing, deal);
	loop_timer_set(dealing->loop, &dealing->look, DEALING_SLOW_MS);
}

bool dealing_is_busy(const struct dealing *dealing)
{
	return dealing->deal;
}

void dealing_init(struct dealing *dealing, struct loop *control)
{
	dealing->loop = control;
	dealing->look.handle = look_handle;
	CDS_INIT_LIST_HEAD(&dealing->hands);
}

void dealing_exit(struct dealing *dealing)
{
	loop_timer_clear(dealing->loop, &dealing->look);
}
