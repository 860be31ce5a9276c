/* SPDX-License-Identifier: MIT */
/*
 * peer_state.h - what peer.c, peer_dial.c and peer_incoming.c share
 *
 * Theory of operation: of two hosts, the one with the smaller id dials and the other one
 * waits, so there is one channel and no race. A peer is *up* from its HELLO on until that channel
 * ends. A new channel takes the old one's place when its HELLO has come, not before. Where it
 * comes from a router that has started anew, the old one is closed then, and with it goes all that
 * was announced. From the same router it brings new keys (peer_dial.c opens one now and then):
 * the old one is retired, nothing of it is heard any more, but it stays until the other side has changed over
 * too; announcements stay until the new account leaves them out.
 *
 * Where both ends wait (one has the other's key wrong), neither would learn why. So the one that
 * waits knocks: it dials now and then, looks at the other's key, and goes away.
 *
 * The table of peers is made at start, sorted by host id, and never changes. In a
 * peer, workers read what is marked [w]; those change by atomic stores or, the keys, by RCU.
 */
#ifndef PEER_STATE_H
#define PEER_STATE_H

#include "allowance.h"
#include "peer.h"
#include "peer_channel.h"
#include "peer_key.h"
#include "syndata.h"

#define PEER_WARNING		192

/* Messages of a peer: at once, each second, and for how many one about a container counts (which
 * moves entries of the packet path). Two full accounts of what a host may announce fit. */
#define PEER_BURST		1500000u
#define PEER_RATE		10000u
#define PEER_CONTAINER_COST	10u

/* Questions about the policy at once, and each second; what is more gets no answer. */
#define PEER_QUESTIONS_BURST	100u
#define PEER_QUESTIONS_RATE	50u

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
	uint16_t version;			/* of the wire, that it speaks; 0: not known yet [w] */
	unsigned int fill[SLIM_WIRE_PORTS];	/* [w] */
	bool up;				/* [w] */
	uint64_t heard;				/* [w] ms of CLOCK_MONOTONIC */
	struct peer_keys keys;			/* [w] */
	struct syndata syndata;			/* [w] */

	struct directory_owner owner;
	struct peer_channel *channel;		/* up */
	struct peer_channel *retired;		/* its place was taken by @channel */
	struct peer_channel *attempt;		/* being dialled */
	unsigned int attempts;
	struct loop_timer redial;
	uint64_t since, instance;
	uint64_t keyed_at;			/* ms */
	unsigned int rtt_us;			/* [w] */
	struct allowance allowance;
	struct allowance questions;		/* about this host's policy */
	unsigned int slowed, refused;
	uint64_t slowed_said_at, said_at;	/* ms; 0: never */
	char error[PEER_CHANNEL_ERROR], said[PEER_CHANNEL_ERROR];
	char warning[PEER_WARNING];
	bool warned;				/* in the account that is coming in */
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

/* By one of its configured addresses, or NULL. */
struct peer *peer_by_address(const struct in6_addr *addr);

/* --- peer_fault.c --- */

/* Why there is no channel. */
void peer_error_set(struct peer *peer, const char *why);
void peer_error_clear(struct peer *peer);
/* Whoever is at the other end has a key that it should not have. */
void peer_key_refuse(struct peer_channel *channel, const uint8_t *public_key);
void peer_handshake_failed(struct peer_channel *channel, const char *why);

/* --- peer_dial.c --- */

/* Whether it is this host's part to dial. */
bool peer_dials(const struct peer *peer);
/* Dial in time: soon, if it is for us to do and there is no channel. */
void peer_dial_start(struct peer *peer);
void peer_dial_stop(struct peer *peer);

/* --- peer_incoming.c --- */

void peer_incoming_init(void);
void peer_incoming_exit(void);
/* An accepted channel said HELLO, or ended before it did. */
void peer_incoming_done(struct peer_channel *channel);

#endif
