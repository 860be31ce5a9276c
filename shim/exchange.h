/* SPDX-License-Identifier: MIT */
/*
 * exchange.h - one question on an open channel, and its answer
 */
#ifndef SHIM_EXCHANGE_H
#define SHIM_EXCHANGE_H

struct question;
struct slot;
struct state;

/**
 * exchange() - sends a request, and waits for its reply, if it has one
 * @slot:	the caller's, with a channel; it may have none, or another one, afterwards
 *
 * Returns 0, or -EPIPE: it was not sent, and may be on another channel; -ETIMEDOUT: no reply came in
 * time; -ECONNRESET: the channel has ended, or what came makes no sense. @question->fd is set where 0 is
 * returned, alone. The caller holds the signals.
 */
int exchange(struct state *state, struct slot *slot, const struct question *question);

#endif
