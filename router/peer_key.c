/* SPDX-License-Identifier: MIT */
/* peer_key.c - the keys that preambles between two hosts are sealed with */
#include "peer_key.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "log.h"
#include "statefile.h"

#include "../include/slim/wire.h"

/* Of a thousand peers: one or two each, but for some minutes after their channels' ends. */
#define RECORDS_MAX	4096

const struct statefile_layout peer_key_layout = {
	.name = "keys", .version = 2, .size = sizeof(struct peer_key_record),
	.fixed = offsetof(struct peer_key_record, sequence), .max = RECORDS_MAX,
};

static struct statefile *file;
static uint64_t last_order;

/* Where the file has no room, the key is good all the same: a restart will not know it. */
static struct peer_key_record *record_new(bool *filed)
{
	struct peer_key_record *record = file ? statefile_new(file) : NULL;

	*filed = record != NULL;
	return record ? record : calloc(1, sizeof(*record));
}

static void record_free(struct peer_key_record *record, bool filed)
{
	OPENSSL_cleanse(record->send, sizeof(record->send));
	OPENSSL_cleanse(record->receive, sizeof(record->receive));
	if (!filed)
		free(record);
	else if (file)
		statefile_drop(file, record);
}

static void key_free(struct rcu_head *head)
{
	struct peer_key *key = caa_container_of(head, struct peer_key, rcu);

	/* What is in a file, the next router goes on with. */
	if (!key->filed || !key->kept)
		record_free(key->record, key->filed);
	free(key);
}

static void key_put(struct peer_key *key)
{
	if (key && !--key->holds)
		call_rcu(&key->rcu, key_free);
}

static uint64_t clock_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (uint64_t)ts.tv_sec;
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

/* The first free place, or that of the oldest which is not the chosen one. */
static int place_for_new(const struct peer_keys *keys)
{
	int last = PEER_KEY_GENERATIONS - 1;

	for (int i = 0; i < last; i++)
		if (!keys->receive[i])
			return i;
	return keys->receive[last] && keys->receive[last] == keys->send ? last - 1 : last;
}

struct peer_key *peer_keys_install(struct peer_keys *keys, const uint8_t *material,
				   bool client)
{
	const uint8_t *client_key = material + SLIM_WIRE_KEY_ID_LEN;
	const uint8_t *server_key = client_key + SLIM_WIRE_KEY_LEN;
	struct peer_key *key = calloc(1, sizeof(*key));
	bool filed;
	struct peer_key_record *record = record_new(&filed);

	if (!key || !record) {
		free(key);
		if (record)
			record_free(record, filed);
		return NULL;
	}
	key->record = record;
	key->filed = filed;
	record->host_id = keys->host_id;
	record->order = ++last_order;
	record->id = key_id(material);
	memcpy(record->send, client ? client_key : server_key, MAC_KEY_LEN);
	memcpy(record->receive, client ? server_key : client_key, MAC_KEY_LEN);
	if (filed)
		statefile_commit(file, record);
	for (int i = place_for_new(keys); i > 0; i--)
		place_set(&keys->receive[i], keys->receive[i - 1]);
	place_set(&keys->receive[0], key);
	return key;
}

void peer_keys_choose(struct peer_keys *keys, const struct peer_key *key)
{
	bool older = false;

	for (int i = 0; i < PEER_KEY_GENERATIONS && keys->receive[i]; i++) {
		struct peer_key_record *record = keys->receive[i]->record;

		if (keys->receive[i] == key) {
			__atomic_store_n(&record->chosen, 1, __ATOMIC_RELAXED);
			/* (Chosen again, after a later one whose channel went: as good as new.) */
			__atomic_store_n(&record->expires, 0, __ATOMIC_RELAXED);
			place_set(&keys->send, keys->receive[i]);
			older = true;
		} else if (older && !record->expires) {
			__atomic_store_n(&record->expires, clock_s() + PEER_KEY_KEEP,
					 __ATOMIC_RELAXED);
		}
	}
}

static bool is_expired(const struct peer_key *key, uint64_t now)
{
	uint64_t expires = __atomic_load_n(&key->record->expires, __ATOMIC_RELAXED);

	return expires && now >= expires;
}

void peer_keys_expire(struct peer_keys *keys)
{
	uint64_t now = clock_s();

	for (int i = PEER_KEY_GENERATIONS - 1; i >= 0; i--) {
		if (keys->receive[i] && !is_expired(keys->receive[i], now))
			break;
		place_set(&keys->receive[i], NULL);
	}
}

/* --- after a restart --- */

int peer_keys_open_file(const char *directory)
{
	file = statefile_open(directory, &peer_key_layout);
	return file ? 0 : -errno;
}

void peer_keys_close_file(void)
{
	rcu_barrier();
	statefile_close(file);
	file = NULL;
}

struct found {
	struct peer_keys *keys;
	unsigned int num;
	struct peer_key_record *latest[PEER_KEY_GENERATIONS];
};

/* The latest ones, in their order; what is older nobody uses. */
static void found_add(struct found *found, struct peer_key_record *record)
{
	struct peer_key_record *insert = record;

	for (unsigned int i = 0; i < PEER_KEY_GENERATIONS; i++) {
		struct peer_key_record *old = found->latest[i];

		if (!old) {
			found->latest[i] = insert;
			return;
		}
		if (old->order < insert->order) {
			found->latest[i] = insert;
			insert = old;
		}
	}
	record_free(insert, true);
}

static void find(void *data, void *arg)
{
	struct peer_key_record *record = data;
	struct found *found = arg;

	if (record->order > last_order)
		last_order = record->order;
	if (record->host_id == found->keys->host_id)
		found_add(found, record);
}

static struct peer_key *key_of(struct peer_key_record *record)
{
	struct peer_key *key = calloc(1, sizeof(*key));

	if (!key)
		return NULL;
	key->record = record;
	key->filed = true;
	return key;
}

unsigned int peer_keys_restore(struct peer_keys *keys)
{
	struct found found = { .keys = keys };
	unsigned int num = 0;

	if (file)
		statefile_each(file, find, &found);
	for (unsigned int i = 0; i < PEER_KEY_GENERATIONS && found.latest[i]; i++) {
		struct peer_key *key = key_of(found.latest[i]);

		if (!key) {
			record_free(found.latest[i], true);
			continue;
		}
		place_set(&keys->receive[num++], key);
		/* The peer may have gone over to the latest one only by half. */
		if (key->record->chosen && !keys->send)
			place_set(&keys->send, key);
	}
	return num;
}

struct wanted {
	const struct peer_keys *const *keys;
	size_t num;
};

static void forget(void *data, void *arg)
{
	const struct wanted *wanted = arg;
	struct peer_key_record *record = data;

	for (size_t i = 0; i < wanted->num; i++)
		if (wanted->keys[i]->host_id == record->host_id)
			return;
	record_free(record, true);
}

void peer_keys_forget_others(const struct peer_keys *const *keys, size_t num)
{
	struct wanted wanted = { keys, num };

	if (file)
		statefile_each(file, forget, &wanted);
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
	if (keys->send)
		keys->send->kept = true;
	for (int i = 0; i < PEER_KEY_GENERATIONS; i++)
		if (keys->receive[i])
			keys->receive[i]->kept = true;
	place_set(&keys->send, NULL);
	for (int i = 0; i < PEER_KEY_GENERATIONS; i++)
		place_set(&keys->receive[i], NULL);
}

static int sequence_next(struct peer_key *key, uint64_t *sequence)
{
	static struct log_limit limit = { .burst = 1 };

	*sequence = __atomic_fetch_add(&key->record->sequence, 1, __ATOMIC_RELAXED);
	if (*sequence < SLIM_WIRE_SEQUENCE_MAX)
		return 0;
	if (log_limit_ok(&limit))
		log_warning("key %08x has sealed 2^36 preambles and is used up: connections take "
			    "the packet path until that peer's channel is opened anew", key->record->id);
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
	fields->key_id = key->record->id;
	len = preamble_encode(fields, out);
	if (len < 0)
		return len;
	err = mac_compute(mac, key->record->send, out, (size_t)len - PREAMBLE_MAC_LEN, fields->mac);
	if (err)
		return err;
	memcpy(out + len - PREAMBLE_MAC_LEN, fields->mac, PREAMBLE_MAC_LEN);
	return len;
}

static int key_open(struct peer_key *key, struct mac *mac, const uint8_t *data, size_t len,
		    const struct preamble *fields)
{
	uint8_t tag[PREAMBLE_MAC_LEN];

	if (mac_compute(mac, key->record->receive, data, len - PREAMBLE_MAC_LEN, tag) ||
	    CRYPTO_memcmp(tag, fields->mac, sizeof(tag)))
		return -EKEYREJECTED;
	return replay_accept(&key->record->replay, fields->sequence) ? 0 : -EALREADY;
}

int peer_keys_open(struct peer_keys *keys, struct mac *mac, const uint8_t *data, size_t len,
		   const struct preamble *fields)
{
	uint64_t now = clock_s();
	int err = -EKEYEXPIRED;

	/* Ids are random: two generations may share one. */
	for (int i = 0; i < PEER_KEY_GENERATIONS; i++) {
		struct peer_key *key = rcu_dereference(keys->receive[i]);

		if (!key)
			break;
		if (key->record->id != fields->key_id || is_expired(key, now))
			continue;
		err = key_open(key, mac, data, len, fields);
		if (err != -EKEYREJECTED)
			return err;
	}
	return err;
}
