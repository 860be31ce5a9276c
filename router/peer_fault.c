/* SPDX-License-Identifier: MIT */
/*
 * peer_fault.c - what is wrong with a peer, for people
 *
 * Why there is no channel, what a peer says that does not fit, and that it says too much. All of it is
 * shown by `slimctl peers`; the log has each change, and none of it often.
 */
#include "peer_state.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base64.h"
#include "endpoint.h"

#define SAY_AGAIN	10000	/* ms between lines about why a peer has no channel */
#define SLOWED_AGAIN	60000	/* ... about one that says too much */

void peer_error_set(struct peer *peer, const char *why)
{
	uint64_t now = loop_now(peers.loop);

	snprintf(peer->error, sizeof(peer->error), "%s", why);
	if (!strcmp(peer->said, why) || (peer->said_at && now < peer->said_at + SAY_AGAIN))
		return;
	snprintf(peer->said, sizeof(peer->said), "%s", why);
	peer->said_at = now;
	log_warning("peer %s: no channel with it: %s", peer->name, why);
}

void peer_error_clear(struct peer *peer)
{
	peer->error[0] = '\0';
	peer->said[0] = '\0';
	peer->said_at = 0;
}

void peer_key_refuse(struct peer_channel *channel, const uint8_t *public_key)
{
	char text[BASE64_SIZE(CONFIG_PUBLIC_KEY_LEN)];

	peers_count(keys_unknown);
	base64_encode(text, public_key, CONFIG_PUBLIC_KEY_LEN);
	if (channel->client)
		snprintf(channel->refusal, sizeof(channel->refusal),
			 "its public key is %s, not the configured one", text);
	else
		snprintf(channel->refusal, sizeof(channel->refusal),
			 "what dials from its address has the public key %s, which is no peer's",
			 text);
}

void peer_handshake_failed(struct peer_channel *channel, const char *why)
{
	static struct log_limit limit = { .burst = 5 };
	struct peer *peer = channel->peer ? channel->peer : peer_by_address(&channel->remote);
	char text[INET6_ADDRSTRLEN];

	peers_count(handshakes_failed);
	if (peer && !peer->up)
		peer_error_set(peer, why);
	else if (log_limit_ok(&limit))
		log_debug("no channel with %s (%s): %s", peer ? peer->name : "a stranger",
			  addr_format(&channel->remote, text, sizeof(text)), why);
}

void peer_warning_begin(struct peer *peer)
{
	peer->warned = false;
}

void peer_warning_end(struct peer *peer)
{
	if (!peer->warned)
		peer->warning[0] = '\0';
}

void peer_warning_set(struct peer *peer, const char *fmt, ...)
{
	char text[PEER_WARNING];
	va_list args;

	if (peer->warned)
		return;
	peer->warned = true;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (!strcmp(text, peer->warning))
		return;
	snprintf(peer->warning, sizeof(peer->warning), "%s", text);
	log_warning("peer %s: %s", peer->name, text);
}

void peer_refused(struct peer *peer)
{
	peer->refused++;
	peers_count(announcements_refused);
}

bool peer_channel_spend(struct peer_channel *channel, const struct peer_message *message)
{
	bool is_container = message->type == SLIM_MESSAGE_CONTAINER_ADD ||
			    message->type == SLIM_MESSAGE_CONTAINER_REMOVE ||
			    message->type == SLIM_MESSAGE_CONTAINER_TAGS;
	struct peer *peer = channel->peer;
	uint64_t now = loop_now(peers.loop);

	if (allowance_take(&peer->allowance, is_container ? PEER_CONTAINER_COST : 1, now))
		return true;
	peer->slowed++;
	peers_count(channels_slowed);
	if (!peer->slowed_said_at || now >= peer->slowed_said_at + SLOWED_AGAIN) {
		peer->slowed_said_at = now;
		log_warning("peer %s says more than %u messages a second: it is heard more slowly",
			    peer->name, PEER_RATE);
	}
	return false;
}

void peer_channel_late(void)
{
	peers_count(handshakes_late);
}
