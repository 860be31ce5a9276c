/* SPDX-License-Identifier: MIT */
/*
 * test_peer_tls.c - handshakes, at each allocation for which OpenSSL gets no memory
 *
 * links: router/peer_tls.c router/host_key.c
 * libs: ssl crypto
 */
#include <check.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../router/peer_tls.h"
#include "suite.h"

#define STEPS		20	/* a handshake takes fewer turns */
#define NEVER		(-1)
#define EVERY		200	/* of so many first allocations each one fails, then fewer and fewer */

static int succeed = NEVER;	/* so many allocations; then one fails */
static EVP_PKEY *key;
static SSL_CTX *ctx;
static int the_data, accepted;

/* --- memory that is wanting --- */

static bool fails(void)
{
	if (succeed == NEVER)
		return false;
	return succeed-- == 0;
}

static void *get(size_t size, const char *file, int line)
{
	(void)file, (void)line;
	return fails() ? NULL : malloc(size);
}

static void *get_again(void *old, size_t size, const char *file, int line)
{
	(void)file, (void)line;
	return fails() ? NULL : realloc(old, size);
}

static void put(void *memory, const char *file, int line)
{
	(void)file, (void)line;
	free(memory);
}

/* --- both ends --- */

static bool accept_key(const uint8_t *public_key, void *data)
{
	(void)public_key;
	ck_assert_ptr_eq(data, &the_data);
	accepted++;
	return true;
}

static const struct peer_tls_verifier verifier = { .accept = accept_key };

static void setup(void)
{
	key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	ctx = peer_tls_new(key, &verifier);
	ck_assert_ptr_nonnull(ctx);
}

static void teardown(void)
{
	peer_tls_free(ctx);
	EVP_PKEY_free(key);
}

/* 1: done; 0: not yet; -errno */
static int step(SSL *ssl)
{
	int ret, result;

	ERR_clear_error();
	ret = SSL_do_handshake(ssl);
	if (ret == 1)
		return 1;
	result = peer_tls_result(ssl, ret);
	return result == EPOLLIN || result == EPOLLOUT ? 0 : result;
}

static int shake(SSL *client, SSL *server)
{
	int ends[2] = { 0, 0 };

	for (int i = 0; i < STEPS && (!ends[0] || !ends[1]); i++) {
		SSL *ssl = i % 2 ? server : client;

		if (!ends[i % 2])
			ends[i % 2] = step(ssl);
		if (ends[i % 2] < 0)
			return ends[i % 2];
	}
	return ends[0] && ends[1];
}

/* Both ends, from the beginning on, after the next @num allocations one fails. As shake() */
static int connect_both(int num)
{
	SSL *client, *server;
	int pair[2], ret = 0;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
	succeed = num;
	client = peer_tls_open(ctx, pair[0], true, &the_data);
	server = peer_tls_open(ctx, pair[1], false, &the_data);
	if (client && server)
		ret = shake(client, server);
	SSL_free(client);
	SSL_free(server);
	close(pair[0]);
	close(pair[1]);
	return ret;
}

START_TEST(test_whole)
{
	ck_assert_int_eq(connect_both(NEVER), 1);
	ck_assert_int_eq(accepted, 2);
}
END_TEST

START_TEST(test_no_memory)
{
	int failures = 0;

	for (int num = 0; succeed == NEVER; num += 1 + num / EVERY)
		failures += connect_both(num) != 1;
	succeed = NEVER;
	ck_assert_int_gt(failures, 100);
	ck_assert_int_eq(connect_both(NEVER), 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("peer_tls");
	TCase *tests = tcase_create("memory");

	if (!CRYPTO_set_mem_functions(get, get_again, put))
		return EXIT_FAILURE;
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, test_whole);
	tcase_add_test(tests, test_no_memory);
	tcase_set_timeout(tests, 120);
	suite_add_tcase(suite, tests);
	return suite_run(suite);
}
