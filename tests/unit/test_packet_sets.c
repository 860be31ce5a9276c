/* SPDX-License-Identifier: MIT */
/*
 * test_packet_sets.c - profiles as sets of nftables
 *
 * links: router/packet_sets.c router/endpoint.c
 * libs:
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "../../router/endpoint.h"
#include "../../router/packet_sets.h"
#include "suite.h"

#define TCP(port)	CLASSIFIER_SERVICE(CLASSIFIER_TCP, port)
#define UDP(port)	CLASSIFIER_SERVICE(CLASSIFIER_UDP, port)
#define ICMP		CLASSIFIER_SERVICE(CLASSIFIER_ICMP, 0)
#define OTHER		CLASSIFIER_SERVICE(CLASSIFIER_OTHER, 0)

static struct policy_box box(const char *first, const char *last, uint32_t service_first,
			     uint32_t service_last)
{
	struct policy_box made = { .service_first = service_first, .service_last = service_last };

	ck_assert_int_eq(addr_parse(first, &made.first), 0);
	ck_assert_int_eq(addr_parse(last, &made.last), 0);
	return made;
}

static bool same(const struct packet_set *a, const struct packet_set *b)
{
	char first[PACKET_SET_NAME], second[PACKET_SET_NAME];

	return !strcmp(packet_set_name(a, first), packet_set_name(b, second));
}

START_TEST(names_are_of_what_is_in_it)
{
	struct policy_box boxes[] = {
		box("10.0.0.0", "10.0.0.255", TCP(80), TCP(90)),
		box("fd32::1", "fd32::1", TCP(80), TCP(80)),
	};
	struct policy_profile profile = { .boxes = boxes, .boxes_num = 2 };
	struct packet_set first = packet_set_of(&profile, true, CLASSIFIER_TCP);
	struct packet_set again = packet_set_of(&profile, true, CLASSIFIER_TCP);
	struct packet_set six = packet_set_of(&profile, false, CLASSIFIER_TCP), other;

	ck_assert(first.any && six.any);
	other = packet_set_of(&profile, true, CLASSIFIER_UDP);
	ck_assert(!other.any);
	ck_assert(same(&first, &again));
	ck_assert(!same(&first, &six));
	boxes[1].service_last++;
	other = packet_set_of(&profile, true, CLASSIFIER_TCP);
	ck_assert(same(&first, &other));
	other = packet_set_of(&profile, false, CLASSIFIER_TCP);
	ck_assert(!same(&six, &other));
	boxes[0].service_last++;
	other = packet_set_of(&profile, true, CLASSIFIER_TCP);
	ck_assert(!same(&first, &other));
	profile.boxes_num = 1;
	other = packet_set_of(&profile, false, CLASSIFIER_TCP);
	ck_assert(!other.any);
}
END_TEST

static const struct {
	const char *first, *last;
	uint32_t service_first, service_last;
	const char *protocol, *elements;
} texts[] = {
	{ "10.0.0.0", "10.0.0.255", TCP(80), TCP(90), "meta l4proto tcp", "{\n10.0.0.0-10.0.0.255 . 80-90 }" },
	{ "10.0.0.1", "10.0.0.1", UDP(53), UDP(53), "meta l4proto udp", "{\n10.0.0.1 . 53 }" },
	{ "10.0.0.1", "10.0.0.1", ICMP, ICMP + 0xffff, "meta l4proto icmp", "{\n10.0.0.1 . 0-65535 }" },
	{ "fd32::1", "fd32::1", ICMP, ICMP + 0xffff, "meta l4proto icmpv6", "{\nfd32::1 . 0-65535 }" },
	{ "10.0.0.1", "10.0.0.1", OTHER, OTHER, "meta l4proto != { tcp, udp, icmp }", "{\n10.0.0.1 . 0 }" },
	{ "fd32::1", "fd32::1", OTHER, OTHER, "meta l4proto != { tcp, udp, icmpv6 }", "{\nfd32::1 . 0 }" },
};

START_TEST(elements)
{
	struct policy_box one = box(texts[_i].first, texts[_i].last, texts[_i].service_first,
				    texts[_i].service_last);
	uint32_t another = (texts[_i].service_first + (1u << 16)) & CLASSIFIER_SERVICE_MAX;
	struct policy_box both[] = { one, box(texts[_i].first, texts[_i].last, another, another) };
	struct policy_profile profile = { .boxes = both, .boxes_num = 2 };
	enum classifier_protocol protocol = (enum classifier_protocol)(texts[_i].service_first >> 16);
	struct packet_set set = packet_set_of(&profile, addr_is4(&one.first), protocol);
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	packet_set_put(out, &set, &profile);
	fclose(out);
	ck_assert_ptr_nonnull(strstr(text, addr_is4(&one.first) ? "type ipv4_addr ." :
				     "type ipv6_addr ."));
	ck_assert_msg(strstr(text, texts[_i].elements), "%s", text);
	ck_assert_str_eq(packet_set_protocol(&set), texts[_i].protocol);
	free(text);
}
END_TEST

START_TEST(those_of_a_table)
{
	struct packet_sets sets = { 0 };

	for (uint64_t i = 0; i < 300; i++) {
		struct packet_set set = {
			.digest = { i * 7919 % 301, 1 }, .v4 = i % 2, .protocol = CLASSIFIER_UDP,
		};

		ck_assert(!packet_sets_have(&sets, &set));
		ck_assert_int_eq(packet_sets_add(&sets, &set), 0);
		ck_assert_int_eq(packet_sets_add(&sets, &set), 1);
		ck_assert(packet_sets_have(&sets, &set));
		set.v4 = !set.v4;
		ck_assert(!packet_sets_have(&sets, &set));
		set.v4 = !set.v4;
		set.protocol = CLASSIFIER_TCP;
		ck_assert(!packet_sets_have(&sets, &set));
	}
	ck_assert_uint_eq(sets.num, 300);
	packet_sets_free(&sets);
	ck_assert_uint_eq(sets.num, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("packet_sets");
	TCase *tc = tcase_create("userspace");

	hash_seed_init();
	tcase_add_test(tc, names_are_of_what_is_in_it);
	tcase_add_loop_test(tc, elements, 0, sizeof(texts) / sizeof(texts[0]));
	tcase_add_test(tc, those_of_a_table);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
