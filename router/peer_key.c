/* SPDX-License-Identifier: MIT */
/* peer_key.c - the keys that preambles between two hosts are sealed with */
#include "peer_key.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "log.h"

#include "../include/slim/wire.h"

static void key_free(struct rcu_head *head)
{
	struct peer_key *key = caa_container_of(head, struct peer_key, rcu);

	OPENSSL_cleanse(key->send, sizeof(key->send));
	OPENSSL_cleanse(key->receive, sizeof(key->receive));
	free(key);
}

static void key_put(struct peer_key *key)
{
	if (key && !--key->holds)
		call_rcu(&key->rcu, key_free);
}

/* Lets *@place name @key (may be NULL), and lets go of what it named. */
static void place_set(struct peer_key **place, struct peer_key *key)
{
	struct peer_key *old = *place;

	if (key)
		key->holds++;
	rcu_assign_pointer(*place, key);
	key_put(old);
}

/* A public number, not a secret: its order of bytes is fixed all the same. */
static uint32_t key_id(const uint8_t *material)
{
	return (uint32_t)material[0] << 24 | (uint32_t)material[1] << 16 |
	       (uint32_t)material[2] << 8 | material[3];
}

struct peer_key *peer_keys_install(struct peer_keys *keys, const uint8_t *material,
				   bool client)
{
	const uint8_t *client_key = material + SLIM_WIRE_KEY_ID_LEN;
	const uint8_t *server_key = client_key + SLIM_WIRE_KEY_LEN;
	struct peer_key *key = calloc(1, sizeof(*key));

	if (!key)
		return NULL;
	key->id = key_id(material);
	memcpy(key->send, client ? client_key : server_key, MAC_KEY_LEN);
	memcpy(key->receive, client ? server_key : client_key, MAC_KEY_LEN);
	for (int i = PEER_KEY_GENERATIONS - 1; i > 0; i--)
		place_set(&keys->receive[i], keys->receive[i - 1]);
	place_set(&keys->receive[0], key);
	return key;
}

void peer_keys_choose(struct peer_keys *keys, const struct peer_key *key)
{
	for (int i = 0; i < PEER_KEY_GENERATIONS; i++)
		if (keys->receive[i] == key)
			place_set(&keys->send, keys->receive[i]);
}

int peer_keys_self(struct peer_keys *keys)
{
	uint8_t material[SLIM_WIRE_EXPORTER_LEN];
	struct peer_key *key;

	if (getrandom(material, sizeof(material), 0) != sizeof(material))
		return -EIO;
	memcpy(material + SLIM_WIRE_KEY_ID_LEN + SLIM_WIRE_KEY_LEN,
	       material + SLIM_WIRE_KEY_ID_LEN, SLIM_WIRE_KEY_LEN);
	key = peer_keys_install(keys, material, true);
	OPENSSL_cleanse(material, sizeof(material));
	if (!key)
		return -ENOMEM;
	peer_keys_choose(keys, key);
	return 0;
}

void peer_keys_exit(struct peer_keys *keys)
{
	place_set(&keys->send, NULL);
	for (int i = 0; i < PEER_KEY_GENERATIONS; i++)
		place_set(&keys->receive[i], NULL);
}

static int sequence_next(struct peer_key *key, uint64_t *sequence)
{
	static struct log_limit limit = { .burst = 1 };

	*sequence = __atomic_fetch_add(&key->sequence, 1, __ATOMIC_RELAXED);
	if (*sequence < SLIM_WIRE_SEQUENCE_MAX)
		return 0;
	if (log_limit_ok(&limit))
		log_warning("key %08x has sealed 2^36 preambles and is used up: connections take "
			    "the packet path until that peer's channel is opened anew", key->id);
	return -ENOKEY;
}

int peer_keys_seal(struct peer_keys *keys, struct mac *mac, struct preamble *fields,
		   uint8_t *out)
{
	struct peer_key *key = rcu_dereference(keys->send);
	int len, err;

	if (!key)
		return -ENOKEY;
	err = sequence_next(key, &fields->sequence);
	if (err)
		return err;
	fields->key_id = key->id;
	len = preamble_encode(fields, out);
	if (len < 0)
		return len;
	err = mac_compute(mac, key->send, out, (size_t)len - PREAMBLE_MAC_LEN, fields->mac);
	if (err)
		return err;
	memcpy(out + len - PREAMBLE_MAC_LEN, fields->mac, PREAMBLE_MAC_LEN);
	return len;
}

static int key_open(struct peer_key *key, struct mac *mac, const uint8_t *data, size_t len,
		    const struct preamble *fields)
{
	uint8_t tag[PREAMBLE_MAC_LEN];

	if (mac_compute(mac, key->receive, data, len - PREAMBLE_MAC_LEN, tag) ||
	    CRYPTO_memcmp(tag, fields->mac, sizeof(tag)))
		return -EKEYREJECTED;
	return replay_accept(&key->replay, fields->sequence) ? 0 : -EALREADY;
}

int peer_keys_open(struct peer_keys *keys, struct mac *mac, const uint8_t *data, size_t len,
		   const struct preamble *fields)
{
	int err = -EKEYEXPIRED;

	/* Ids are random: two generations may share one. */
	for (int i = 0; i < PEER_KEY_GENERATIONS; i++) {
		struct peer_key *key = rcu_dereference(keys->receive[i]);

		if (!key || key->id != fields->key_id)
			continue;
		err = key_open(key, mac, data, len, fields);
		if (err != -EKEYREJECTED)
			return err;
	}
	return err;
}
