/* SPDX-License-Identifier: MIT */
/*
 * exchange.c - one question on an open channel, and its answer
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "debug.h"
#include "exchange.h"
#include "frame.h"
#include "late.h"
#include "question.h"
#include "slot.h"
#include "sys.h"

static int too_late(const struct question *question)
{
	debug_say("no answer from the router in time to request %d", question->type);
	return -ETIMEDOUT;
}

/* Comes the descriptor of this one's reply by the passing socket? */
static bool is_passed(const struct slot *slot, const struct question *question)
{
	return slot->passing_cookie && (question->reply_type == SLIM_FRAME_CLAIM_REPLY ||
					question->reply_type == SLIM_FRAME_CONNECT_REPLY);
}

static int receive(const struct slot *slot, uint32_t id, const struct question *question)
{
	int err = frame_receive(slot->fd, id, question, 0);

	if (!err && frame_has_passed(slot, question))
		err = frame_receive_passed(slot, id, question) ? -EPROTO : 0;
	return err;
}

/* What a router that was killed has handed over, the next one lets go of. */
static int end_broken(struct slot *slot, uint32_t id, const struct question *question)
{
	int err = is_passed(slot, question) ? frame_receive_last(slot, id, question) : -ECONNRESET;

	slot_close(slot);
	return err ? -ECONNRESET : 0;
}

/* Nothing can follow what is there now. */
static int end_late(struct state *state, struct slot *slot, uint32_t id, const struct question *question)
{
	int err;

	sys_shutdown(slot->fd, SHUT_RDWR);
	err = frame_receive(slot->fd, id, question, MSG_DONTWAIT);
	if (is_passed(slot, question) && (err || frame_has_passed(slot, question)))
		err = frame_receive_last(slot, id, question);
	slot_close(slot);
	if (err && !question->last && slot_is_kept(state, slot))
		late_probe(state, slot);
	return err ? too_late(question) : 0;
}

int exchange(struct state *state, struct slot *slot, const struct question *question)
{
	uint32_t id = slot_next_id(slot);
	int err = frame_send(slot->fd, question, id);

	if (err)
		slot_close(slot);
	if (err || !question->reply)
		return err;
	err = receive(slot, id, question);
	if (!err) {
		late_answered(state);
		return 0;
	}
	if (err != -EAGAIN)
		return end_broken(slot, id, question);
	if (question->last || question->type == SLIM_FRAME_CONNECT)
		return end_late(state, slot, id, question);
	if (slot_is_kept(state, slot))
		late_owe(state, slot);
	return too_late(question);
}
