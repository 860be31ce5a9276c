/* SPDX-License-Identifier: MIT */
/*
 * test_host_key.c - who this host is: an Ed25519 key in a PEM file
 *
 * links: router/host_key.c
 * libs: crypto
 */
#include <check.h>
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../router/host_key.h"
#include "suite.h"

static char directory[32], path[64];

static void setup(void)
{
	strcpy(directory, "/tmp/slim-test-key.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/key", directory);
}

static void teardown(void)
{
	unlink(path);
	rmdir(directory);
}

static void write_file(const char *text, mode_t mode)
{
	FILE *file = fopen(path, "w");

	fputs(text, file);
	fclose(file);
	chmod(path, mode);
}

START_TEST(test_generate)
{
	uint8_t made[HOST_KEY_PUBLIC_LEN], read[HOST_KEY_PUBLIC_LEN];
	struct stat st;

	ck_assert_int_eq(host_key_generate(path, made), 0);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	ck_assert_int_eq(host_key_public(path, read), 0);
	ck_assert_mem_eq(made, read, sizeof(made));
	ck_assert_int_eq(host_key_generate(path, read), -EEXIST);
	ck_assert_int_eq(host_key_public(path, read), 0);
	ck_assert_mem_eq(made, read, sizeof(made));
}
END_TEST

/* The key of RFC 8410's example, and the id that its public half hashes to */
START_TEST(test_known)
{
	static const uint8_t public_key[HOST_KEY_PUBLIC_LEN] = {
		0x19, 0xbf, 0x44, 0x09, 0x69, 0x84, 0xcd, 0xfe, 0x85, 0x41, 0xba, 0xc1, 0x67, 0xdc,
		0x3b, 0x96, 0xc8, 0x50, 0x86, 0xaa, 0x30, 0xb6, 0xb6, 0xcb, 0x0c, 0x5c, 0x38, 0xad,
		0x70, 0x31, 0x66, 0xe1 };
	uint8_t read[HOST_KEY_PUBLIC_LEN];

	write_file("-----BEGIN PRIVATE KEY-----\n"
		   "MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n"
		   "-----END PRIVATE KEY-----\n", 0600);
	ck_assert_int_eq(host_key_public(path, read), 0);
	ck_assert_mem_eq(read, public_key, sizeof(read));
	ck_assert_uint_eq(host_key_id(read), 0xe744c0791320c328);
}
END_TEST

static const struct {
	const char *what, *text;
	mode_t mode;
	int err;
} bad[] = {
	{ "an empty file", "", 0600, -EINVAL },
	{ "no PEM", "hello\n", 0600, -EINVAL },
	{ "a file that others read", "", 0644, -EPERM },
	{ "an X25519 key", "-----BEGIN PRIVATE KEY-----\n"
	  "MC4CAQAwBQYDK2VuBCIEIHBgbzUgBSUlPJ1hBBSO3Wh8AK8yYGpEcRnPuUYUSpFq\n"
	  "-----END PRIVATE KEY-----\n", 0600, -EINVAL },
	{ "an encrypted key", "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
	  "MIGbMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAgAAAAAAAAAAAICCAAw\n"
	  "-----END ENCRYPTED PRIVATE KEY-----\n", 0600, -EINVAL },
};

START_TEST(test_bad)
{
	uint8_t read[HOST_KEY_PUBLIC_LEN];

	write_file(bad[_i].text, bad[_i].mode);
	ck_assert_msg(host_key_public(path, read) == bad[_i].err, "%s", bad[_i].what);
}
END_TEST

START_TEST(test_no_file)
{
	uint8_t public_key[HOST_KEY_PUBLIC_LEN];

	ck_assert_int_eq(host_key_public(path, public_key), -ENOENT);
	ck_assert_int_eq(host_key_public(directory, public_key), -EINVAL);
	ck_assert_int_eq(host_key_generate("/nonexistent/key", public_key), -ENOENT);
}
END_TEST

START_TEST(test_certificate)
{
	uint8_t made[HOST_KEY_PUBLIC_LEN], said[HOST_KEY_PUBLIC_LEN];
	EVP_PKEY *key;
	X509 *cert;

	ck_assert_int_eq(host_key_generate(path, made), 0);
	ck_assert_int_eq(host_key_load(path, &key), 0);
	cert = host_key_certificate(key);
	ck_assert_ptr_nonnull(cert);
	ck_assert_int_eq(X509_verify(cert, key), 1);
	ck_assert_int_eq(host_key_raw_public(X509_get0_pubkey(cert), said), 0);
	ck_assert_mem_eq(made, said, sizeof(made));
	X509_free(cert);
	EVP_PKEY_free(key);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("host_key");
	TCase *tc = tcase_create("files");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_generate);
	tcase_add_test(tc, test_known);
	tcase_add_loop_test(tc, test_bad, 0, sizeof(bad) / sizeof(bad[0]));
	tcase_add_test(tc, test_no_file);
	tcase_add_test(tc, test_certificate);
	suite_add_tcase(s, tc);
	return suite_run(s);
}
