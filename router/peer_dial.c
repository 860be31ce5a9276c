/* SPDX-License-Identifier: MIT */
/*
 * peer_dial.c - opening channels to those peers that wait for it
 *
 * Also while one is open: the next one brings new keys. And, to find out what is wrong, to a peer
 * that should dial and does not.
 */
#include "peer_state.h"

#include <string.h>
#include <sys/random.h>

#define DIAL_FIRST	50	/* ms; spread, so that not all start at once */
#define DIAL_AGAIN	400
#define DIAL_SPREAD	200
#define RENEW_AGAIN	5000	/* where renewing has failed */
#define KNOCK_AFTER	6000	/* longer than it takes the other one to dial */
#define KNOCK_SPREAD	2000

bool peer_dials(const struct peer *peer)
{
	return peers.self->host_id < peer->host_id;
}

static unsigned int spread(unsigned int range)
{
	unsigned int value = 0;

	/* A failure means no spread, which is all right too. */
	if (getrandom(&value, sizeof(value), 0) < 0)
		return 0;
	return value % range;
}

/* How long a new channel can wait, where there is one: a tenth sooner or later, lest all peers do it at once. */
static unsigned int renew_delay(const struct peer *peer)
{
	uint64_t lifetime = peers.config->key_lifetime * 1000ull;
	uint64_t due = peer->keyed_at + lifetime - spread((unsigned int)lifetime / 10 + 1);
	uint64_t now = loop_now(peers.loop);

	return now < peer->keyed_at + lifetime / 2 ? (unsigned int)(due - now) : RENEW_AGAIN;
}

static unsigned int dial_delay(const struct peer *peer)
{
	if (peer->channel)
		return renew_delay(peer);
	if (!peer_dials(peer))
		return KNOCK_AFTER + spread(KNOCK_SPREAD);
	return peer->attempts ? DIAL_AGAIN + spread(DIAL_SPREAD) : spread(DIAL_FIRST);
}

static void dial(struct loop_timer *timer)
{
	struct peer *peer = caa_container_of(timer, struct peer, redial);
	const struct in6_addr *addr = &peer->addresses[peer->attempts++ % peer->addresses_num];
	int err;

	err = peer_channel_connect(peers.loop, peers.tls, peer, addr, peer->port,
				   &peer->attempt);
	if (!err)
		return;
	if (!peer->channel)
		peer_error_set(peer, strerror(-err));
	loop_timer_set(peers.loop, timer, dial_delay(peer));
}

void peer_dial_start(struct peer *peer)
{
	if (peer->self || peer->attempt)
		return;
	peer->redial.handle = dial;
	if (peer->channel && !peer_dials(peer))
		loop_timer_clear(peers.loop, &peer->redial);
	else
		loop_timer_set(peers.loop, &peer->redial, dial_delay(peer));
}

void peer_dial_stop(struct peer *peer)
{
	loop_timer_clear(peers.loop, &peer->redial);
}
