/* SPDX-License-Identifier: MIT */
/* mac.c - SipHash-2-4 over a preamble, by OpenSSL */
#include "mac.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdlib.h>

struct mac {
	EVP_MAC_CTX *ctx;
};

/* The tag's size stays with the context; setting it anew for each MAC would cost more
 * than the MAC. */
static EVP_MAC_CTX *context_new(void)
{
	size_t size = MAC_LEN;
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &size),
		OSSL_PARAM_construct_end(),
	};
	EVP_MAC *siphash = EVP_MAC_fetch(NULL, OSSL_MAC_NAME_SIPHASH, NULL);
	EVP_MAC_CTX *ctx = siphash ? EVP_MAC_CTX_new(siphash) : NULL;

	EVP_MAC_free(siphash);
	if (ctx && EVP_MAC_CTX_set_params(ctx, params))
		return ctx;
	EVP_MAC_CTX_free(ctx);
	return NULL;
}

struct mac *mac_new(void)
{
	struct mac *mac = calloc(1, sizeof(*mac));

	if (!mac)
		return NULL;
	mac->ctx = context_new();
	if (mac->ctx)
		return mac;
	free(mac);
	return NULL;
}

void mac_free(struct mac *mac)
{
	if (!mac)
		return;
	EVP_MAC_CTX_free(mac->ctx);
	free(mac);
}

int mac_compute(struct mac *mac, const uint8_t key[MAC_KEY_LEN],
		const void *data, size_t len, uint8_t *out)
{
	size_t out_len;

	if (!EVP_MAC_init(mac->ctx, key, MAC_KEY_LEN, NULL) ||
	    !EVP_MAC_update(mac->ctx, data, len) ||
	    !EVP_MAC_final(mac->ctx, out, &out_len, MAC_LEN) || out_len != MAC_LEN)
		return -EIO;
	return 0;
}
