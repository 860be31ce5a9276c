/* SPDX-License-Identifier: MIT */
/*
 * consultation.h - routers ask each other what their policies say
 *
 * For operators: a connection is judged by both hosts, each by its own policy. Control thread, as all of
 * these, read lock held.
 */
#ifndef CONSULTATION_H
#define CONSULTATION_H

#include <stdbool.h>
#include <stdint.h>
#include <urcu/list.h>

#include "loop.h"
#include "policy_force.h"

#define CONSULTATION_WAIT	1000	/* ms for an answer */

struct peer;

/* @rule: "FILE:LINE", empty: none matches; @line: its text */
struct consultation_answer {
	bool allowed;
	const char *rule, *line;
};

/* @done: called once, with NULL where no answer came in time; the caller's again from then on. The rest is
 * not for the caller. */
struct consultation {
	void (*done)(struct consultation *consultation, const struct consultation_answer *answer);
	struct cds_list_head node;
	struct loop_timer timer;
	struct peer *peer;
	uint64_t token;
};

/* From now on others get answers. */
void consultations_init(struct loop *control);
void consultations_exit(void);

/* Asks @peer, whose channel is up. */
void consultation_start(struct consultation *consultation, struct peer *peer,
			const struct policy_question *question);
/* @done is not called any more. */
void consultation_cancel(struct consultation *consultation);

#endif
