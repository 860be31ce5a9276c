/* SPDX-License-Identifier: MIT */
/* peer_tls.c - TLS 1.3 between routers that know each other's keys */
#include "peer_tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <string.h>
#include <sys/epoll.h>

#include "host_key.h"

#include "../include/slim/wire.h"

#define CERTIFICATE_MAX	4096	/* bytes; ours has some 300 */

/* ALPN's form: a length, then the name */
static const unsigned char alpn[] = "\x06" SLIM_WIRE_ALPN;

static int verify(X509_STORE_CTX *store, void *data)
{
	const struct peer_tls_verifier *verifier = data;
	SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	X509 *cert = X509_STORE_CTX_get0_cert(store);
	EVP_PKEY *key = cert ? X509_get0_pubkey(cert) : NULL;
	uint8_t public_key[HOST_KEY_PUBLIC_LEN];

	if (key && !host_key_raw_public(key, public_key) &&
	    verifier->accept(public_key, SSL_get_app_data(ssl))) {
		X509_STORE_CTX_set_error(store, X509_V_OK);
		return 1;
	}
	X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);
	return 0;
}

static int alpn_select(SSL *ssl, const unsigned char **out, unsigned char *out_len,
		       const unsigned char *in, unsigned int in_len, void *data)
{
	(void)ssl;
	(void)data;
	if (SSL_select_next_proto((unsigned char **)out, out_len, alpn, sizeof(alpn) - 1, in,
				  in_len) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	return SSL_TLSEXT_ERR_OK;
}

static bool context_use_key(SSL_CTX *ctx, EVP_PKEY *key)
{
	X509 *cert = host_key_certificate(key);
	bool ok = cert && SSL_CTX_use_certificate(ctx, cert) && SSL_CTX_use_PrivateKey(ctx, key);

	X509_free(cert);
	return ok;
}

static bool context_set(SSL_CTX *ctx)
{
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
	SSL_CTX_set_max_cert_list(ctx, CERTIFICATE_MAX);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
			      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_CTX_set_alpn_select_cb(ctx, alpn_select, NULL);
	return SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) &&
	       SSL_CTX_set_num_tickets(ctx, 0) &&
	       SSL_CTX_set1_sigalgs_list(ctx, "ed25519") &&
	       !SSL_CTX_set_alpn_protos(ctx, alpn, sizeof(alpn) - 1);
}

SSL_CTX *peer_tls_new(EVP_PKEY *key, const struct peer_tls_verifier *verifier)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_method());

	if (!ctx)
		return NULL;
	SSL_CTX_set_cert_verify_callback(ctx, verify, (void *)(uintptr_t)verifier);
	if (context_set(ctx) && context_use_key(ctx, key))
		return ctx;
	SSL_CTX_free(ctx);
	return NULL;
}

void peer_tls_free(SSL_CTX *ctx)
{
	SSL_CTX_free(ctx);
}

SSL *peer_tls_open(SSL_CTX *ctx, int fd, bool client, void *data)
{
	SSL *ssl = SSL_new(ctx);

	if (!ssl)
		return NULL;
	if (client)
		SSL_set_connect_state(ssl);
	else
		SSL_set_accept_state(ssl);
	if (SSL_set_app_data(ssl, data) && SSL_set_fd(ssl, fd))
		return ssl;
	SSL_free(ssl);
	return NULL;
}

int peer_tls_export(SSL *ssl, uint8_t *out)
{
	if (SSL_export_keying_material(ssl, out, SLIM_WIRE_EXPORTER_LEN, SLIM_WIRE_EXPORTER,
				       strlen(SLIM_WIRE_EXPORTER), NULL, 0, 1) != 1)
		return -EIO;
	return 0;
}

int peer_tls_result(SSL *ssl, int result)
{
	switch (SSL_get_error(ssl, result)) {
	case SSL_ERROR_WANT_READ:
		return EPOLLIN;
	case SSL_ERROR_WANT_WRITE:
		return EPOLLOUT;
	case SSL_ERROR_ZERO_RETURN:
		return -EPIPE;
	case SSL_ERROR_SYSCALL:
		return errno ? -errno : -EPIPE;
	default:
		break;
	}
	return ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING ?
	       -EPIPE : -EPROTO;
}

const char *peer_tls_error(int err)
{
	unsigned long error = ERR_peek_last_error();
	const char *reason = ERR_reason_error_string(error);

	if (err == -EPIPE)
		return "the other end closed the connection";
	/* What its verify() makes of a key that it does not expect */
	if (err == -EPROTO && ERR_GET_REASON(error) == SSL_R_SSLV3_ALERT_BAD_CERTIFICATE)
		return "it refuses this host's public key: its configuration has another one";
	return err == -EPROTO && reason ? reason : strerror(-err);
}
