/* SPDX-License-Identifier: MIT */
/*
 * claim.h - a shim asks for the connection behind a ticket
 */
#ifndef CLAIM_H
#define CLAIM_H

#include "../include/slim/channel.h"

struct channel;
struct worker;

/* Answers a CLAIM; the channel's worker, under the read lock. */
void claim_answer(struct channel *channel, const struct slim_claim *request);

/* Leaves unanswered what others have given @worker to answer. Nobody runs it any more; read lock held. */
void claims_drop(struct worker *worker);

#endif
