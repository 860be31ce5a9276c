/* SPDX-License-Identifier: MIT */
/*
 * peer_key.h - the keys that preambles between two hosts are sealed with
 *
 * Theory of operation: every peer channel yields a generation: a key for each
 * direction, and an id. It is installed, that is: good for receiving, as soon as the TLS
 * handshake is done, and chosen for sending once the other's HELLO has come over that
 * channel, because the other installed it before it said HELLO. The chosen one stays good,
 * whatever becomes of its channel. The older ones do for a while, since a SYN may be sent again
 * minutes later, and both hosts may dial when a wire heals.
 *
 * The control thread is the one writer. Workers read under the RCU read lock; a replaced
 * generation is freed by call_rcu(). In a generation, @sequence, @chosen, @expires and @replay
 * change by atomic operations, the rest never.
 *
 * A generation outlives the router, in a state file: the next one goes on with its sequence
 * numbers and its window, since peers seal with it until they have a new channel.
 */
#ifndef PEER_KEY_H
#define PEER_KEY_H

#include <stdbool.h>
#include <stdint.h>
#include <urcu.h>

#include "mac.h"

#include "../core/preamble.h"
#include "../core/replay.h"

struct statefile_layout;

/* Of its state file */
extern const struct statefile_layout peer_key_layout;

#define PEER_KEY_GENERATIONS	8

/* s, that a generation stays good for receiving when a later one is chosen: as long as a kernel
 * tries to connect (tcp(7), tcp_syn_retries) */
#define PEER_KEY_KEEP	130

/* As it lies in the state file, up to @sequence checked. */
struct peer_key_record {
	uint64_t host_id;		/* the peer's */
	uint64_t order;			/* the later, the higher */
	uint32_t id;
	uint8_t send[MAC_KEY_LEN], receive[MAC_KEY_LEN];
	uint32_t unused;
	uint64_t sequence;		/* the next to send */
	uint64_t chosen;		/* 1: the peer is known to have it */
	uint64_t expires;		/* s of CLOCK_BOOTTIME; 0: not yet known */
	struct replay replay;
};

struct peer_key {
	struct peer_key_record *record;
	unsigned int holds;		/* writer's: how many pointers below name it */
	bool filed;			/* its record is in the state file */
	bool kept;			/* it is let go, not replaced */
	struct rcu_head rcu;
};

/* All zero at first, but for @host_id. */
struct peer_keys {
	uint64_t host_id;		/* the peer's */
	struct peer_key *receive[PEER_KEY_GENERATIONS];	/* latest first, no gaps */
	struct peer_key *send;		/* one of them */
};

/*
 * Opens the state file in @directory, where keys are kept from now on; before that they are kept in
 * memory. 0 or -errno (logged).
 */
int peer_keys_open_file(const char *directory);
/* Closes it; the keys stay there. All struct peer_keys have been let go. */
void peer_keys_close_file(void);

/* What the file holds for hosts that are none of these is of no use any more. */
void peer_keys_forget_others(const struct peer_keys *const *keys, size_t num);

/* Takes up what an earlier router left for @keys->host_id; returns how many generations. */
unsigned int peer_keys_restore(struct peer_keys *keys);

/**
 * peer_keys_install() - a new generation to receive with
 * @material:	SLIM_WIRE_EXPORTER_LEN bytes of the TLS exporter
 * @client:	this side was the TLS client
 *
 * Where there is no room, the oldest goes that is not the chosen one. Returns it, or NULL without
 * memory. It stays valid for peer_keys_choose() while it is installed.
 */
struct peer_key *peer_keys_install(struct peer_keys *keys, const uint8_t *material,
				   bool client);

/* Send with @key from now on, if it is still installed; older ones are good for PEER_KEY_KEEP more. */
void peer_keys_choose(struct peer_keys *keys, const struct peer_key *key);

/* Lets go of what has expired: to be called now and then. */
void peer_keys_expire(struct peer_keys *keys);

/* A random generation, installed and chosen, whose two directions have one key: for a host with
 * itself. 0 or -errno. */
int peer_keys_self(struct peer_keys *keys);

/* Lets go of all of them; they stay in the state file. */
void peer_keys_exit(struct peer_keys *keys);

/*
 * Completes and writes @fields (all but key, sequence and MAC is there). Its length, or -ENOKEY
 * where no key was chosen or it is used up, or another -errno. Any thread, read lock held.
 */
int peer_keys_seal(struct peer_keys *keys, struct mac *mac, struct preamble *fields,
		   uint8_t *out);

/* Checks key, MAC and sequence number of @fields, which preamble_decode() made of @data:
 * 0, -EKEYEXPIRED, -EKEYREJECTED, -EALREADY. Any thread, read lock held. */
int peer_keys_open(struct peer_keys *keys, struct mac *mac, const uint8_t *data, size_t len,
		   const struct preamble *fields);

#endif
