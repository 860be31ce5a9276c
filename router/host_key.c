/* SPDX-License-Identifier: MIT */
/* host_key.c - who this host is: an Ed25519 key in a PEM file */
#include "host_key.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CERTIFICATE_NAME	"slim"

int host_key_raw_public(const EVP_PKEY *key, uint8_t public_key[HOST_KEY_PUBLIC_LEN])
{
	size_t len = HOST_KEY_PUBLIC_LEN;

	if (EVP_PKEY_get_id(key) != EVP_PKEY_ED25519 ||
	    !EVP_PKEY_get_raw_public_key(key, public_key, &len) || len != HOST_KEY_PUBLIC_LEN)
		return -EINVAL;
	return 0;
}

static int write_key(int fd, EVP_PKEY *key)
{
	FILE *file = fdopen(fd, "w");
	int err = 0;

	if (!file) {
		err = -errno;
		close(fd);
		return err;
	}
	if (!PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL))
		err = -EIO;
	if (fflush(file) || fsync(fd))
		err = -errno;
	if (fclose(file) && !err)
		err = -errno;
	return err;
}

int host_key_generate(const char *path, uint8_t public_key[HOST_KEY_PUBLIC_LEN])
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	int fd, err = -EIO;

	if (!key || host_key_raw_public(key, public_key))
		goto free_key;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		err = -errno;
		goto free_key;
	}
	err = write_key(fd, key);
	if (err)
		unlink(path);
free_key:
	EVP_PKEY_free(key);
	return err;
}

static int check_file(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	return st.st_mode & 077 ? -EPERM : 0;
}

/* Without this, OpenSSL would ask the terminal for the passphrase of an encrypted key. */
static int no_passphrase(char *buf, int size, int writing, void *data)
{
	(void)buf;
	(void)size;
	(void)writing;
	(void)data;
	return -1;
}

static int read_key(FILE *file, EVP_PKEY **key)
{
	uint8_t public_key[HOST_KEY_PUBLIC_LEN];

	*key = PEM_read_PrivateKey(file, NULL, no_passphrase, NULL);
	if (!*key)
		return -EINVAL;
	if (!host_key_raw_public(*key, public_key))
		return 0;
	EVP_PKEY_free(*key);
	*key = NULL;
	return -EINVAL;
}

int host_key_load(const char *path, EVP_PKEY **key)
{
	/* O_NONBLOCK: a FIFO must not hold us up */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	FILE *file;
	int err;

	if (fd < 0)
		return -errno;
	err = check_file(fd);
	if (err)
		goto close_fd;
	file = fdopen(fd, "r");
	if (!file) {
		err = -errno;
		goto close_fd;
	}
	err = read_key(file, key);
	fclose(file);
	return err;

close_fd:
	close(fd);
	return err;
}

int host_key_public(const char *path, uint8_t public_key[HOST_KEY_PUBLIC_LEN])
{
	EVP_PKEY *key;
	int err = host_key_load(path, &key);

	if (err)
		return err;
	err = host_key_raw_public(key, public_key);
	EVP_PKEY_free(key);
	return err;
}

static bool certificate_fill(X509 *cert, EVP_PKEY *key)
{
	X509_NAME *name = X509_get_subject_name(cert);

	/* No date matters; these are RFC 5280's for "no expiry". */
	return X509_set_version(cert, X509_VERSION_3) &&
	       ASN1_INTEGER_set(X509_get_serialNumber(cert), 1) &&
	       ASN1_TIME_set_string(X509_getm_notBefore(cert), "20000101000000Z") &&
	       ASN1_TIME_set_string(X509_getm_notAfter(cert), "99991231235959Z") &&
	       X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
					  (const unsigned char *)CERTIFICATE_NAME, -1, -1, 0) &&
	       X509_set_issuer_name(cert, name) &&
	       X509_set_pubkey(cert, key) &&
	       X509_sign(cert, key, NULL);
}

X509 *host_key_certificate(EVP_PKEY *key)
{
	X509 *cert = X509_new();

	if (cert && certificate_fill(cert, key))
		return cert;
	X509_free(cert);
	return NULL;
}

uint64_t host_key_id(const uint8_t public_key[HOST_KEY_PUBLIC_LEN])
{
	uint8_t digest[SHA256_DIGEST_LENGTH];
	uint64_t id = 0;

	if (!EVP_Digest(public_key, HOST_KEY_PUBLIC_LEN, digest, NULL, EVP_sha256(), NULL))
		return 0;
	for (int i = 0; i < 8; i++)
		id = id << 8 | digest[i];
	return id;
}
