/* SPDX-License-Identifier: MIT */
/*
 * test_peer_message.c - messages of the peer channel: the recorded bytes of docs/wire.md
 *
 * links: router/peer_message.c router/tags.c
 * libs: jansson
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../../router/peer_message.h"
#include "suite.h"

#define MAPPED(a, b, c, d) { .s6_addr = { [10] = 0xff, 0xff, a, b, c, d } }
#define LEN_MAX 120

static const struct {
	struct peer_message message;
	size_t len;
	uint8_t bytes[LEN_MAX];
} cases[] = {
	{ { .type = SLIM_MESSAGE_HELLO, .hello = {
		.version = 1, .port_first = 4790, .port_last = 4853, .vxlan_port = 4789,
		.host_id = 0x0123456789abcdef, .instance = 0x1122334455667788, .name = "h1",
		.addresses_num = 1, .addresses = { MAPPED(192, 0, 2, 1) } } }, 120, {
		0, 1, 0, 0, 0, 0, 0, 120,
		0, 1, 0x12, 0xb6, 0x12, 0xf5, 0x12, 0xb5,
		0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef,
		0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88,
		'h', '1', [97] = 1, [114] = 0xff, 0xff, 192, 0, 2, 1 } },
	{ { .type = SLIM_MESSAGE_CONTAINER_ADD, .container = {
		.vni = 100, .id = 7, .mac = { 2, 0, 0, 0, 1, 2 },
		.addresses_num = 1, .addresses = { MAPPED(10, 32, 1, 2) } } }, 40, {
		0, 2, 0, 0, 0, 0, 0, 40, 0, 0, 0, 100, 0, 0, 0, 7,
		2, 0, 0, 0, 1, 2, 0, 1,
		[34] = 0xff, 0xff, 10, 32, 1, 2 } },
	{ { .type = SLIM_MESSAGE_CONTAINER_REMOVE, .container = { .vni = 100, .id = 7 } }, 16, {
		0, 3, 0, 0, 0, 0, 0, 16, 0, 0, 0, 100, 0, 0, 0, 7 } },
	{ { .type = SLIM_MESSAGE_LISTENER_ADD, .listener = {
		.vni = 100, .port = 6379, .busy = true, .addr = MAPPED(10, 32, 1, 2) } }, 32, {
		0, 4, 0, 0, 0, 0, 0, 32, 0, 0, 0, 100, 0x18, 0xeb, 0, 1,
		[26] = 0xff, 0xff, 10, 32, 1, 2 } },
	{ { .type = SLIM_MESSAGE_LISTENER_REMOVE, .listener = {
		.vni = 100, .port = 6379, .addr = MAPPED(10, 32, 1, 2) } }, 32, {
		0, 5, 0, 0, 0, 0, 0, 32, 0, 0, 0, 100, 0x18, 0xeb, 0, 0,
		[26] = 0xff, 0xff, 10, 32, 1, 2 } },
	{ { .type = SLIM_MESSAGE_SYNC_END }, 8, { 0, 6, 0, 0, 0, 0, 0, 8 } },
	{ { .type = SLIM_MESSAGE_PING, .token = 0x0102030405060708 }, 16, {
		0, 7, 0, 0, 0, 0, 0, 16, 1, 2, 3, 4, 5, 6, 7, 8 } },
	{ { .type = SLIM_MESSAGE_PONG, .token = 0x0102030405060708 }, 16, {
		0, 8, 0, 0, 0, 0, 0, 16, 1, 2, 3, 4, 5, 6, 7, 8 } },
	{ { .type = SLIM_MESSAGE_TENANT, .tenant = { .vni = 100, .name = "blue" } }, 76, {
		0, 9, 0, 0, 0, 0, 0, 76, 0, 0, 0, 100, 'b', 'l', 'u', 'e' } },
	{ { .type = SLIM_MESSAGE_CONTAINER_TAGS, .tags = { .vni = 100, .id = 7,
		.text = "web1\0tier\0web", .len = 14 } }, 30, {
		0, 10, 0, 0, 0, 0, 0, 30, 0, 0, 0, 100, 0, 0, 0, 7,
		'w', 'e', 'b', '1', 0, 't', 'i', 'e', 'r', 0, 'w', 'e', 'b', 0 } },
	{ { .type = SLIM_MESSAGE_POLICY_QUESTION, .question = {
		.token = 0x0102030405060708, .source_vni = 100, .destination_vni = 101,
		.protocol = IPPROTO_TCP, .port = 80,
		.source = MAPPED(10, 32, 1, 2), .destination = MAPPED(10, 32, 2, 2) } }, 64, {
		0, 11, 0, 0, 0, 0, 0, 64, 1, 2, 3, 4, 5, 6, 7, 8,
		0, 0, 0, 100, 0, 0, 0, 101, 0, 6, 0, 80,
		[42] = 0xff, 0xff, 10, 32, 1, 2, [58] = 0xff, 0xff, 10, 32, 2, 2 } },
	{ { .type = SLIM_MESSAGE_POLICY_VERDICT, .verdict = { .token = 0x0102030405060708,
		.allowed = true, .text = "/p:1\0allow", .len = 11 } }, 35, {
		0, 12, 0, 0, 0, 0, 0, 35, 1, 2, 3, 4, 5, 6, 7, 8, 0, 1, 0, 0, 0, 0, 0, 0,
		'/', 'p', ':', '1', 0, 'a', 'l', 'l', 'o', 'w', 0 } },
};

enum { CASES = sizeof(cases) / sizeof(cases[0]) };

START_TEST(test_recorded)
{
	uint8_t out[PEER_MESSAGE_MAX], again[PEER_MESSAGE_MAX];
	size_t len = cases[_i].len;
	struct peer_message message;

	ck_assert_uint_eq(peer_message_encode(&cases[_i].message, out), len);
	ck_assert_mem_eq(out, cases[_i].bytes, len);
	ck_assert_int_eq(peer_message_length(out, len), (int)len);
	ck_assert_int_eq(peer_message_decode(out, len, &message), 0);
	ck_assert_int_eq(message.type, cases[_i].message.type);
	ck_assert_uint_eq(peer_message_encode(&message, again), len);
	ck_assert_mem_eq(out, again, len);
}
END_TEST

/* Whatever byte is changed, to whatever: refused, skipped, or the same bytes come back. */
START_TEST(test_mutations)
{
	uint8_t data[LEN_MAX], again[PEER_MESSAGE_MAX];
	size_t len = cases[_i].len;
	struct peer_message message;

	for (size_t i = 0; i < len * 255; i++) {
		memcpy(data, cases[_i].bytes, len);
		data[i / 255] ^= (uint8_t)(i % 255 + 1);
		if (peer_message_decode(data, len, &message))
			continue;
		suite_assert(peer_message_encode(&message, again) == len);
		suite_assert(!memcmp(data, again, len));
	}
}
END_TEST

START_TEST(test_cut)
{
	struct peer_message message;
	uint8_t *data;

	for (size_t len = 0; len < cases[_i].len; len++) {
		data = malloc(len + 1);		/* of its own, for the sanitizer */
		memcpy(data, cases[_i].bytes, len);
		ck_assert_int_eq(peer_message_length(data, len), len < 8 ? 0 : (int)cases[_i].len);
		ck_assert_int_eq(peer_message_decode(data, len, &message), -EBADMSG);
		free(data);
	}
}
END_TEST

/* One byte changed in the case of that type */
static const struct {
	const char *what;
	enum slim_message_type type;
	size_t at;
	uint8_t value;
} bad[] = {
	{ "no name of a container", SLIM_MESSAGE_CONTAINER_TAGS, 16, 0 },
	{ "an unprintable name", SLIM_MESSAGE_CONTAINER_TAGS, 17, '\n' },
	{ "a label without a key", SLIM_MESSAGE_CONTAINER_TAGS, 21, 0 },
	{ "a key without a value", SLIM_MESSAGE_CONTAINER_TAGS, 25, 'x' },
	{ "tags without an end", SLIM_MESSAGE_CONTAINER_TAGS, 29, 'x' },
	{ "a question about another protocol", SLIM_MESSAGE_POLICY_QUESTION, 25, 2 },
	{ "a question with a reserved byte", SLIM_MESSAGE_POLICY_QUESTION, 28, 1 },
	{ "a question about a VNI of 25 bits", SLIM_MESSAGE_POLICY_QUESTION, 20, 1 },
	{ "an unknown flag of a verdict", SLIM_MESSAGE_POLICY_VERDICT, 17, 3 },
	{ "a verdict with a reserved byte", SLIM_MESSAGE_POLICY_VERDICT, 23, 1 },
	{ "a verdict without a line", SLIM_MESSAGE_POLICY_VERDICT, 28, 'x' },
	{ "a verdict without an end", SLIM_MESSAGE_POLICY_VERDICT, 34, 'x' },
	{ "a verdict with three texts", SLIM_MESSAGE_POLICY_VERDICT, 24, 0 },
	{ "version 0", SLIM_MESSAGE_HELLO, 9, 0 },
	{ "first port past the last", SLIM_MESSAGE_HELLO, 10, 0x13 },
	{ "more than 256 ports", SLIM_MESSAGE_HELLO, 12, 0x14 },
	{ "a name with a space", SLIM_MESSAGE_HELLO, 32, ' ' },
	{ "no name", SLIM_MESSAGE_HELLO, 32, 0 },
	{ "a name with a tail", SLIM_MESSAGE_HELLO, 40, 'x' },
	{ "a name without end", SLIM_MESSAGE_HELLO, 95, 'x' },
	{ "another number of addresses", SLIM_MESSAGE_HELLO, 97, 2 },
	{ "reserved", SLIM_MESSAGE_HELLO, 98, 1 },
	{ "flags", SLIM_MESSAGE_PING, 2, 1 },
	{ "VNI of 25 bits", SLIM_MESSAGE_CONTAINER_ADD, 8, 1 },
	{ "multicast MAC", SLIM_MESSAGE_CONTAINER_ADD, 16, 3 },
	{ "no address", SLIM_MESSAGE_CONTAINER_ADD, 23, 0 },
	{ "65 addresses", SLIM_MESSAGE_CONTAINER_ADD, 23, 65 },
	{ "unknown listener flag", SLIM_MESSAGE_LISTENER_ADD, 15, 2 },
	{ "busy removal", SLIM_MESSAGE_LISTENER_REMOVE, 15, 1 },
	{ "too long", SLIM_MESSAGE_SYNC_END, 7, 9 },
};

START_TEST(test_bad)
{
	uint8_t data[LEN_MAX];
	struct peer_message message;
	size_t len = cases[bad[_i].type - 1].len;

	memcpy(data, cases[bad[_i].type - 1].bytes, len);
	data[bad[_i].at] = bad[_i].value;
	ck_assert_msg(peer_message_decode(data, len, &message) == -EBADMSG, "%s", bad[_i].what);
}
END_TEST

START_TEST(test_same_address_twice)
{
	struct peer_message message = cases[SLIM_MESSAGE_CONTAINER_ADD - 1].message;
	uint8_t data[PEER_MESSAGE_MAX];

	message.container.addresses_num = 2;
	message.container.addresses[1] = message.container.addresses[0];
	ck_assert_uint_eq(peer_message_encode(&message, data), 56);
	ck_assert_int_eq(peer_message_decode(data, 56, &message), -EBADMSG);
}
END_TEST

START_TEST(test_unknown)
{
	uint8_t data[12] = { 0, SLIM_MESSAGE_NUM, 0x80, 0, 0, 0, 0, 12 };
	struct peer_message message;

	ck_assert_int_eq(peer_message_length(data, 8), 12);
	ck_assert_int_eq(peer_message_decode(data, 12, &message), -EOPNOTSUPP);
	data[6] = 0x40;
	ck_assert_int_eq(peer_message_length(data, 8), -EBADMSG);
	data[1] = 0;
	data[6] = 0;
	ck_assert_int_eq(peer_message_length(data, 8), -EBADMSG);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("peer_message");
	TCase *tc = tcase_create("bytes");

	tcase_add_loop_test(tc, test_recorded, 0, CASES);
	tcase_add_loop_test(tc, test_mutations, 0, CASES);
	tcase_add_loop_test(tc, test_cut, 0, CASES);
	tcase_add_loop_test(tc, test_bad, 0, sizeof(bad) / sizeof(bad[0]));
	tcase_add_test(tc, test_same_address_twice);
	tcase_add_test(tc, test_unknown);
	suite_add_tcase(s, tc);
	return suite_run(s);
}
