/* SPDX-License-Identifier: MIT */
/*
 * fuzz_peer_channel.c - what a lying peer says, once TLS has let it in
 *
 * links: ROUTER
 * without: router/peer_channel.c router/peer_tls.c
 * libs: urcu urcu-cds urcu-common ssl crypto jansson nl-3 pthread
 *
 * The input is what the peer sends over one channel, TLS record by TLS record: messages with a whole
 * header, messages that are none, time. Behind it are the real directory and all it tells (see fixture.h).
 * When the channel has ended, nothing that it announced may count.
 */
#include <sys/socket.h>

#include "fixture.h"
#include "input.h"

#include <openssl/ssl.h>

/* TLS: what is to be read is here, what is written nobody reads. */
static int tls_read(SSL *ssl, void *data, int size);
static int tls_write(SSL *ssl, const void *data, int len);
static int tls_zero(SSL *ssl);
static int tls_one(SSL *ssl);
static void tls_free(SSL *ssl);
#define SSL_read tls_read
#define SSL_write tls_write
#define SSL_pending tls_zero
#define SSL_do_handshake tls_one
#define SSL_free tls_free
#include "../../router/peer_channel.c"

#include "../../router/directory.h"
#include "../../router/peer_state.h"

#define STEPS_MAX	64

enum step {
	STEP_MESSAGE,
	STEP_BYTES,
	STEP_WAIT,
	STEP_LOCAL,		/* a container of this host's own announces */
	STEP_NUM
};

static struct peer *other;
static uint8_t record[SLIM_WIRE_MESSAGE_MAX + 8];
static size_t record_len, record_pos;
static int wire[2];
static bool tls_ends;

static int tls_read(SSL *ssl, void *data, int size)
{
	size_t left = record_len - record_pos, len = left < (size_t)size ? left : (size_t)size;

	(void)ssl;
	if (!len)
		return 0;
	memcpy(data, record + record_pos, len);
	record_pos += len;
	return (int)len;
}

static int tls_write(SSL *ssl, const void *data, int len)
{
	(void)ssl, (void)data;
	return len;
}

static int tls_zero(SSL *ssl)
{
	(void)ssl;
	return 0;
}

static int tls_one(SSL *ssl)
{
	(void)ssl;
	return 1;
}

static void tls_free(SSL *ssl)
{
	(void)ssl;
}

SSL_CTX *peer_tls_new(EVP_PKEY *key, const struct peer_tls_verifier *verifier)
{
	(void)key, (void)verifier;
	return (SSL_CTX *)record;
}

void peer_tls_free(SSL_CTX *ctx)
{
	(void)ctx;
}

SSL *peer_tls_open(SSL_CTX *ctx, int fd, bool client, void *data)
{
	(void)ctx, (void)fd, (void)client, (void)data;
	return (SSL *)record;
}

int peer_tls_export(SSL *ssl, uint8_t *out)
{
	(void)ssl;
	memset(out, 7, SLIM_WIRE_EXPORTER_LEN);
	return 0;
}

int peer_tls_result(SSL *ssl, int result)
{
	(void)ssl, (void)result;
	return tls_ends ? -EPIPE : EPOLLIN;
}

const char *peer_tls_error(int err)
{
	(void)err;
	return "it ends";
}

static void deliver(void)
{
	char byte = 0;

	record_pos = 0;
	(void)send(wire[1], &byte, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	fixture_turn();
	(void)recv(wire[0], &byte, 1, MSG_DONTWAIT);
}

static void put16(uint8_t *out, size_t value)
{
	out[0] = (uint8_t)(value >> 8);
	out[1] = (uint8_t)value;
}

/* HELLO names its sender, addresses lie in the tenant: no mutation would hit upon them. */
static void make_sense(uint8_t type, uint8_t hints)
{
	struct in6_addr addr = fixture_address(1 + (hints & 7), hints & 8 ? AF_INET : AF_INET6);

	if (type == SLIM_MESSAGE_HELLO) {
		for (int i = 0; i < 8; i++)
			record[16 + i] = (uint8_t)(other->host_id >> (56 - 8 * i));
		return;
	}
	record[8] = record[9] = record[10] = 0;
	record[11] = FIXTURE_VNI;
	if (type == SLIM_MESSAGE_CONTAINER_ADD)
		memcpy(record + 24, &addr, sizeof(addr));
	else
		memcpy(record + 16, &addr, sizeof(addr));
}

static void make_question(uint8_t hints)
{
	static const uint8_t protocols[4] = { 6, 17, 1, 6 };
	struct in6_addr source = fixture_address(hints & 1, AF_INET);
	struct in6_addr destination = fixture_address(1 + (hints & 1), AF_INET);

	memset(record + 16, 0, 16);
	record[19] = record[23] = FIXTURE_VNI;
	record[25] = protocols[hints >> 1 & 3];
	memcpy(record + 32, &source, sizeof(source));
	memcpy(record + 48, &destination, sizeof(destination));
}

static void step_message(struct input *input)
{
	static const uint16_t lengths[SLIM_MESSAGE_NUM] = {
		8, 104, 24, 16, 32, 32, 8, 16, 16, 76, 18, 64, 26,
	};
	uint8_t type = input_byte(input) % SLIM_MESSAGE_NUM, hints = input_byte(input);
	size_t len = lengths[type], addresses = hints >> 4 & 7;

	if (type == SLIM_MESSAGE_HELLO || type == SLIM_MESSAGE_CONTAINER_ADD)
		len += 16 * addresses;
	if (type == SLIM_MESSAGE_CONTAINER_TAGS || type == SLIM_MESSAGE_POLICY_VERDICT)
		len += hints & 15;
	memset(record, 0, 8);
	put16(record, type);
	put16(record + 6, len);
	input_bytes(input, record + 8, len - 8);
	if (type == SLIM_MESSAGE_HELLO)
		put16(record + 96, addresses);
	if (type == SLIM_MESSAGE_CONTAINER_ADD)
		put16(record + 22, addresses);
	if (!(hints & 0x80) && type < SLIM_MESSAGE_SYNC_END)
		make_sense(type, hints);
	if (!(hints & 0x80) && type == SLIM_MESSAGE_CONTAINER_TAGS) {
		record[8] = record[9] = record[10] = 0;
		record[11] = FIXTURE_VNI;
		record[len - 1] = 0;
	}
	if (!(hints & 0x80) && type == SLIM_MESSAGE_POLICY_QUESTION)
		make_question(hints);
	record_len = len;
	deliver();
}

static void step_local(struct input *input)
{
	uint8_t hints = input_byte(input);
	struct in6_addr addr = fixture_address(0, hints & 2 ? AF_INET : AF_INET6);

	if (hints & 1)
		(void)directory_listener_add(FIXTURE_VNI, &addr, hints);
	else
		directory_listener_remove(FIXTURE_VNI, &addr, hints | 1);
}

static void step(struct input *input)
{
	switch (input_byte(input) % STEP_NUM) {
	case STEP_MESSAGE:
		step_message(input);
		break;
	case STEP_BYTES:
		record_len = input_bytes(input, record, input_u16(input) % sizeof(record));
		deliver();
		break;
	case STEP_WAIT:
		fixture_pass(input_byte(input) * 20u);
		break;
	default:
		rcu_read_lock();
		step_local(input);
		rcu_read_unlock();
		break;
	}
}

static void count_remote(struct peer *peer, uint32_t vni, const struct in6_addr *addr,
			 uint16_t port, bool busy, void *data)
{
	struct directory_listener found;

	if (peer != other)
		return;
	++*(unsigned int *)data;
	/* What is listed can be found, or somebody else has the address now. */
	if (directory_find(vni, addr, port, &found) && found.peer == other)
		require(found.busy == busy);
}

static unsigned int remote_listeners(void)
{
	unsigned int num = 0;

	rcu_read_lock();
	directory_each_listener(count_remote, &num);
	rcu_read_unlock();
	return num;
}

/* Over another channel it says that it has none. */
static void forget_containers(void)
{
	rcu_read_lock();
	directory_peer_sync_begin(other);
	directory_peer_sync_end(other);
	rcu_read_unlock();
	require(!other->owner.containers_num && !other->owner.addresses_num);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	fixture_start();
	for (size_t i = 0; i < peers.num; i++) {
		peer_dial_stop(peers.sorted[i]);
		if (!peers.sorted[i]->self)
			other = peers.sorted[i];
	}
	/* Nobody dials. */
	other->self = true;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct in6_addr from = { .s6_addr = { [10] = 0xff, [11] = 0xff, [12] = 127, [15] = 2 } };
	struct input input = { data, size };
	struct peer_channel *channel;

	require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, wire) == 0);
	record_len = record_pos = 0;
	rcu_read_lock();
	channel = peer_channel_accept(fixture_loop, NULL, wire[0], &from);
	rcu_read_unlock();
	require(channel != NULL);
	channel->peer = other;
	for (int i = 0; i < STEPS_MAX && input.left; i++) {
		step(&input);
		/* What this host has itself, no other one has. */
		require(remote_listeners() <= other->owner.listeners_num);
	}
	close(wire[1]);
	tls_ends = true;
	fixture_turn();
	tls_ends = false;
	require(!other->channel && !other->up);
	require(!other->owner.listeners_num && !remote_listeners());
	forget_containers();
	return 0;
}
