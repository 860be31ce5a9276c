/* SPDX-License-Identifier: MIT */
/*
 * inbound.h - slim connections that come to this host's containers
 *
 * Theory of operation: the worker that accepted a connection owns its struct inbound
 * and alone frees it. Its states:
 *
 *   PREAMBLE	the first bytes have not all come; watched and timed
 *   UNADMITTED	its preamble was accepted, but what it takes to go on is not there yet; tried
 *		again and again, and counted for its container
 *   WAITING	a ticket is out and nothing is watched; any worker may claim it
 *   OWNED	a ticket is out, but only the owner may deal with it (it is being connected,
 *		waits for a deferred byte, or is older than INBOUND_CHECK ms); other workers hand it claims
 *   CLAIMING	some worker is handing it over
 *   TAKEN	claimed: fd and ticket are gone; the owner frees it
 *   SPLICED	nobody claimed it: a relay carries the bytes; the owner's until that ends
 *
 * WAITING is left by one compare-and-swap; from OWNED the owner alone moves on. So
 * "claimed or spliced" is decided in one place. A ticket that becomes OWNED by its age is
 * looked after: sock_diag tells whether it was accepted; if so, and it is not claimed
 * within another INBOUND_GRACE ms, the router splices.
 *
 * inbound.c has the way from the slim port to the ticket, and all ends; waiting.c what
 * happens while a ticket is out; claim.c the shim's CLAIM.
 */
#ifndef INBOUND_H
#define INBOUND_H

#include <stdbool.h>
#include <stdint.h>
#include <urcu.h>
#include <urcu/list.h>

#include "../core/preamble.h"
#include "../include/slim/channel.h"
#include "loop.h"
#include "preambles.h"

struct channel;
struct container;
struct inflight;
struct peer;
struct relay;
struct ticket;
struct worker;

enum inbound_state {
	INBOUND_PREAMBLE,
	INBOUND_UNADMITTED,
	INBOUND_WAITING,
	INBOUND_OWNED,
	INBOUND_CLAIMING,
	INBOUND_TAKEN,
	INBOUND_SPLICED,
	INBOUND_STATE_NUM
};

struct inbound {
	enum inbound_state state;	/* atomic */
	struct worker *worker;		/* owner */
	struct preambles_entry entry;	/* worker->preambles; in PREAMBLE */
	struct cds_list_head node;	/* worker->inbounds; in all others */
	struct loop_event event;	/* the slim connection */
	struct loop_event ticket_event;
	bool watching, watching_ticket;
	struct loop_timer timer;
	uint64_t began_at;		/* ms */
	struct slim_endpoint host_peer;
	uint16_t host_port;		/* the slim port */

	uint8_t bytes[PREAMBLE_MAX];	/* not taken off the connection before it is whole */
	unsigned int bytes_num;
	int lowat;			/* what wakes us, if not 1 */
	struct inflight *record;	/* or NULL */
	bool recovered;			/* an earlier router had it */
	struct peer *from;		/* of a preamble that was accepted, or NULL */
	struct preamble fields;

	struct container *container;	/* reference held */
	struct ticket *ticket;
	struct slim_endpoint local, peer;	/* virtual */
	uint64_t cookie;
	uint64_t options;		/* the listener's, for the claim */
	uint32_t listener;		/* its serial number */
	bool shared;			/* several sockets listen: each ticket must have its own port */
	bool defer, deferred_byte;	/* the listener's TCP_DEFER_ACCEPT; its byte is sent */
	bool held;
	bool awaits_tuple;		/* its virtual 4-tuple was in use */
	bool awaits_place;		/* a rule's limit was reached */
	bool counted;			/* as a set-up, by the rule */
	bool decided;			/* by the policy, which may be asked again */
	bool handed;			/* by an earlier router, perhaps */
	bool answered;			/* surely: its shim had yet to read the answer */
	uint64_t connected_at, accepted_at;	/* ms; accepted_at: when it was seen */
	uint64_t ticket_cookie;
	struct relay *relay;
	uint64_t over_at;		/* ms: when its relay's streams had come to their ends; 0: they have not */
	int unguarded;			/* why it was not sealed, when it was to be claimed: -errno */

	struct rcu_head rcu;
};

/*
 * A connection was accepted on slim port @port from @host_peer: owns @fd. In @worker, under the read
 * lock; never blocks. @peers: TLS clients are welcome on this port.
 */
void inbound_start(struct worker *worker, int fd, const struct slim_endpoint *host_peer,
		   uint16_t port, bool peers);

/*
 * Goes on with what an earlier router left: @record says how far it had come; slim
 * connection (@fd), ticket and pipes have been taken (inherited.h), as far as they are there
 * (fields of @record are -1 where not). Owns it all. In @worker, under the read lock.
 */
void inbound_recover(struct worker *worker, struct inflight *record, int fd);

/* Owner only: ends it, whatever it is doing. */
void inbound_abort(struct inbound *inbound);

/* Owner only: its relay is over. */
void inbound_relay_done(struct inbound *inbound);

/* --- for waiting.c and claim.c --- */

static inline enum inbound_state inbound_state(const struct inbound *inbound)
{
	return __atomic_load_n(&inbound->state, __ATOMIC_ACQUIRE);
}

static inline void inbound_set_state(struct inbound *inbound, enum inbound_state state)
{
	__atomic_store_n(&inbound->state, state, __ATOMIC_RELEASE);
}

/* Leaves WAITING; true for the one that did it. */
static inline bool inbound_take(struct inbound *inbound, enum inbound_state to)
{
	enum inbound_state from = INBOUND_WAITING;

	return __atomic_compare_exchange_n(&inbound->state, &from, to, false,
					   __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

/* Owner only: from now on nobody else touches it. False: it was claimed before. */
static inline bool inbound_own(struct inbound *inbound)
{
	return inbound_take(inbound, INBOUND_OWNED) ||
	       inbound_state(inbound) == INBOUND_OWNED;
}

/*
 * Nobody may be told of its fds any more, also not by an epoll set that outlives our
 * descriptor because another process has one.
 */
void inbound_unwatch(struct inbound *inbound);

/* Owner only: it leaves PREAMBLE or UNADMITTED for @state. */
void inbound_enter(struct inbound *inbound, enum inbound_state state);

/* Whoever has it: no claim can find it any more, the ticket is gone. */
void inbound_end_ticket(struct inbound *inbound);

/* Owner only: its ticket came to nothing, the slim connection is reset. */
void inbound_reset(struct inbound *inbound);

/* Owner only: an application has it. */
void inbound_let_go(struct inbound *inbound);

/* Owner only: fd and ticket have been dealt with. */
void inbound_free(struct inbound *inbound);

#endif
