/* SPDX-License-Identifier: MIT */
/*
 * host_key.h - who this host is: an Ed25519 key in a PEM file
 *
 * Nothing here logs: slimrouter and slimctl both use it, and say errors in their own way.
 */
#ifndef HOST_KEY_H
#define HOST_KEY_H

#include <stdint.h>

#define HOST_KEY_PUBLIC_LEN	32

/* OpenSSL's EVP_PKEY and X509 */
struct evp_pkey_st;
struct x509_st;

/**
 * host_key_generate() - make a key and write it to a new file of mode 0600
 * @public_key:	out, raw
 *
 * 0; -EEXIST where the file exists (it is left alone), another -errno, -EIO where OpenSSL
 * fails. What could not be written whole is removed.
 */
int host_key_generate(const char *path, uint8_t public_key[HOST_KEY_PUBLIC_LEN]);

/* Reads a key's public half. 0 or what host_key_load() says. */
int host_key_public(const char *path, uint8_t public_key[HOST_KEY_PUBLIC_LEN]);

/**
 * host_key_load() - read a key
 * @key:	out; EVP_PKEY_free() it
 *
 * 0; -EPERM where others than its owner may read the file, -EINVAL where it is no
 * unencrypted Ed25519 key in PEM, another -errno.
 */
int host_key_load(const char *path, struct evp_pkey_st **key);

/* The raw public half of any key: 0, or -EINVAL where it is not Ed25519. */
int host_key_raw_public(const struct evp_pkey_st *key,
			uint8_t public_key[HOST_KEY_PUBLIC_LEN]);

/* A self-signed certificate around @key, for TLS, which wants one. What it says is not looked
 * at: peers know each other by key. NULL where OpenSSL fails; X509_free() it. */
struct x509_st *host_key_certificate(struct evp_pkey_st *key);

/* The first 8 bytes of the public key's SHA-256, as a big-endian number. 0 where
 * OpenSSL fails. */
uint64_t host_key_id(const uint8_t public_key[HOST_KEY_PUBLIC_LEN]);

#endif
