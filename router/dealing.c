/* SPDX-License-Identifier: MIT */
/* dealing.c - work on sockets of containers, dealt out so that none holds up the others' */
#include "dealing.h"

#include <stdlib.h>
#include <time.h>
#include <urcu/compiler.h>

#include "aside.h"

/*
 * @container_id: whose sockets it is at, 0: nobody's; @cookie: at which one, 0: at none that may keep it;
 *		@since: ms of now_ms(), never later than that became so. All atomic
 * @reported:	the socket that keeps it, as was said
 */
struct deal_hand {
	struct aside aside;
	struct dealing *dealing;
	struct deal *deal;
	uint32_t container_id;
	uint64_t cookie, since;
	uint64_t reported;
	bool missed;		/* a later deal has left something to it */
	struct cds_list_head node;
};

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void put(struct deal *deal)
{
	if (--deal->refs)
		return;
	free(deal->left_out);
	deal->free(deal);
}

/* --- hands: threads of their own --- */

static int compare_keepers(const void *a, const void *b)
{
	const struct deal_keeper *first = a, *second = b;

	if (first->cookie != second->cookie)
		return first->cookie < second->cookie ? -1 : 1;
	return first->container_id < second->container_id ? -1 :
	       first->container_id > second->container_id;
}

static void be_at(struct deal_hand *hand, uint64_t cookie)
{
	__atomic_store_n(&hand->since, now_ms(), __ATOMIC_RELEASE);
	__atomic_store_n(&hand->cookie, cookie, __ATOMIC_RELEASE);
	__atomic_fetch_add(&hand->deal->progress, 1, __ATOMIC_RELAXED);
}

bool deal_take(struct deal_hand *hand, uint64_t cookie)
{
	const struct deal_keeper keeper = { cookie, hand->container_id };
	const struct deal *deal = hand->deal;

	if (deal->left_out_num && bsearch(&keeper, deal->left_out, deal->left_out_num,
					  sizeof(keeper), compare_keepers))
		return false;
	be_at(hand, cookie);
	return true;
}

static void hand_run(struct aside *aside)
{
	struct deal_hand *hand = caa_container_of(aside, struct deal_hand, aside);
	struct deal *deal = hand->deal;
	size_t n;

	while ((n = __atomic_fetch_add(&deal->next, 1, __ATOMIC_ACQ_REL)) < deal->heaps_num) {
		if (!deal->heaps[n].container_id)
			continue;
		__atomic_store_n(&hand->container_id, deal->heaps[n].container_id,
				 __ATOMIC_RELEASE);
		deal->work(hand, deal, &deal->heaps[n]);
		be_at(hand, 0);
		__atomic_store_n(&hand->container_id, 0, __ATOMIC_RELEASE);
	}
}

/* --- in the control thread --- */

static void hand_free(struct deal_hand *hand)
{
	cds_list_del(&hand->node);
	hand->dealing->hands_num--;
	free(hand);
}

static void hand_done(struct aside *aside)
{
	struct deal_hand *hand = caa_container_of(aside, struct deal_hand, aside);
	struct dealing *dealing = hand->dealing;
	struct deal *deal = hand->deal;
	bool missed = hand->missed;

	hand_free(hand);
	if (deal == dealing->deal) {
		dealing->deal = NULL;
		put(deal);
	}
	put(deal);
	dealing->freed(dealing, missed);
}

static void hand_start(struct dealing *dealing, struct deal *deal)
{
	struct deal_hand *hand = calloc(1, sizeof(*hand));

	if (!hand)
		return;
	hand->dealing = dealing;
	hand->deal = deal;
	hand->aside.run = hand_run;
	hand->aside.done = hand_done;
	deal->refs++;
	cds_list_add_tail(&hand->node, &dealing->hands);
	dealing->hands_num++;
	if (!aside_start(&hand->aside))
		return;
	hand_free(hand);
	deal->refs--;
}

/* The socket that keeps it, or 0. */
static uint64_t keeper_of(const struct deal_hand *hand)
{
	uint64_t cookie = __atomic_load_n(&hand->cookie, __ATOMIC_ACQUIRE);

	return now_ms() - __atomic_load_n(&hand->since, __ATOMIC_ACQUIRE) >= DEALING_SLOW_MS ?
	       cookie : 0;
}

/* Is any kept by a socket that was not known to? Of those that are not kept, @more. */
static bool find_kept(struct dealing *dealing, bool *more)
{
	struct deal_hand *hand;
	bool found = false;

	cds_list_for_each_entry(hand, &dealing->hands, node) {
		uint64_t keeper = keeper_of(hand);

		*more |= !keeper;
		found |= keeper && keeper != hand->reported;
		hand->reported = keeper;
	}
	return found;
}

/* Whoever keeps the hands waits for itself alone. */
static void look_handle(struct loop_timer *timer)
{
	struct dealing *dealing = caa_container_of(timer, struct dealing, look);
	struct deal *deal = dealing->deal;
	bool more = false, kept = find_kept(dealing, &more), taken;
	uint64_t progress;

	taken = deal && __atomic_load_n(&deal->next, __ATOMIC_ACQUIRE) >= deal->heaps_num;
	if (taken) {
		dealing->deal = NULL;
		put(deal);
	} else if (deal) {
		progress = __atomic_load_n(&deal->progress, __ATOMIC_RELAXED);
		if (progress == dealing->progress)
			hand_start(dealing, deal);
		dealing->progress = progress;
	}
	if (dealing->deal || more)
		loop_timer_set(dealing->loop, timer, DEALING_SLOW_MS);
	if (taken || kept)
		dealing->freed(dealing, kept);
}

static struct deal_heap *heap_of(const struct deal *deal, const struct deal_hand *hand)
{
	uint32_t id = __atomic_load_n(&hand->container_id, __ATOMIC_ACQUIRE);

	for (size_t i = 0; id && i < deal->heaps_num; i++)
		if (deal->heaps[i].container_id == id)
			return &deal->heaps[i];
	return NULL;
}

/* Where hands are already: what keeps them is left out, or the whole container is passed over. */
static void heed_hands(struct dealing *dealing, struct deal *deal)
{
	unsigned int most = dealing->hands_num < DEALING_HANDS_MANY ? DEALING_KEPT_MAX : 1;
	struct deal_hand *hand;

	deal->left_out = calloc(dealing->hands_num + 1, sizeof(*deal->left_out));
	cds_list_for_each_entry(hand, &dealing->hands, node) {
		struct deal_heap *heap = heap_of(deal, hand);
		uint64_t keeper = keeper_of(hand);

		if (!heap)
			continue;
		hand->missed = true;
		heap->kept += keeper && deal->left_out ? 1 : most;
		if (keeper && keeper != DEAL_SEVERAL && deal->left_out)
			deal->left_out[deal->left_out_num++] = (struct deal_keeper){
				keeper, heap->container_id,
			};
	}
	for (size_t i = 0; i < deal->heaps_num; i++)
		if (deal->heaps[i].kept >= most)
			deal->heaps[i].container_id = 0;
	if (deal->left_out_num)
		qsort(deal->left_out, deal->left_out_num, sizeof(*deal->left_out), compare_keepers);
}

void dealing_start(struct dealing *dealing, struct deal *deal)
{
	deal->refs = 1;
	deal->next = 0;
	deal->progress = 0;
	dealing->deal = deal;
	dealing->progress = 0;
	heed_hands(dealing, deal);
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
