/* SPDX-License-Identifier: MIT */
/*
 * peer_tls.h - TLS 1.3 between routers that know each other's keys
 *
 * Both ends show a self-signed certificate around their host key. Nothing in a certificate
 * counts but its key, which must be a configured peer's; there is no authority and no name.
 * No session is resumed, so every channel has keys of its own and proves both hosts anew.
 */
#ifndef PEER_TLS_H
#define PEER_TLS_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * @accept:	whether a peer with this raw public key is welcome on this connection;
 *		@data is what peer_tls_open() was given
 */
struct peer_tls_verifier {
	bool (*accept)(const uint8_t *public_key, void *data);
};

/* A context for clients and servers; @verifier outlives it. NULL where OpenSSL fails. */
SSL_CTX *peer_tls_new(EVP_PKEY *key, const struct peer_tls_verifier *verifier);
void peer_tls_free(SSL_CTX *ctx);

/* One end of a connection over @fd, which stays the caller's. NULL without memory. */
SSL *peer_tls_open(SSL_CTX *ctx, int fd, bool client, void *data);

/* After the handshake: SLIM_WIRE_EXPORTER_LEN bytes. 0 or -EIO. */
int peer_tls_export(SSL *ssl, uint8_t *out);

/* What became of a call that returned @result: the EPOLL bit to wait for; -EPIPE where the other
 * end closed, another -errno of the socket's, -EPROTO for what TLS refuses. */
int peer_tls_result(SSL *ssl, int result);

/* Says in words why this thread's last call failed. */
const char *peer_tls_error(int err);

#endif
