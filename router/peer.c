/* SPDX-License-Identifier: MIT */
/* peer.c - the other routers, and this one as its own peer: see peer_state.h */
#include "peer_state.h"

#include <errno.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "endpoint.h"
#include "host_key.h"
#include "mesh.h"
#include "peer_tls.h"
#include "state.h"

struct peers peers;
static void (*on_policy)(struct peer *peer, const struct peer_message *message);

_Static_assert(CONFIG_NAME_MAX <= SLIM_WIRE_NAME_LEN, "a host's name fits in HELLO");
_Static_assert(CONFIG_PUBLIC_KEY_LEN == HOST_KEY_PUBLIC_LEN, "one kind of key");

/* --- for workers --- */

struct peer *peer_by_host_id(uint64_t host_id)
{
	size_t low = 0, high = peers.num;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (peers.sorted[mid]->host_id == host_id)
			return peers.sorted[mid];
		if (peers.sorted[mid]->host_id < host_id)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

struct peer *peer_self(void)
{
	return peers.self;
}

const char *peer_name(const struct peer *peer)
{
	return peer->name;
}

static uint64_t clock_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

uint64_t peer_host_id(const struct peer *peer)
{
	return peer->host_id;
}

bool peer_is_up(const struct peer *peer)
{
	return peer->self || peer->up;
}

bool peer_alive(const struct peer *peer)
{
	uint64_t heard;

	if (peer->self)
		return true;
	if (!__atomic_load_n(&peer->up, __ATOMIC_ACQUIRE))
		return false;
	/* The coarse clock may be a little behind what the control thread stored. */
	heard = __atomic_load_n(&peer->heard, __ATOMIC_RELAXED);
	return clock_ms() < heard + SLIM_WIRE_DEAD_AFTER;
}

const struct in6_addr *peer_address(const struct peer *peer)
{
	return __atomic_load_n(&peer->address, __ATOMIC_ACQUIRE);
}

uint16_t peer_port_first(const struct peer *peer)
{
	return __atomic_load_n(&peer->port_first, __ATOMIC_RELAXED);
}

uint16_t peer_port_last(const struct peer *peer)
{
	return __atomic_load_n(&peer->port_last, __ATOMIC_RELAXED);
}

unsigned int *peer_port_fill(struct peer *peer, unsigned int index)
{
	return &peer->fill[index % SLIM_WIRE_PORTS];
}

bool peer_knows_crossings(const struct peer *peer)
{
	return peer == peers.self || __atomic_load_n(&peer->version, __ATOMIC_RELAXED) >=
				     SLIM_WIRE_VERSION_CROSSING;
}

int peer_preamble_seal(struct peer *peer, struct mac *mac, struct preamble *fields,
		       uint8_t *out)
{
	int len;

	fields->host_id = peers.self->host_id;
	len = peer_keys_seal(&peer->keys, mac, fields, out);
	if (len > 0)
		peers_count(preambles_sealed);
	return len;
}

static void count_refusal(int err)
{
	switch (err) {
	case -ENOENT:
		peers_count(unknown_host);
		break;
	case -EKEYEXPIRED:
		peers_count(unknown_key);
		break;
	case -EKEYREJECTED:
		peers_count(bad_mac);
		break;
	case -EALREADY:
		peers_count(replayed);
		break;
	default:
		peers_count(bad_preamble);
		break;
	}
}

struct peer *peer_preamble_open(struct mac *mac, const uint8_t *data, size_t len,
				struct preamble *fields, int *error)
{
	struct peer *peer = NULL;

	*error = preamble_decode(data, len, fields);
	if (!*error) {
		peer = peer_by_host_id(fields->host_id);
		*error = peer ? peer_keys_open(&peer->keys, mac, data, len, fields) : -ENOENT;
	}
	if (*error) {
		count_refusal(*error);
		return NULL;
	}
	peers_count(preambles_opened);
	return peer;
}

struct peer *peer_preamble_reopen(struct mac *mac, const uint8_t *data, size_t len,
				  struct preamble *fields)
{
	struct peer *peer;
	int err;

	if (preamble_decode(data, len, fields))
		return NULL;
	peer = peer_by_host_id(fields->host_id);
	err = peer ? peer_keys_open(&peer->keys, mac, data, len, fields) : -ENOENT;
	return !err || err == -EALREADY ? peer : NULL;
}

uint64_t peer_heard(const struct peer *peer)
{
	return peer->self ? UINT64_MAX : __atomic_load_n(&peer->heard, __ATOMIC_RELAXED);
}

unsigned int peer_rtt(const struct peer *peer)
{
	return __atomic_load_n(&peer->rtt_us, __ATOMIC_RELAXED);
}

struct syndata *peer_syndata(struct peer *peer)
{
	return &peer->syndata;
}

/* --- channels --- */

struct peer *peer_by_address(const struct in6_addr *addr)
{
	for (size_t i = 0; i < peers.num; i++)
		for (size_t j = 0; j < peers.sorted[i]->addresses_num; j++)
			if (!peers.sorted[i]->self &&
			    !memcmp(&peers.sorted[i]->addresses[j], addr, sizeof(*addr)))
				return peers.sorted[i];
	return NULL;
}

static bool accept_key(const uint8_t *public_key, void *data)
{
	struct peer_channel *channel = data;
	struct peer *peer = peer_by_host_id(host_key_id(public_key));

	if (!peer || peer->self || memcmp(peer->public_key, public_key, HOST_KEY_PUBLIC_LEN) ||
	    (channel->client && channel->peer != peer)) {
		peer_key_refuse(channel, public_key);
		return false;
	}
	if (channel->client)
		return true;
	if (peer_dials(peer)) {
		snprintf(channel->refusal, sizeof(channel->refusal),
			 "it knocks, where this host is to dial");
		return false;
	}
	channel->peer = peer;
	return true;
}

const char *peer_channel_verified(struct peer_channel *channel)
{
	if (!channel->client || peer_dials(channel->peer))
		return NULL;
	return "its public key is the right one, but it does not dial: does it know this host's "
	       "key and address?";
}

static const struct peer_tls_verifier verifier = { .accept = accept_key };

struct peer_keys *peer_channel_keys(struct peer_channel *channel)
{
	return &channel->peer->keys;
}

void peer_channel_hello(struct peer_channel *channel, struct peer_hello *hello)
{
	const struct config *config = peers.config;
	size_t num = config->addresses_num;

	(void)channel;
	hello->version = SLIM_WIRE_VERSION;
	hello->port_first = config->port_first;
	hello->port_last = config->port_last;
	hello->vxlan_port = config->vxlan_port;
	hello->host_id = peers.self->host_id;
	hello->instance = peers.instance;
	snprintf(hello->name, sizeof(hello->name), "%s", config->host_name);
	hello->addresses_num = num < SLIM_WIRE_ADDRESSES ? num : SLIM_WIRE_ADDRESSES;
	memcpy(hello->addresses, config->addresses,
	       hello->addresses_num * sizeof(*hello->addresses));
}

/* Slim connections go where the channel goes, if that is an address we were told of. */
static const struct in6_addr *choose_address(const struct peer *peer,
					     const struct in6_addr *remote)
{
	for (size_t i = 0; i < peer->addresses_num; i++)
		if (!memcmp(&peer->addresses[i], remote, sizeof(*remote)))
			return &peer->addresses[i];
	return &peer->addresses[0];
}

/* From now on only the new one is heard. The other side may still send by it. */
static void retire(struct peer *peer, struct peer_channel *old)
{
	if (peer->retired)
		peer_channel_close(peer->retired, NULL);
	peer->retired = old;
	peer_channel_retire(old);
	peers_count(channels_renewed);
}

static void take_hello(struct peer *peer, const struct peer_channel *channel,
		       const struct peer_hello *hello)
{
	if (peer->instance && peer->instance != hello->instance)
		log_info("peer %s has restarted", peer->name);
	peer->instance = hello->instance;
	__atomic_store_n(&peer->version, hello->version, __ATOMIC_RELAXED);
	__atomic_store_n(&peer->port_first, hello->port_first, __ATOMIC_RELAXED);
	__atomic_store_n(&peer->port_last, hello->port_last, __ATOMIC_RELAXED);
	__atomic_store_n(&peer->address, choose_address(peer, &channel->remote),
			 __ATOMIC_RELEASE);
}

/* What packets between the two would get lost by */
static void compare_vxlan(struct peer *peer, const struct peer_hello *hello)
{
	char text[INET6_ADDRSTRLEN];

	if (hello->vxlan_port != peers.config->vxlan_port) {
		peer_warning_set(peer, "its VXLAN port is %u, this host's is %u: no packets pass",
				 hello->vxlan_port, peers.config->vxlan_port);
		return;
	}
	for (size_t i = 0; i < peer->addresses_num; i++)
		if (IN6_ARE_ADDR_EQUAL(&peer->addresses[i], &hello->addresses[0]))
			return;
	if (hello->addresses_num)
		peer_warning_set(peer, "its first address is %s, which this host's configuration "
				 "does not name: packets from there are dropped",
				 addr_format(&hello->addresses[0], text, sizeof(text)));
}

const char *peer_channel_up(struct peer_channel *channel, const struct peer_hello *hello)
{
	struct peer *peer = channel->peer;
	struct peer_channel *old = peer->channel;
	bool renewed = old && peer->instance == hello->instance;
	char text[INET6_ADDRSTRLEN];

	peer_incoming_done(channel);
	if (channel == peer->attempt)
		peer->attempt = NULL;
	if (hello->host_id != peer->host_id)
		return "its HELLO names another host id than its key does";
	if (old && !renewed)
		peer_channel_close(old, "its router has started anew");
	peer->channel = channel;
	if (renewed)
		retire(peer, old);
	/* It installed this key before it said HELLO. */
	peer_keys_choose(&peer->keys, channel->key);
	take_hello(peer, channel, hello);
	peer->keyed_at = loop_now(peers.loop);
	if (!renewed)
		peer->since = peer->keyed_at;
	__atomic_store_n(&peer->rtt_us, 0, __ATOMIC_RELAXED);
	peer_error_clear(peer);
	peers_count(channels_opened);
	__atomic_store_n(&peer->heard, loop_now(peers.loop), __ATOMIC_RELAXED);
	__atomic_store_n(&peer->up, true, __ATOMIC_RELEASE);
	if (renewed)
		log_debug("peer %s: new channel, new keys", peer->name);
	else
		log_info("peer %s (%016" PRIx64 ", says it is \"%s\"): channel opened, %s %s",
			 peer->name, peer->host_id, hello->name,
			 channel->client ? "dialled" : "accepted from",
			 addr_format(&channel->remote, text, sizeof(text)));
	mesh_up(peer);
	compare_vxlan(peer, hello);
	peer_dial_start(peer);
	return NULL;
}

void peer_channel_received(struct peer_channel *channel, const struct peer_message *message)
{
	struct peer *peer = channel->peer;

	if (peer->channel != channel)
		return;
	if (message->type == SLIM_MESSAGE_POLICY_QUESTION &&
	    !allowance_take(&peer->questions, 1, loop_now(peers.loop)))
		return;
	if (message->type != SLIM_MESSAGE_POLICY_QUESTION &&
	    message->type != SLIM_MESSAGE_POLICY_VERDICT)
		mesh_receive(peer, message);
	else if (on_policy)
		on_policy(peer, message);
}

void peer_lose(struct peer *peer, const char *why)
{
	if (peer->channel)
		peer_channel_doom(peer->channel, why);
}

void peer_channel_heard(struct peer_channel *channel, unsigned int rtt_us)
{
	struct peer *peer = channel->peer;

	if (peer->channel != channel)
		return;
	__atomic_store_n(&peer->heard, channel->heard, __ATOMIC_RELAXED);
	if (!rtt_us)
		return;
	__atomic_store_n(&peer->rtt_us, rtt_us, __ATOMIC_RELAXED);
	peer_keys_expire(&peer->keys);
}

static void channel_lost(struct peer *peer, const char *why)
{
	log_info("peer %s: channel closed: %s", peer->name, why);
	__atomic_store_n(&peer->up, false, __ATOMIC_RELEASE);
	peer->channel = NULL;
	peer->since = loop_now(peers.loop);
	snprintf(peer->error, sizeof(peer->error), "%s", why);
	peers_count(channels_lost);
	mesh_down(peer);
}

void peer_channel_ended(struct peer_channel *channel, enum peer_channel_state state,
			const char *why)
{
	struct peer *peer = channel->peer;

	if (!why)
		why = "this router stops";
	if (state != PEER_CHANNEL_UP) {
		peer_incoming_done(channel);
		peer_handshake_failed(channel, why);
	}
	if (!peer)
		return;
	if (peer->retired == channel) {
		peer->retired = NULL;
		return;
	}
	if (peer->attempt == channel)
		peer->attempt = NULL;
	if (peer->channel == channel)
		channel_lost(peer, why);
	peer_dial_start(peer);
}

void peer_send(struct peer *peer, const struct peer_message *message)
{
	if (peer->channel)
		peer_channel_send(peer->channel, message);
}

void peers_on_policy(void (*handle)(struct peer *peer, const struct peer_message *message))
{
	on_policy = handle;
}

void peers_send(const struct peer_message *message)
{
	for (size_t i = 0; i < peers.num; i++)
		peer_send(peers.sorted[i], message);
}

/* --- for the control thread --- */

uint64_t peers_host_id(void)
{
	return peers.self->host_id;
}

const uint8_t *peers_public_key(void)
{
	return peers.self->public_key;
}

const struct in6_addr *peer_vxlan_address(const struct peer *peer)
{
	return &peer->addresses[0];
}

struct directory_owner *peer_owner(struct peer *peer)
{
	return &peer->owner;
}

void peers_settle(void)
{
	for (size_t i = 0; i < peers.num; i++) {
		struct peer *peer = peers.sorted[i];

		if (!syndata_settle(&peer->syndata, loop_now(peers.loop)))
			continue;
		if (syndata_is_lost(&peer->syndata))
			log_warning("peer %s: SYNs with data do not arrive there: connections to it "
				    "take a round trip longer; looking again in %u minutes",
				    peer->name, SYNDATA_REMEMBERED / 60000);
		else
			log_info("peer %s: SYNs with data arrive there again", peer->name);
	}
}

static const char *state_name(const struct peer *peer)
{
	if (peer->self)
		return "self";
	if (peer->up)
		return "up";
	return peer->attempt ? "connecting" : "down";
}

static void info_give(const struct peer *peer,
		      void (*each)(const struct peer_info *info, void *data), void *data)
{
	struct peer_info info = {
		.name = peer->name,
		.host_id = peer->host_id,
		.address = *peer->address,
		.port_first = peer->port_first,
		.port_last = peer->port_last,
		.state = state_name(peer),
		.since = peer->since,
		.containers = peer->owner.containers_num,
		.listeners = peer->owner.listeners_num,
		.rtt_us = peer->rtt_us,
		.error = peer->error[0] ? peer->error : NULL,
		.warning = peer->warning[0] ? peer->warning : NULL,
		.refused = peer->refused,
		.slowed = peer->slowed,
		.syn_data = !syndata_is_lost(&peer->syndata),
	};

	each(&info, data);
}

bool peers_are_complete(void)
{
	for (size_t i = 0; i < peers.num; i++)
		if (!directory_is_complete(peers.sorted[i]))
			return false;
	return true;
}

void peers_each(void (*each)(const struct peer_info *info, void *data), void *data)
{
	info_give(peers.self, each, data);
	for (size_t i = 0; i < peers.num; i++)
		if (!peers.sorted[i]->self)
			info_give(peers.sorted[i], each, data);
}

void peers_counters(struct peer_counters *out)
{
	const uint64_t *from = (const uint64_t *)&peers.counters;
	uint64_t *to = (uint64_t *)out;

	for (size_t i = 0; i < sizeof(*out) / sizeof(*to); i++)
		to[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
}

/* --- life --- */

static struct peer *peer_new(const char *name, const uint8_t *public_key,
			     const struct in6_addr *addresses, size_t num)
{
	struct peer *peer = calloc(1, sizeof(*peer));

	if (!peer)
		return NULL;
	snprintf(peer->name, sizeof(peer->name), "%s", name);
	memcpy(peer->public_key, public_key, sizeof(peer->public_key));
	peer->host_id = host_key_id(public_key);
	peer->addresses = addresses;
	peer->addresses_num = num;
	peer->address = &addresses[0];
	peer->since = loop_now(peers.loop);
	peer->allowance = (struct allowance){ .burst = PEER_BURST, .rate = PEER_RATE };
	peer->questions = (struct allowance){
		.burst = PEER_QUESTIONS_BURST, .rate = PEER_QUESTIONS_RATE,
	};
	directory_owner_init(&peer->owner);
	peer->keys.host_id = peer->host_id;
	peer_keys_restore(&peer->keys);
	peers.sorted[peers.num++] = peer;
	return peer;
}

static int self_new(EVP_PKEY *key)
{
	const struct config *config = peers.config;
	uint8_t public_key[HOST_KEY_PUBLIC_LEN];
	struct peer *self;
	int err = host_key_raw_public(key, public_key);

	if (err)
		return err;
	self = peer_new(config->host_name, public_key, config->addresses,
			config->addresses_num);
	if (!self)
		return -ENOMEM;
	peers.self = self;
	self->self = true;
	self->port_first = config->port_first;
	self->port_last = config->port_last;
	return self->keys.send ? 0 : peer_keys_self(&self->keys);
}

static int others_new(void)
{
	for (size_t i = 0; i < peers.config->peers_num; i++) {
		const struct config_peer *from = &peers.config->peers[i];
		struct peer *peer = peer_new(from->name, from->public_key, from->addresses,
					     from->addresses_num);

		if (!peer)
			return -ENOMEM;
		peer->port = from->port;
		peer->port_first = from->port;
		peer->port_last = from->port;
	}
	return 0;
}

static int by_id(const void *a, const void *b)
{
	uint64_t id_a = (*(struct peer *const *)a)->host_id;
	uint64_t id_b = (*(struct peer *const *)b)->host_id;

	return id_a < id_b ? -1 : id_a > id_b;
}

static int table_check(void)
{
	for (size_t i = 1; i < peers.num; i++) {
		if (peers.sorted[i - 1]->host_id != peers.sorted[i]->host_id)
			continue;
		log_error("peers %s and %s have the same public key: give each host a key of its "
			  "own (slimctl keygen)", peers.sorted[i - 1]->name,
			  peers.sorted[i]->name);
		return -EEXIST;
	}
	return 0;
}

static int table_new(EVP_PKEY *key)
{
	int err;

	peers.sorted = calloc(peers.config->peers_num + 1, sizeof(struct peer *));
	if (!peers.sorted)
		return -ENOMEM;
	err = self_new(key);
	if (!err)
		err = others_new();
	if (err)
		return err;
	qsort(peers.sorted, peers.num, sizeof(*peers.sorted), by_id);
	return table_check();
}

/* Keys of hosts that the configuration no longer names */
static void forget_strangers(void)
{
	const struct peer_keys **keys = calloc(peers.num, sizeof(*keys));

	for (size_t i = 0; keys && i < peers.num; i++)
		keys[i] = &peers.sorted[i]->keys;
	if (keys)
		peer_keys_forget_others(keys, peers.num);
	free(keys);
}

static void table_free(void)
{
	for (size_t i = 0; i < peers.num; i++) {
		peer_keys_exit(&peers.sorted[i]->keys);
		free(peers.sorted[i]);
	}
	free(peers.sorted);
	peer_keys_close_file();
}

static int key_load(EVP_PKEY **key)
{
	const char *path = peers.config->key_file;
	int err = host_key_load(path, key);

	if (err == -EPERM)
		log_error("%s: others than its owner may read this host's key: chmod 600 it", path);
	else if (err == -EINVAL)
		log_error("%s: no unencrypted Ed25519 key in PEM: make one with slimctl keygen",
			  path);
	else if (err)
		log_error("%s: this host's key cannot be read: %s", path, strerror(-err));
	return err;
}

static int instance_new(void)
{
	if (getrandom(&peers.instance, sizeof(peers.instance), 0) != sizeof(peers.instance))
		return -EIO;
	peers.instance |= 1;	/* 0 means: none seen yet */
	return 0;
}

int peers_init(const struct config *config, struct loop *loop)
{
	EVP_PKEY *key;
	int err;

	peers = (struct peers){ .config = config, .loop = loop };
	err = key_load(&key);
	if (err)
		return err;
	err = instance_new();
	/* Without it, connections wait for new keys after a restart. */
	if (state_directory())
		(void)peer_keys_open_file(state_directory());
	if (!err)
		err = table_new(key);
	if (err)
		goto free_table;
	forget_strangers();
	peers.tls = peer_tls_new(key, &verifier);
	if (!peers.tls) {
		log_error("OpenSSL refuses to speak TLS 1.3 with an Ed25519 key");
		err = -EIO;
		goto free_table;
	}
	EVP_PKEY_free(key);
	/* OpenSSL writes to sockets whose other end may have gone. */
	signal(SIGPIPE, SIG_IGN);
	mesh_init(config);
	peer_incoming_init();
	for (size_t i = 0; i < peers.num; i++)
		peer_dial_start(peers.sorted[i]);
	return 0;

free_table:
	table_free();
	EVP_PKEY_free(key);
	return err;
}

void peers_exit(void)
{
	/* Its start failed, and has undone what it did. */
	if (!peers.tls)
		return;
	rcu_read_lock();
	peer_incoming_exit();
	for (size_t i = 0; i < peers.num; i++) {
		struct peer *peer = peers.sorted[i];

		if (peer->attempt)
			peer_channel_close(peer->attempt, NULL);
		if (peer->retired)
			peer_channel_close(peer->retired, NULL);
		if (peer->channel)
			peer_channel_close(peer->channel, NULL);
		peer_dial_stop(peer);
		directory_owner_exit(&peer->owner);
	}
	rcu_read_unlock();
	table_free();
	peer_tls_free(peers.tls);
	rcu_barrier();
	peers = (struct peers){ 0 };
}
