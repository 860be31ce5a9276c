/* SPDX-License-Identifier: MIT */
/*
 * inbound.h - slim connections that come to this host's containers
 *
 * Theory of operation: the worker that accepted a connection owns its struct inbound
 * and alone frees it. Its states:
 *
 *   PREAMBLE	the first bytes have not all come; watched and timed
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
 */
#ifndef INBOUND_H
#define INBOUND_H

#include <stdbool.h>
#include <stdint.h>
#include <urcu.h>
#include <urcu/list.h>
#include <urcu/rculfhash.h>

#include "../core/preamble.h"
#include "../include/slim/channel.h"
#include "loop.h"

struct channel;
struct container;
struct ledger_entry;
struct relay;
struct ticket;
struct worker;

enum inbound_state {
	INBOUND_PREAMBLE,
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
	struct cds_list_head node;	/* worker->inbounds */
	struct loop_event event;	/* the slim connection */
	struct loop_event ticket_event;
	bool watching, watching_ticket;
	struct loop_timer timer;
	struct slim_endpoint host_peer;
	uint16_t host_port;		/* the slim port */

	uint8_t bytes[PREAMBLE_MAX];
	unsigned int bytes_num;

	struct container *container;	/* reference held */
	struct ticket *ticket;
	uint16_t ticket_port;
	int ticket_family;
	struct slim_endpoint local, peer;	/* virtual */
	uint64_t cookie;
	struct ledger_entry *entry;	/* under the read lock of the batch that made it */
	bool defer, deferred_byte;	/* the listener's TCP_DEFER_ACCEPT; its byte is sent */
	bool held;
	uint64_t connected_at, accepted_at;	/* ms; accepted_at: when it was seen */
	uint64_t ticket_cookie;
	struct relay *relay;

	struct cds_lfht_node pending_node;
	struct rcu_head rcu;
};

int inbounds_init(void);

/*
 * A connection was accepted on slim port @port from @host_peer: owns @fd. In @worker, under the read
 * lock; never blocks. @peers: TLS clients are welcome on this port.
 */
void inbound_start(struct worker *worker, int fd, const struct slim_endpoint *host_peer,
		   uint16_t port, bool peers);

/* Answers a CLAIM. */
void inbound_claim(struct channel *channel, const struct slim_claim *request);

/* Owner only: ends it, whatever it is doing. */
void inbound_abort(struct inbound *inbound);

/* Owner only: its relay is over. */
void inbound_relay_done(struct inbound *inbound);

#endif
