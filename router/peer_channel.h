/* SPDX-License-Identifier: MIT */
/*
 * peer_channel.h - one TLS connection to another router
 *
 * Theory of operation: a channel lives from peer_channel_connect() or _accept() to its end,
 * which comes by peer_channel_close(), by an error or by a deadline, always in the control
 * thread; the last that is heard of it is peer_channel_ended(). Its memory goes by
 * call_rcu(), because the event batch may still name it. Nothing below closes a channel
 * that is not its own on the spot except peer_channel_close(): a full queue marks it, and
 * its timer does the rest.
 */
#ifndef PEER_CHANNEL_H
#define PEER_CHANNEL_H

#include <netinet/in.h>
#include <openssl/ssl.h>
#include <urcu.h>
#include <urcu/list.h>

#include "loop.h"
#include "peer_key.h"
#include "peer_message.h"

/* Bytes that may wait for a peer to fetch them: a full account of all that a host may
 * announce fits. */
#define PEER_CHANNEL_QUEUE	(32u << 20)

#define PEER_CHANNEL_INPUT	(2 * SLIM_WIRE_MESSAGE_MAX)
#define PEER_CHANNEL_ERROR	128

struct peer;

enum peer_channel_state {
	PEER_CHANNEL_CONNECTING,	/* TCP's handshake; nothing may be sent */
	PEER_CHANNEL_HANDSHAKE,		/* TLS's handshake; @peer not known yet if accepted */
	PEER_CHANNEL_HELLO,		/* our HELLO is queued, its one awaited */
	PEER_CHANNEL_UP,		/* anything but HELLO goes, both ways */
	PEER_CHANNEL_CLOSED,		/* waits to be freed; no fd, no TLS */
	PEER_CHANNEL_NUM
};

struct peer_channel {
	struct loop_event event;
	struct loop_timer timer;	/* the deadline for HELLO, later keep-alives */
	struct loop *loop;
	enum peer_channel_state state;
	bool client;
	const char *doomed;		/* why the timer will close it */
	char refusal[PEER_CHANNEL_ERROR];	/* why its key was not accepted; or empty */
	struct loop_timer rest;		/* while it runs, nothing is read */
	unsigned int turn;		/* messages that may follow before others have their turn */
	SSL *ssl;
	uint32_t events;		/* that the loop watches for */
	struct peer *peer;		/* NULL: not known yet */
	struct peer_key *key;		/* what this channel installed */
	struct in6_addr remote;
	struct cds_list_head link;	/* in the list of those without HELLO, if accepted */
	uint64_t heard;			/* loop_now() of the last bytes */
	uint64_t token;			/* of the last PING, in us; 0: answered */
	uint8_t input[PEER_CHANNEL_INPUT];
	size_t input_len;
	uint8_t *output;		/* from output_start to output_end */
	size_t output_start, output_end, output_size;
	struct rcu_head rcu;
};

/* Dials @peer at @addr and @port. 0 or -errno (then nothing is left). */
int peer_channel_connect(struct loop *loop, SSL_CTX *tls, struct peer *peer,
			 const struct in6_addr *addr, uint16_t port,
			 struct peer_channel **channel);

/* Takes @fd, in any case. @remote: whom it comes from. NULL without memory. */
struct peer_channel *peer_channel_accept(struct loop *loop, SSL_CTX *tls, int fd,
					 const struct in6_addr *remote);

/* Queues a message; goes out after the present event batch. */
void peer_channel_send(struct peer_channel *channel, const struct peer_message *message);

/* Another has taken its place: ends soon, and says nothing more. */
void peer_channel_retire(struct peer_channel *channel);

/* @why: for people; NULL where all is well */
void peer_channel_close(struct peer_channel *channel, const char *why);

/* The same for callers who have @channel in their hands: by its own timer, at once. @why stays. */
void peer_channel_doom(struct peer_channel *channel, const char *why);

/* --- what peer.c makes of it --- */

/* TLS is done. NULL, or why nothing follows. */
const char *peer_channel_verified(struct peer_channel *channel);
/* @channel->peer is known: a copy of the HELLO to send. */
void peer_channel_hello(struct peer_channel *channel, struct peer_hello *hello);
void peer_channel_late(void);
/* Its HELLO came. NULL, or why it is not welcome. */
const char *peer_channel_up(struct peer_channel *channel, const struct peer_hello *hello);
/* May the peer say that now? False: later. */
bool peer_channel_spend(struct peer_channel *channel, const struct peer_message *message);
void peer_channel_received(struct peer_channel *channel, const struct peer_message *message);
/* Something came; @rtt_us: where it was the answer to a PING, else 0 */
void peer_channel_heard(struct peer_channel *channel, unsigned int rtt_us);
void peer_channel_ended(struct peer_channel *channel, enum peer_channel_state state,
			const char *why);

/* For keys: the generation that the channel's TLS yields. */
struct peer_keys *peer_channel_keys(struct peer_channel *channel);

#endif
