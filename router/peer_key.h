/* SPDX-License-Identifier: MIT */
/*
 * peer_key.h - the keys that preambles between two hosts are sealed with
 *
 * Theory of operation: every peer channel yields a generation: a key for each
 * direction, and an id. It is installed, that is: good for receiving, as soon as the TLS
 * handshake is done, and chosen for sending once the other's HELLO has come over that
 * channel, because the other installed it before it said HELLO. The two latest generations
 * stay good for receiving, and the chosen one for sending, whatever becomes of their channels.
 *
 * The control thread is the one writer. Workers read under the RCU read lock; a replaced
 * generation is freed by call_rcu(). In a generation, @sequence and @replay change by atomic
 * operations, the rest never.
 */
#ifndef PEER_KEY_H
#define PEER_KEY_H

#include <stdbool.h>
#include <stdint.h>
#include <urcu.h>

#include "mac.h"

#include "../core/preamble.h"
#include "../core/replay.h"

#define PEER_KEY_GENERATIONS	2

struct peer_key {
	uint32_t id;
	uint8_t send[MAC_KEY_LEN], receive[MAC_KEY_LEN];
	uint64_t sequence;		/* the next to send */
	struct replay replay;
	unsigned int holds;		/* writer's: how many pointers below name it */
	struct rcu_head rcu;
};

/* All zero at first. */
struct peer_keys {
	struct peer_key *receive[PEER_KEY_GENERATIONS];	/* latest first */
	struct peer_key *send;
};

/**
 * peer_keys_install() - a new generation to receive with
 * @material:	SLIM_WIRE_EXPORTER_LEN bytes of the TLS exporter
 * @client:	this side was the TLS client
 *
 * Returns it, or NULL without memory. It stays valid for peer_keys_choose() until the next but
 * one is installed.
 */
struct peer_key *peer_keys_install(struct peer_keys *keys, const uint8_t *material,
				   bool client);

/* Send with @key from now on, if it is still installed. */
void peer_keys_choose(struct peer_keys *keys, const struct peer_key *key);

/* A random generation, installed and chosen, whose two directions have one key: for a host with
 * itself. 0 or -errno. */
int peer_keys_self(struct peer_keys *keys);
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
