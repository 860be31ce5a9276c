/* SPDX-License-Identifier: MIT */
/* peer_dial.c - opening channels to those peers that wait for it */
#include "peer_state.h"

#include <string.h>
#include <sys/random.h>

#define DIAL_FIRST	50	/* ms; spread, so that not all start at once */
#define DIAL_AGAIN	400
#define DIAL_SPREAD	200

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

static void dial(struct loop_timer *timer)
{
	struct peer *peer = caa_container_of(timer, struct peer, redial);
	const struct in6_addr *addr = &peer->addresses[peer->attempts++ % peer->addresses_num];
	int err;

	err = peer_channel_connect(peers.loop, peers.tls, peer, addr, peer->port,
				   &peer->attempt);
	if (!err)
		return;
	peer_error_set(peer, strerror(-err));
	loop_timer_set(peers.loop, timer, DIAL_AGAIN + spread(DIAL_SPREAD));
}

void peer_dial_start(struct peer *peer)
{
	unsigned int delay = peer->attempts ? DIAL_AGAIN + spread(DIAL_SPREAD) :
			     spread(DIAL_FIRST);

	if (!peer_dials(peer) || peer->channel || peer->attempt)
		return;
	peer->redial.handle = dial;
	loop_timer_set(peers.loop, &peer->redial, delay);
}

void peer_dial_stop(struct peer *peer)
{
	loop_timer_clear(peers.loop, &peer->redial);
}
