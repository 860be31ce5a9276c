/* SPDX-License-Identifier: MIT */
/*
 * late.c - a router that does not answer in time
 *
 * Theory of operation: it is slow, and requests fail at once, until it has answered anybody. The channel on
 * which an answer is owed is kept and looked at without waiting; what comes there is thrown away. Answers may
 * be owed on several channels, and one of them may never come: any one is enough, and those that are owed still
 * when the router is slow no more cost their channels. Where none comes, the router is asked anew each second, by a
 * HELLO that nobody waits for, on a channel in the place of one that owes.
 *
 * The late reply to a CONNECT would bring a connection that somebody has accepted and nobody
 * uses, and keep it for as long as the program asks nothing more. So that channel is closed (exchange.c), and
 * another one, with such a HELLO, takes its place as the one to look at.
 */
#include <errno.h>
#include <sys/socket.h>

#include "channel_socket.h"
#include "clock.h"
#include "frame.h"
#include "late.h"
#include "question.h"
#include "slot.h"
#include "sys.h"

#define RETRY_MS	1000

void late_answered(struct state *state)
{
	if (__atomic_load_n(&state->ask_at, __ATOMIC_RELAXED))
		__atomic_store_n(&state->ask_at, 0, __ATOMIC_RELAXED);
}

static void ask_later(struct state *state)
{
	__atomic_store_n(&state->ask_at, clock_ms() + RETRY_MS, __ATOMIC_RELAXED);
}

void late_owe(struct state *state, struct slot *slot)
{
	__atomic_store_n(&slot->late, 1, __ATOMIC_RELAXED);
	ask_later(state);
}

void late_probe(struct state *state, struct slot *slot)
{
	struct slim_hello request;
	struct question question = { .type = SLIM_FRAME_HELLO, .request = &request, .len = sizeof(request) };
	int fd;

	slot_close(slot);
	ask_later(state);
	fd = channel_socket_open();
	if (fd < 0)
		return;
	slot_open(state, slot, fd);
	if (frame_send(fd, &question, slot_next_id(slot))) {
		slot_close(slot);
		return;
	}
	slot->probe = 1;
	__atomic_store_n(&slot->late, 1, __ATOMIC_RELAXED);
}

/* Is the reply that was owed not there yet? One that is there now came too late, and is thrown away. */
static bool still_owes(struct state *state, struct slot *slot)
{
	char frame[SLIM_FRAME_MAX];
	int fd = -1, err;
	/* Of whatever type it is: only that it came counts. No request has the id 0. */
	struct question any = {
		.reply_type = SLIM_FRAME_UNSPEC, .reply = frame, .reply_len = sizeof(frame), .fd = &fd,
	};

	err = frame_receive(slot->fd, 0, &any, MSG_DONTWAIT);
	if (err == -EAGAIN)
		return true;
	__atomic_store_n(&slot->late, 0, __ATOMIC_RELAXED);
	late_answered(state);
	/* What it was about is closed, too. */
	frame_receive_passed(slot, 0, &any);
	if (err != -EPROTO || slot->probe)
		slot_close(slot);
	return false;
}

int late_look(struct state *state, struct slot *slot)
{
	if (slot->cookie && !slot_is_there(slot)) {
		if (slot_is_parents(slot))
			return -ECHILD;
		/* Closed by the program, or a vforked child's; the number may be the program's own now. */
		if (slot->late)
			late_answered(state);
		slot_close(slot);
	}
	return slot->late && still_owes(state, slot);
}

/* Looks for owed answers. Returns whether one has come. */
static bool has_answered(struct state *state)
{
	for (int i = 0; i < SLOTS; i++) {
		struct slot *slot = &state->slots[i];
		int late;

		if (!__atomic_load_n(&slot->late, __ATOMIC_RELAXED) || !slot_try(slot))
			continue;
		late = late_look(state, slot);
		slot_give(slot);
		if (!late)
			return true;
	}
	return false;
}

static void ask_anew(struct state *state)
{
	struct slot *slot = slot_take(state, true);

	if (!slot)
		return;
	/* A vforked child leaves its parent's channels alone. */
	if (!slot_is_parents(slot))
		late_probe(state, slot);
	slot_give(slot);
}

bool late_is_slow(struct state *state)
{
	uint64_t at = __atomic_load_n(&state->ask_at, __ATOMIC_RELAXED), now;

	if (!at || has_answered(state))
		return false;
	/* Only one asks. */
	now = clock_ms();
	if (now >= at && __atomic_compare_exchange_n(&state->ask_at, &at, now + RETRY_MS, false,
						     __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		ask_anew(state);
	return true;
}
