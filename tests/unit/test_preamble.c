/* SPDX-License-Identifier: MIT */
/*
 * test_preamble.c - the first bytes of a slim connection
 *
 * links: core/preamble.c router/mac.c
 * libs: crypto
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../core/preamble.h"
#include "../../router/mac.h"
#include "suite.h"

#define MAPPED(a, b, c, d) { [10] = 0xff, 0xff, a, b, c, d }

/* The preambles of docs/wire.md; key 00 01 .. 0f. */
static const uint8_t key[MAC_KEY_LEN] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };

static const struct preamble fields4 = {
	.src = MAPPED(10, 32, 1, 2), .dst = MAPPED(10, 32, 2, 7), .src_port = 0, .dst_port = 6379,
	.vni = 100, .host_id = 0x0123456789abcdef, .key_id = 0xfeedf00d, .sequence = 258,
};

static const struct preamble fields6 = {
	.src = { 0xfd, 0x32, [7] = 1, [15] = 2 }, .dst = { 0xfd, 0x32, [7] = 2, [15] = 7 },
	.src_port = 40000, .dst_port = 80,
	.vni = 0xffffff, .host_id = 0x0123456789abcdef, .key_id = 1, .sequence = 0xfffffffff,
};

/* From tenant to tenant */
static const struct preamble fields_crossing = {
	.src = MAPPED(10, 32, 1, 2), .dst = MAPPED(10, 33, 2, 7), .src_port = 0, .dst_port = 443,
	.vni = 101, .src_vni = 0xabcdef, .host_id = 0x0123456789abcdef, .key_id = 0xfeedf00d,
	.sequence = 0xfffffffff,
};

static const uint8_t recorded4[PREAMBLE_LEN4] = {
	0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a,
	0x21, 0x11, 0x00, 0x3f, 0x0a, 0x20, 0x01, 0x02, 0x0a, 0x20, 0x02, 0x07,
	0x00, 0x00, 0x18, 0xeb, 0xe0, 0x00, 0x01, 0x01, 0xe1, 0x00, 0x04, 0x00,
	0x00, 0x00, 0x64, 0xe2, 0x00, 0x08, 0x01, 0x23, 0x45, 0x67, 0x89, 0xab,
	0xcd, 0xef, 0xe3, 0x00, 0x04, 0xfe, 0xed, 0xf0, 0x0d, 0xe4, 0x00, 0x08,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x02, 0xe5, 0x00, 0x08, 0x0c,
	0x97, 0xc0, 0xe9, 0xe7, 0xbc, 0x14, 0x2f,
};

static const uint8_t recorded6[PREAMBLE_LEN6] = {
	0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a,
	0x21, 0x21, 0x00, 0x57, 0xfd, 0x32, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0xfd, 0x32, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x07,
	0x9c, 0x40, 0x00, 0x50, 0xe0, 0x00, 0x01, 0x01, 0xe1, 0x00, 0x04, 0x00,
	0xff, 0xff, 0xff, 0xe2, 0x00, 0x08, 0x01, 0x23, 0x45, 0x67, 0x89, 0xab,
	0xcd, 0xef, 0xe3, 0x00, 0x04, 0x00, 0x00, 0x00, 0x01, 0xe4, 0x00, 0x08,
	0x00, 0x00, 0x00, 0x0f, 0xff, 0xff, 0xff, 0xff, 0xe5, 0x00, 0x08, 0x69,
	0xe3, 0x3e, 0x15, 0x2b, 0x77, 0x97, 0x5e,
};

static const uint8_t recorded_crossing[PREAMBLE_LEN4] = {
	0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a,
	0x21, 0x11, 0x00, 0x3f, 0x0a, 0x20, 0x01, 0x02, 0x0a, 0x21, 0x02, 0x07,
	0x00, 0x00, 0x01, 0xbb, 0xe0, 0x00, 0x01, 0x02, 0xe1, 0x00, 0x04, 0x00,
	0x00, 0x00, 0x65, 0xe2, 0x00, 0x08, 0x01, 0x23, 0x45, 0x67, 0x89, 0xab,
	0xcd, 0xef, 0xe3, 0x00, 0x04, 0xfe, 0xed, 0xf0, 0x0d, 0xe4, 0x00, 0x08,
	0xab, 0xcd, 0xef, 0x0f, 0xff, 0xff, 0xff, 0xff, 0xe5, 0x00, 0x08, 0xf9,
	0x9b, 0xf2, 0x63, 0x02, 0x53, 0xe7, 0x8f,
};

static const struct {
	const struct preamble *fields;
	const uint8_t *recorded;
	int len;
} cases[] = {
	{ &fields4, recorded4, PREAMBLE_LEN4 },
	{ &fields6, recorded6, PREAMBLE_LEN6 },
	{ &fields_crossing, recorded_crossing, PREAMBLE_LEN4 },
};

static int seal(const struct preamble *fields, uint8_t *out)
{
	struct mac *mac = mac_new();
	int len = preamble_encode(fields, out);

	if (len > 0)
		ck_assert_int_eq(mac_compute(mac, key, out, (size_t)len - PREAMBLE_MAC_LEN,
					     out + len - PREAMBLE_MAC_LEN), 0);
	mac_free(mac);
	return len;
}

START_TEST(test_recorded)
{
	uint8_t out[PREAMBLE_MAX];

	ck_assert_int_eq(seal(cases[_i].fields, out), cases[_i].len);
	ck_assert_mem_eq(out, cases[_i].recorded, (size_t)cases[_i].len);
	ck_assert_int_eq(preamble_length(out), cases[_i].len);
}
END_TEST

START_TEST(test_round_trip)
{
	size_t len = (size_t)cases[_i].len;
	const struct preamble *in = cases[_i].fields;
	struct preamble out;

	ck_assert_int_eq(preamble_decode(cases[_i].recorded, len, &out), 0);
	ck_assert_mem_eq(out.src, in->src, 16);
	ck_assert_mem_eq(out.dst, in->dst, 16);
	ck_assert_uint_eq(out.src_port, in->src_port);
	ck_assert_uint_eq(out.dst_port, in->dst_port);
	ck_assert_uint_eq(out.vni, in->vni);
	ck_assert_uint_eq(out.src_vni, in->src_vni ? in->src_vni : in->vni);
	ck_assert_uint_eq(out.host_id, in->host_id);
	ck_assert_uint_eq(out.key_id, in->key_id);
	ck_assert_uint_eq(out.sequence, in->sequence);
	ck_assert_mem_eq(out.mac, cases[_i].recorded + len - PREAMBLE_MAC_LEN, PREAMBLE_MAC_LEN);
}
END_TEST

/* One IPv4 and one IPv6 address: the long form. */
START_TEST(test_mixed)
{
	struct preamble fields = fields4, back;
	uint8_t out[PREAMBLE_MAX];

	memcpy(fields.dst, fields6.dst, 16);
	ck_assert_int_eq(preamble_encode(&fields, out), PREAMBLE_LEN6);
	ck_assert_int_eq(preamble_decode(out, PREAMBLE_LEN6, &back), 0);
	ck_assert_mem_eq(back.src, fields.src, 16);
	/* Two mapped ones in the long form: the encoder would not. */
	memcpy(out + 32, fields4.dst, 16);
	ck_assert_int_eq(preamble_decode(out, PREAMBLE_LEN6, &back), -EBADMSG);
}
END_TEST

START_TEST(test_vni_too_long)
{
	struct preamble fields = fields4;
	uint8_t out[PREAMBLE_MAX];

	fields.vni = 0x1000000;
	ck_assert_int_eq(preamble_encode(&fields, out), -EINVAL);
	memcpy(out, recorded4, sizeof(recorded4));
	out[35] = 1;
	ck_assert_int_eq(preamble_decode(out, PREAMBLE_LEN4, &fields), -EBADMSG);
}
END_TEST

/* What no encoder writes */
static const struct {
	const uint8_t *recorded;
	struct {
		uint8_t at, value;
	} changes[3];
} bad_crossings[] = {
	{ recorded4, { { 31, 2 } } },					/* from no tenant */
	{ recorded4, { { 31, 0 } } },
	{ recorded_crossing, { { 31, 3 } } },
	{ recorded_crossing, { { 60, 0 }, { 61, 0 }, { 62, 101 } } },	/* within one, in long */
	{ recorded_crossing, { { 63, 0x10 } } },			/* a sequence number of 2^36 */
};

START_TEST(test_crossings_are_strict)
{
	uint8_t data[PREAMBLE_LEN4];
	struct preamble out;

	memcpy(data, bad_crossings[_i].recorded, sizeof(data));
	for (int i = 0; i < 3 && bad_crossings[_i].changes[i].at; i++)
		data[bad_crossings[_i].changes[i].at] = bad_crossings[_i].changes[i].value;
	ck_assert_int_eq(preamble_decode(data, sizeof(data), &out), -EBADMSG);
}
END_TEST

START_TEST(test_crossings_that_do_not_fit)
{
	struct preamble fields = fields_crossing;
	uint8_t out[PREAMBLE_MAX];

	fields.src_vni = 0x1000000;
	ck_assert_int_eq(preamble_encode(&fields, out), -EINVAL);
	fields.src_vni = 1;
	fields.sequence = 1ull << 36;
	ck_assert_int_eq(preamble_encode(&fields, out), -EINVAL);
	/* Within a tenant, whichever way that is said, nothing has changed. */
	fields = fields4;
	fields.src_vni = fields.vni;
	ck_assert_int_eq(preamble_encode(&fields, out), PREAMBLE_LEN4);
	ck_assert_mem_eq(out, recorded4, PREAMBLE_LEN4 - PREAMBLE_MAC_LEN);
}
END_TEST

START_TEST(test_lengths)
{
	uint8_t data[PREAMBLE_MAX + 1] = { 0 };
	struct preamble out;

	memcpy(data, cases[_i].recorded, (size_t)cases[_i].len);
	for (size_t len = 0; len <= PREAMBLE_MAX + 1; len++)
		if ((int)len != cases[_i].len)
			ck_assert_int_eq(preamble_decode(data, len, &out), -EBADMSG);
}
END_TEST

/* Whatever bit is changed, either it is refused or encoding gives the same bytes again (so that
 * the MAC, made over all of them, speaks for what was decoded). */
START_TEST(test_mutations)
{
	size_t len = (size_t)cases[_i].len;
	unsigned int refused = 0;

	for (size_t bit = 0; bit < 8 * len; bit++) {
		uint8_t data[PREAMBLE_MAX], again[PREAMBLE_MAX];
		struct preamble fields;

		memcpy(data, cases[_i].recorded, len);
		data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		if (preamble_decode(data, len, &fields)) {
			refused++;
			continue;
		}
		ck_assert_int_eq(preamble_encode(&fields, again), (int)len);
		memcpy(again + len - PREAMBLE_MAC_LEN, fields.mac, PREAMBLE_MAC_LEN);
		ck_assert_mem_eq(data, again, len);
	}
	/* Header, heads of the six TLVs, version, upper byte of the VNI; between tenants the four bits above
	 * the sequence number */
	ck_assert_uint_eq(refused, 8 * (16 + 6 * 3 + 1 + 1) + (cases[_i].fields->src_vni ? 4 : 0));
}
END_TEST

/* Random bytes behind a right header: nothing but an answer */
START_TEST(test_noise)
{
	uint8_t data[PREAMBLE_LEN6];
	struct preamble out;

	srandom(1);
	memcpy(data, recorded6, sizeof(data));
	for (int round = 0; round < 100000; round++) {
		for (size_t i = 16; i < sizeof(data); i++)
			data[i] = (uint8_t)random();
		ck_assert_int_eq(preamble_decode(data, sizeof(data), &out), -EBADMSG);
	}
}
END_TEST

int main(void)
{
	enum { CASES = sizeof(cases) / sizeof(cases[0]) };
	Suite *s = suite_create("preamble");
	TCase *tc = tcase_create("bytes");

	tcase_add_loop_test(tc, test_recorded, 0, CASES);
	tcase_add_loop_test(tc, test_round_trip, 0, CASES);
	tcase_add_test(tc, test_mixed);
	tcase_add_test(tc, test_vni_too_long);
	tcase_add_loop_test(tc, test_crossings_are_strict, 0,
			    sizeof(bad_crossings) / sizeof(bad_crossings[0]));
	tcase_add_test(tc, test_crossings_that_do_not_fit);
	tcase_add_loop_test(tc, test_lengths, 0, CASES);
	tcase_add_loop_test(tc, test_mutations, 0, CASES);
	tcase_add_test(tc, test_noise);
	suite_add_tcase(s, tc);
	return suite_run(s);
}
