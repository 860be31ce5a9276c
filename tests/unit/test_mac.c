/* SPDX-License-Identifier: MIT */
/*
 * test_mac.c - SipHash-2-4 with a tag of 64 bits
 *
 * links: router/mac.c
 * libs: crypto
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../router/mac.h"
#include "suite.h"

static const uint8_t key[MAC_KEY_LEN] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };

/* From SipHash's reference implementation (vectors.h): key 00 01 .. 0f, input 00 01 .. */
static const struct {
	size_t len;
	uint8_t tag[MAC_LEN];
} vectors[] = {
	{ 0, { 0x31, 0x0e, 0x0e, 0xdd, 0x47, 0xdb, 0x6f, 0x72 } },
	{ 1, { 0xfd, 0x67, 0xdc, 0x93, 0xc5, 0x39, 0xf8, 0x74 } },
	{ 8, { 0x62, 0x24, 0x93, 0x9a, 0x79, 0xf5, 0xf5, 0x93 } },
	{ 15, { 0xe5, 0x45, 0xbe, 0x49, 0x61, 0xca, 0x29, 0xa1 } },
};

START_TEST(test_vectors)
{
	struct mac *mac = mac_new();
	uint8_t data[64], tag[MAC_LEN];

	ck_assert_ptr_nonnull(mac);
	for (uint8_t i = 0; i < sizeof(data); i++)
		data[i] = i;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		ck_assert_int_eq(mac_compute(mac, key, data, vectors[i].len, tag), 0);
		ck_assert_mem_eq(tag, vectors[i].tag, MAC_LEN);
	}
	mac_free(mac);
}
END_TEST

/* Another key, and then the first one again: nothing of a key stays. */
START_TEST(test_keys)
{
	static const uint8_t other_key[MAC_KEY_LEN] = { 1 };
	uint8_t first[MAC_LEN], other[MAC_LEN], again[MAC_LEN];
	struct mac *mac = mac_new();

	ck_assert_int_eq(mac_compute(mac, key, "abc", 3, first), 0);
	ck_assert_int_eq(mac_compute(mac, other_key, "abc", 3, other), 0);
	ck_assert_int_eq(mac_compute(mac, key, "abc", 3, again), 0);
	ck_assert_mem_eq(first, again, MAC_LEN);
	ck_assert_mem_ne(first, other, MAC_LEN);
	mac_free(mac);
}
END_TEST

/* It is on the way of every connection; said, not judged, because machines differ. */
START_TEST(test_speed)
{
	enum { ROUNDS = 200000 };
	uint8_t data[71] = { 0 }, tag[MAC_LEN];
	struct mac *mac = mac_new();
	struct timespec start, end;
	int err = 0;

	clock_gettime(CLOCK_MONOTONIC, &start);
	for (int i = 0; i < ROUNDS; i++)
		err |= mac_compute(mac, key, data, sizeof(data), tag);
	clock_gettime(CLOCK_MONOTONIC, &end);
	ck_assert_int_eq(err, 0);
	printf("mac: %.0f ns a preamble\n", ((double)(end.tv_sec - start.tv_sec) * 1e9 +
	       (double)(end.tv_nsec - start.tv_nsec)) / ROUNDS);
	mac_free(mac);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("mac");
	TCase *tc = tcase_create("siphash");

	tcase_add_test(tc, test_vectors);
	tcase_add_test(tc, test_keys);
	tcase_add_test(tc, test_speed);
	suite_add_tcase(s, tc);
	return suite_run(s);
}
