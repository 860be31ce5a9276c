/* SPDX-License-Identifier: MIT */
/*
 * test_peer_key.c - generations of preamble keys
 *
 * links: router/peer_key.c router/mac.c router/log.c core/preamble.c core/replay.c
 * links: router/statefile.c router/endpoint.c
 * libs: urcu crypto
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../router/log.h"
#include "../../router/peer_key.h"

#include "../../include/slim/wire.h"
#include "suite.h"

static struct mac *mac;
static struct peer_keys client, server;
static uint8_t sealed[PREAMBLE_MAX];
static int sealed_len;

static void setup(void)
{
	log_level_set(LOG_LEVEL_ERROR);
	rcu_register_thread();
	mac = mac_new();
}

static void teardown(void)
{
	peer_keys_exit(&client);
	peer_keys_exit(&server);
	rcu_barrier();
	mac_free(mac);
	rcu_unregister_thread();
}

/* A channel: both ends install, and choose on HELLO. */
static void channel(uint8_t number, bool hello)
{
	uint8_t material[SLIM_WIRE_EXPORTER_LEN];
	struct peer_key *client_key, *server_key;

	for (size_t i = 0; i < sizeof(material); i++)
		material[i] = (uint8_t)(number + i * 7);
	client_key = peer_keys_install(&client, material, true);
	server_key = peer_keys_install(&server, material, false);
	if (hello) {
		peer_keys_choose(&client, client_key);
		peer_keys_choose(&server, server_key);
	}
}

static int seal(struct peer_keys *keys)
{
	struct preamble fields = { .src[0] = 0xfd, .dst[0] = 0xfd, .dst_port = 80 };

	rcu_read_lock();
	sealed_len = peer_keys_seal(keys, mac, &fields, sealed);
	rcu_read_unlock();
	return sealed_len;
}

static int open_sealed(struct peer_keys *keys)
{
	struct preamble fields;
	int err;

	ck_assert_int_eq(preamble_decode(sealed, (size_t)sealed_len, &fields), 0);
	rcu_read_lock();
	err = peer_keys_open(keys, mac, sealed, (size_t)sealed_len, &fields);
	rcu_read_unlock();
	return err;
}

START_TEST(test_both_ways)
{
	ck_assert_int_eq(seal(&client), -ENOKEY);
	channel(0, false);
	ck_assert_int_eq(seal(&client), -ENOKEY);
	channel(1, true);
	ck_assert_int_eq(seal(&client), PREAMBLE_LEN6);
	/* What a host sealed does not open at that host. */
	ck_assert_int_eq(open_sealed(&client), -EKEYREJECTED);
	ck_assert_int_eq(open_sealed(&server), 0);
	ck_assert_int_eq(open_sealed(&server), -EALREADY);
	ck_assert_int_eq(seal(&server), PREAMBLE_LEN6);
	ck_assert_int_eq(open_sealed(&client), 0);
}
END_TEST

START_TEST(test_generations)
{
	channel(0, true);
	seal(&client);
	for (uint8_t i = 1; i < PEER_KEY_GENERATIONS; i++)
		channel(i, true);
	ck_assert_int_eq(open_sealed(&server), 0);
	ck_assert_int_eq(open_sealed(&server), -EALREADY);
	seal(&client);
	channel(PEER_KEY_GENERATIONS, true);
	ck_assert_int_eq(open_sealed(&server), 0);
}
END_TEST

/* Channels that never come to HELLO do not push out what is being sent with. */
START_TEST(test_unchosen)
{
	channel(0, true);
	for (uint8_t i = 1; i <= 3 * PEER_KEY_GENERATIONS; i++) {
		channel(i, false);
		ck_assert_int_eq(seal(&client), PREAMBLE_LEN6);
		ck_assert_int_eq(open_sealed(&server), 0);
		rcu_barrier();
	}
	seal(&client);
	channel(4 * PEER_KEY_GENERATIONS, true);
	ck_assert_int_eq(open_sealed(&server), 0);
}
END_TEST

START_TEST(test_expired)
{
	struct peer_key *old;

	channel(0, true);
	seal(&client);
	channel(1, false);
	peer_keys_expire(&server);
	ck_assert_ptr_nonnull(server.receive[1]);
	channel(2, true);
	peer_keys_expire(&server);
	ck_assert_int_eq(open_sealed(&server), 0);
	seal(&client);
	/* Time goes by: both older ones have a date now, the latest has none. */
	old = server.receive[2];
	ck_assert_uint_ne(old->record->expires, 0);
	ck_assert_uint_ne(server.receive[1]->record->expires, 0);
	ck_assert_uint_eq(server.receive[0]->record->expires, 0);
	ck_assert_int_eq(open_sealed(&server), 0);
	seal(&client);
	channel(3, true);
	for (int i = 1; i < 4; i++)
		server.receive[i]->record->expires = 1;
	ck_assert_int_eq(open_sealed(&server), -EKEYEXPIRED);
	peer_keys_expire(&server);
	ck_assert_ptr_null(server.receive[1]);
	ck_assert_int_eq(open_sealed(&server), -EKEYEXPIRED);
	seal(&client);
	ck_assert_int_eq(open_sealed(&server), 0);
}
END_TEST

START_TEST(test_used_up)
{
	channel(0, true);
	client.send->record->sequence = SLIM_WIRE_SEQUENCE_MAX - 1;
	ck_assert_int_eq(seal(&client), PREAMBLE_LEN6);
	ck_assert_int_eq(open_sealed(&server), 0);
	ck_assert_int_eq(seal(&client), -ENOKEY);
	ck_assert_int_eq(seal(&client), -ENOKEY);
	channel(1, true);
	ck_assert_int_eq(seal(&client), PREAMBLE_LEN6);
}
END_TEST

START_TEST(test_self)
{
	ck_assert_int_eq(peer_keys_self(&client), 0);
	for (int i = 0; i < 100; i++) {
		ck_assert_int_eq(seal(&client), PREAMBLE_LEN6);
		ck_assert_int_eq(open_sealed(&client), 0);
		ck_assert_int_eq(open_sealed(&client), -EALREADY);
	}
}
END_TEST

/* Both routers (which share a file here) are killed, and others take the keys up. */
static void restart(const char *directory, uint64_t client_host, uint64_t server_host)
{
	peer_keys_exit(&client);
	peer_keys_exit(&server);
	peer_keys_close_file();
	client = (struct peer_keys){ .host_id = client_host };
	server = (struct peer_keys){ .host_id = server_host };
	ck_assert_int_eq(peer_keys_open_file(directory), 0);
	peer_keys_restore(&client);
	peer_keys_restore(&server);
}

static void both_ways(void)
{
	ck_assert_int_gt(seal(&client), 0);
	ck_assert_int_eq(open_sealed(&server), 0);
	ck_assert_int_gt(seal(&server), 0);
	ck_assert_int_eq(open_sealed(&client), 0);
}

START_TEST(test_restart)
{
	char directory[] = "/tmp/slim-keys-XXXXXX", path[64];

	ck_assert_ptr_nonnull(mkdtemp(directory));
	ck_assert_int_eq(peer_keys_open_file(directory), 0);
	client.host_id = 7;
	server.host_id = 8;
	channel(0, true);
	both_ways();
	restart(directory, 7, 8);
	/* What was seen before is known; what is sealed now was never seen. */
	ck_assert_int_eq(open_sealed(&client), -EALREADY);
	both_ways();
	/* A generation that the peer is not known to have is for receiving alone. */
	channel(1, false);
	restart(directory, 7, 8);
	ck_assert_uint_ne(client.send->record->id, client.receive[0]->record->id);
	both_ways();
	/* Those of a host that is no peer any more are forgotten, the others are not. */
	restart(directory, 7, 9);
	ck_assert_ptr_null(server.send);
	peer_keys_forget_others((const struct peer_keys *[]){ &client }, 1);
	restart(directory, 7, 8);
	ck_assert_ptr_nonnull(client.send);
	ck_assert_ptr_null(server.receive[0]);
	restart(directory, 0, 0);
	peer_keys_close_file();
	snprintf(path, sizeof(path), "%s/keys", directory);
	unlink(path);
	ck_assert_int_eq(rmdir(directory), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("peer_key");
	TCase *tc = tcase_create("keys");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_both_ways);
	tcase_add_test(tc, test_generations);
	tcase_add_test(tc, test_unchosen);
	tcase_add_test(tc, test_expired);
	tcase_add_test(tc, test_used_up);
	tcase_add_test(tc, test_self);
	tcase_add_test(tc, test_restart);
	suite_add_tcase(s, tc);
	return suite_run(s);
}
