/* SPDX-License-Identifier: MIT */
/*
 * fuzz_key.c - any bytes as a host's key file, and as a public key in base64
 *
 * links: router/host_key.c router/base64.c
 * libs: crypto
 */
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../router/base64.h"
#include "../../router/host_key.h"
#include "input.h"

static void check_file(const uint8_t *data, size_t size)
{
	uint8_t public_key[HOST_KEY_PUBLIC_LEN];
	EVP_PKEY *key = NULL;
	X509 *certificate;
	char path[64];
	int fd = memfd_create("key", MFD_CLOEXEC), err;

	require(fd >= 0 && fchmod(fd, 0600) == 0 && write(fd, data, size) == (ssize_t)size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	err = host_key_load(path, &key);
	require(err == 0 || err == -EINVAL);
	require(host_key_public(path, public_key) == err);
	close(fd);
	if (err)
		return;
	certificate = host_key_certificate(key);
	require(certificate && host_key_id(public_key));
	X509_free(certificate);
	EVP_PKEY_free(key);
}

/* What is accepted is just what would be written. */
static void check_base64(const char *text)
{
	char again[BASE64_SIZE(HOST_KEY_PUBLIC_LEN + 2)];
	uint8_t bytes[HOST_KEY_PUBLIC_LEN + 2];

	for (size_t len = 0; len <= sizeof(bytes); len++)
		if (base64_decode(bytes, len, text) == 0)
			require(!strcmp(base64_encode(again, bytes, len), text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	check_file(data, size);
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	check_base64(text);
	free(text);
	return 0;
}
