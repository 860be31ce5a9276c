/* SPDX-License-Identifier: MIT */
/*
 * peer_state.h - what peer.c, peer_dial.c and peer_incoming.c share
 *
 * Theory of operation: of two hosts, the one with the smaller id dials and the other one
 * waits, so there is one channel and no race. A peer is *up* from its HELLO on until that channel
 * ends. A new channel takes the old one's place when its HELLO has come, not before: whoever
 * dials anew has given the old one up.
 *
 * The table of peers is made at start, sorted by host id, and never changes. In a
 * peer, workers read what is marked [w]; those change by atomic stores or, the keys, by RCU.
 */
#ifndef PEER_STATE_H
#define PEER_STATE_H

#include "peer.h"
#include "peer_channel.h"
#include "peer_key.h"

struct peer {
	char name[CONFIG_NAME_MAX];
	uint8_t public_key[CONFIG_PUBLIC_KEY_LEN];
	uint64_t host_id;
	const struct in6_addr *addresses;	/* the configuration's */
	size_t addresses_num;
	uint16_t port;
	bool self;

	const struct in6_addr *address;		/* [w] one of @addresses */
	uint16_t port_first, port_last;		/* [w] */
	unsigned int fill[SLIM_WIRE_PORTS];	/* [w] */
	bool up;				/* [w] */
	uint64_t heard;				/* [w] ms of CLOCK_MONOTONIC */
	struct peer_keys keys;			/* [w] */

	struct directory_owner owner;
	struct peer_channel *channel;		/* up */
	struct peer_channel *attempt;		/* being dialled */
	unsigned int attempts;
	struct loop_timer redial;
	uint64_t since, instance;
	unsigned int rtt_us;
	char error[PEER_CHANNEL_ERROR];
};

struct peers {
	const struct config *config;
	struct loop *loop;
	SSL_CTX *tls;
	struct peer *self;
	struct peer **sorted;			/* by host id, self included */
	size_t num;
	uint64_t instance;
	struct peer_counters counters;		/* atomic */
};

extern struct peers peers;

#define peers_count(name) \
	((void)__atomic_fetch_add(&peers.counters.name, 1, __ATOMIC_RELAXED))

/* Why there is no channel: for people. */
void peer_error_set(struct peer *peer, const char *why);

/* --- peer_dial.c --- */

/* Whether it is this host's part to dial. */
bool peer_dials(const struct peer *peer);
/* Dial soon, if it is for us to do. */
void peer_dial_start(struct peer *peer);
void peer_dial_stop(struct peer *peer);

/* --- peer_incoming.c --- */

void peer_incoming_init(void);
void peer_incoming_exit(void);
/* An accepted channel said HELLO, or ended before it did. */
void peer_incoming_done(struct peer_channel *channel);

#endif
