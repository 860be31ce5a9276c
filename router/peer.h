/* SPDX-License-Identifier: MIT */
/*
 * peer.h - the other routers, and this one as its own peer
 *
 * Peers live from peers_init() to peers_exit(). The control thread owns their
 * channels; workers read what is said to be for workers, under the RCU read lock.
 */
#ifndef PEER_H
#define PEER_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"
#include "directory.h"
#include "loop.h"
#include "mac.h"
#include "packetpath.h"

#include "../core/preamble.h"

struct peer;
struct peer_message;

/**
 * peers_init() - start dialling and being dialled
 * @loop:	the control thread's
 *
 * Loads the host's key, makes its certificate. @config outlives the peers; the directory is
 * there before them and goes after them. Ignores SIGPIPE from now on. 0 or -errno, logged.
 */
int peers_init(const struct config *config, struct loop *loop);
/* Workers have stopped, and the control thread is out of its loop. */
void peers_exit(void);

/* --- for workers --- */

/* This host itself: connections between its own containers. */
struct peer *peer_self(void);
const char *peer_name(const struct peer *peer);

/* By its host id; NULL: there is none. Any thread: peers do not come and go. */
struct peer *peer_by_host_id(uint64_t host_id);
uint64_t peer_host_id(const struct peer *peer);
bool peer_alive(const struct peer *peer);

/* Is its channel open (or is it this host)? For the control thread. */
bool peer_is_up(const struct peer *peer);

/* Does it know preambles of version 2, of connections from tenant to tenant? */
bool peer_knows_crossings(const struct peer *peer);

/* Where its slim ports are. @addr: IPv4 mapped. */
const struct in6_addr *peer_address(const struct peer *peer);
uint16_t peer_port_first(const struct peer *peer);
uint16_t peer_port_last(const struct peer *peer);

/* Per slim port, how many live connections were set up from here (atomic):
 * @index counts from peer_port_first(); past 255 it starts again. */
unsigned int *peer_port_fill(struct peer *peer, unsigned int index);

/* When it was last heard of: ms of CLOCK_MONOTONIC. */
uint64_t peer_heard(const struct peer *peer);

/* Of a keep-alive, in us; 0: not measured. */
unsigned int peer_rtt(const struct peer *peer);

/* What is known of SYNs with data on the way to it (syndata.h). */
struct syndata;
struct syndata *peer_syndata(struct peer *peer);

/**
 * peer_preamble_seal() - write a preamble for a new connection to @peer
 * @fields:	tenant, source, destination; the rest is filled in here
 * @out:	PREAMBLE_MAX bytes
 *
 * Takes the next sequence number of the current key. Returns the preamble's length, or
 * -ENOKEY where there is no channel yet.
 */
int peer_preamble_seal(struct peer *peer, struct mac *mac, struct preamble *fields,
		       uint8_t *out);

/**
 * peer_preamble_open() - check a received preamble
 * @data, @len:	the preamble, just as long as it is
 * @fields:	out
 *
 * Returns the sending peer, or NULL with *@error: -EBADMSG (not a preamble),
 * -ENOENT (unknown host), -EKEYEXPIRED (unknown key), -EKEYREJECTED (wrong MAC), -EALREADY
 * (replayed).
 */
struct peer *peer_preamble_open(struct mac *mac, const uint8_t *data, size_t len,
				struct preamble *fields, int *error);

/* The same for one that an earlier router may have accepted: it may have been seen before. NULL: no. */
struct peer *peer_preamble_reopen(struct mac *mac, const uint8_t *data, size_t len,
				  struct preamble *fields);

/* A TLS client came to a slim port (nothing of it is read yet): hands the fd over to the
 * control thread. Owns @fd from then on. */
void peer_incoming(int fd);

/* --- for the control thread --- */

struct peer_info {
	const char *name;
	uint64_t host_id;
	struct in6_addr address;
	uint16_t port_first, port_last;	/* slim ports; just the first until it has said them */
	const char *state;		/* "up", "connecting", "down", "self" */
	uint64_t since;			/* ms of CLOCK_MONOTONIC */
	unsigned int containers, listeners;
	unsigned int rtt_us;		/* of the last keep-alive; 0 unknown */
	const char *error;		/* why it is down, or NULL */
	const char *warning;		/* what of it does not fit, or NULL */
	unsigned int refused;		/* announcements that were not believed */
	unsigned int slowed;		/* how often it had said too much */
	bool syn_data;			/* SYNs to it may carry data */
};

/* Queue a message for @peer, or for all; nothing where a channel is not up. A peer that does
 * not fetch its messages loses its channel. */
void peer_send(struct peer *peer, const struct peer_message *message);
void peers_send(const struct peer_message *message);

/* Who is to hear what peers ask and say about policies; NULL: nobody. */
void peers_on_policy(void (*handle)(struct peer *peer, const struct peer_message *message));

/* This host's id and raw Ed25519 key. */
uint64_t peers_host_id(void);
const uint8_t *peers_public_key(void);

/* Where its VXLAN device is: the first configured address, whichever the channel took. */
const struct in6_addr *peer_vxlan_address(const struct peer *peer);

/*
 * The account of @peer, which begins with its HELLO, is coming in: what in it does not fit this
 * host's configuration is said in the log when it is new. begin and end clear what no longer is so.
 */
void peer_warning_begin(struct peer *peer);
void peer_warning_set(struct peer *peer, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void peer_warning_end(struct peer *peer);

/* It has announced what it may not. */
void peer_refused(struct peer *peer);

/* Its channel, if there is one, is closed a moment later; the next one brings all anew. */
void peer_lose(struct peer *peer, const char *why);

/* What the directory keeps for @peer. */
struct directory_owner *peer_owner(struct peer *peer);

/* A sweep of the ledger is over, and has judged what became of SYNs with data. */
void peers_settle(void);

/* Have all of them told what they own, since this router runs? Any thread. */
bool peers_are_complete(void);

/* Calls @each for every peer, this host first. */
void peers_each(void (*each)(const struct peer_info *info, void *data), void *data);

/* Since the start; all peers together. */
struct peer_counters {
	uint64_t preambles_sealed, preambles_opened;
	uint64_t bad_preamble, unknown_host, unknown_key, bad_mac, replayed;
	uint64_t channels_opened, channels_lost, channels_renewed, channels_slowed;
	uint64_t handshakes_failed, handshakes_late, handshakes_crowded, keys_unknown;
	uint64_t announcements_refused;
};
void peers_counters(struct peer_counters *out);

#endif
