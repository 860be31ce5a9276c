/* SPDX-License-Identifier: MIT */
/*
 * dealing.h - work on sockets of containers, dealt out so that none holds up the others'
 *
 * Theory of operation: a container can have a socket locked, and SOCK_DESTROY waits for it, for as long
 * as the container likes (aside.h). So the work is put into heaps, one for each container, which a thread
 * (a *hand*) takes one after the other; where that gets no further within DEALING_SLOW_MS, another hand
 * takes the rest. A hand that is kept says at which socket, and the next deals leave that socket out, so that
 * a container's other ones do not wait for it. Only so many may be kept by one container (DEALING_KEPT_MAX):
 * the next deals pass it over then, and also while a hand there gets on; they say so when it is free again.
 */
#ifndef DEALING_H
#define DEALING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <urcu/list.h>

#include "loop.h"

#define DEALING_SLOW_MS		20
#define DEALING_KEPT_MAX	8
#define DEALING_HANDS_MANY	256	/* from so many on, a container keeps one alone */

/* What deal_take() is told of work on several of a container's sockets */
#define DEAL_SEVERAL		UINT64_MAX

struct deal_hand;

/* What keeps a hand; (cookies may be a namespace's own) */
struct deal_keeper {
	uint64_t cookie;
	uint32_t container_id;
};

/* What is to be done about one container; @first and @num: whatever they mean to the work */
struct deal_heap {
	uint32_t container_id;		/* 0: passed over */
	unsigned int kept;		/* hands of earlier deals that it keeps */
	size_t first, num;
};

/**
 * struct deal - what is dealt at one time; zero-filled but for these
 * @heaps:	@heaps_num of them, of a container each; the owner's
 * @work:	called for each in a hand's thread, outside of any read section
 * @free:	called in the control thread when nobody has it any more
 */
struct deal {
	struct deal_heap *heaps;
	size_t heaps_num;
	void (*work)(struct deal_hand *hand, struct deal *deal, const struct deal_heap *heap);
	void (*free)(struct deal *deal);
	/* private */
	unsigned int refs;
	size_t next;			/* the heap that nobody has taken yet; atomic */
	uint64_t progress;		/* atomic */
	struct deal_keeper *left_out;	/* sorted */
	size_t left_out_num;
};

/**
 * struct dealing - one kind of such work, a deal at a time; control thread
 * @freed:	called when there is room for another deal, when a hand is kept, and when one has ended.
 *		@missed: another deal would find more to do: that hand's container was passed over, or has
 *		sockets that nobody has got to because of it
 */
struct dealing {
	void (*freed)(struct dealing *dealing, bool missed);
	/* private */
	struct loop *loop;
	struct deal *deal;		/* whose heaps are not all taken */
	struct loop_timer look;
	struct cds_list_head hands;
	size_t hands_num;
	uint64_t progress;		/* of the deal, at the last look */
};

void dealing_init(struct dealing *dealing, struct loop *control);

/* Is there a deal whose heaps are not all taken? Then there is no room for another. */
bool dealing_is_busy(const struct dealing *dealing);

/* Not busy; owns @deal from now on. */
void dealing_start(struct dealing *dealing, struct deal *deal);

/*
 * From @work: it gets on, and comes to a socket that may keep it, or to DEAL_SEVERAL. False: that one keeps
 * another hand, and is left out.
 */
bool deal_take(struct deal_hand *hand, uint64_t cookie);

/* The control thread is out of its loop. */
void dealing_exit(struct dealing *dealing);

#endif
