/* SPDX-License-Identifier: MIT */
/*
 * quota.h - how many connections a container has by one rule of the policy, and has set up lately
 *
 * Theory of operation: a quota is what one source container has of one rule, counted at one end. The
 * rule's numbers come with each question, so that others hold at once. Who sets a connection up takes a
 * place before anything is sent; the connection's ledger entry sits on it from the moment on when there is
 * one, and leaves it when it leaves the ledger, however that comes. So a place is given back once.
 *
 * Set-ups are counted in slots of QUOTA_SLOT_MS. Those of the slot that runs and of the QUOTA_SLOTS - 1
 * before it count: there are never more than allowed in any second, and after as many at once the next one
 * may come 24 ms after a second at the latest.
 *
 * All is under one lock, which is held for some instructions, and which only connections by rules with
 * limits take. A quota that nobody needs is freed by a sweep.
 */
#ifndef QUOTA_H
#define QUOTA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <urcu/list.h>

#define QUOTA_SLOT_MS	16
#define QUOTA_SLOTS	64

struct quota;

/*
 * Hashed as bytes.
 * @rule:	policy_identity_of(); 0: none with limits
 * @host, @vni, @id:	the source container: whose it is, and its number there
 * @direction:	enum ledger_direction: which end counts
 */
struct quota_key {
	uint64_t rule, host;
	uint32_t vni, id;
	uint32_t direction, zero;
};

_Static_assert(sizeof(struct quota_key) == 32, "no padding: it is hashed as bytes");

/* How many at once and a second; 0: any number */
struct quota_limits {
	uint32_t connections, setups;
};

/* Embedded in a ledger entry; zero-filled: nowhere */
struct quota_seat {
	struct quota *quota;
	struct cds_list_head node;
};

/* Any thread may call all of these. */

/* Once; there is no harm in doing it again. 0 or -ENOMEM */
int quota_init(void);

/**
 * quota_take() - a place for a connection that is to be set up
 * @now:	ms of CLOCK_MONOTONIC
 * @quota:	set to whose place it is; quota_sit() or quota_give() ends that
 *
 * Returns 0, -EUSERS (it has as many connections), -EDQUOT (it has set up as many), -ENOMEM. Read lock
 * held.
 */
int quota_take(const struct quota_key *key, const struct quota_limits *limits, uint64_t now,
	       struct quota **quota);

/* Nobody sits on the place that was taken. The set-up counts all the same. */
void quota_give(struct quota *quota);

/* @seat has the place that was taken. */
void quota_sit(struct quota_seat *seat, struct quota *quota);

/* Gives the place back, if there is one. */
void quota_leave(struct quota_seat *seat);

/*
 * The seat is counted by @key (NULL: by none), whether there is a place or not. 0, or -ENOMEM: all is as
 * it was. Read lock held.
 */
int quota_move(struct quota_seat *seat, const struct quota_key *key);

/* A seat's connection was set up at @at, and a router has ended since. */
void quota_note(struct quota_seat *seat, uint64_t at, uint64_t now);

/* False: it is nowhere. */
bool quota_key_of(struct quota_seat *seat, struct quota_key *key);

/* Do more sit with @seat than may? Then it leaves, so that of several that ask as many stay as may. */
bool quota_yield(struct quota_seat *seat, const struct quota_limits *limits);

/*
 * Calls @each for @most of those that sit there, others than the last time if there are more. @each has the
 * lock, and calls nothing here. Does nothing if @key was looked at within @pause ms. Read lock held.
 */
void quota_look(const struct quota_key *key, size_t most, unsigned int pause, uint64_t now,
		void (*each)(struct quota_seat *seat, void *data), void *data);

/* Frees what nobody needs. Control thread; read lock held. */
void quota_sweep(uint64_t now);

/* How many there are. */
unsigned long quota_num(void);

#endif
