/* SPDX-License-Identifier: MIT */
/*
 * test_packet_head.c - what the head of an IP packet says of where it goes
 *
 * links: router/packet_head.c router/endpoint.c
 * libs:
 */
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "../../router/endpoint.h"
#include "../../router/packet_head.h"
#include "suite.h"

#define SOURCE4	10, 1, 2, 3
#define DEST4	10, 9, 8, 7
#define V4(ihl, fragment, protocol)	0x40 | (ihl), 0, 0, 40, 0, 0, (fragment) >> 8, (fragment) & 0xff, \
					64, protocol, 0, 0, SOURCE4, DEST4
#define SOURCE6	0xfd, 0x32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1
#define DEST6	0xfd, 0x32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2
#define V6(next)			0x60, 0, 0, 0, 0, 40, next, 64, SOURCE6, DEST6
#define PORTS				0x9c, 0x41, 0, 80	/* 40001 to 80 */

/* @protocol: -1: it is refused */
static const struct {
	uint8_t data[96];
	size_t len;
	int protocol;
	const char *source, *destination;
} packets[] = {
	{ { V4(5, 0, 6), PORTS }, 24, IPPROTO_TCP, "10.1.2.3:40001", "10.9.8.7:80" },
	{ { V4(5, 0x4000, 17), PORTS }, 24, IPPROTO_UDP, "10.1.2.3:40001", "10.9.8.7:80" },
	{ { V4(5, 0x2000, 17), PORTS }, 24, IPPROTO_UDP, "10.1.2.3:40001", "10.9.8.7:80" },
	{ { V4(5, 1, 17), PORTS }, 24, IPPROTO_UDP, "10.1.2.3:0", "10.9.8.7:0" },
	{ { V4(6, 0, 6), 1, 1, 1, 1, PORTS }, 28, IPPROTO_TCP, "10.1.2.3:40001", "10.9.8.7:80" },
	{ { V4(5, 0, 1) }, 20, IPPROTO_ICMP, "10.1.2.3:0", "10.9.8.7:0" },
	{ { V4(5, 0, 47) }, 20, 47, "10.1.2.3:0", "10.9.8.7:0" },
	{ { V4(4, 0, 6), PORTS }, 24, -1, NULL, NULL },
	{ { V4(15, 0, 6), PORTS }, 24, -1, NULL, NULL },
	{ { V4(5, 0, 6), PORTS }, 23, -1, NULL, NULL },
	{ { V4(5, 0, 6) }, 19, -1, NULL, NULL },
	{ { V6(6), PORTS }, 44, IPPROTO_TCP, "[fd32::1]:40001", "[fd32::2]:80" },
	{ { V6(58) }, 40, IPPROTO_ICMPV6, "[fd32::1]:0", "[fd32::2]:0" },
	{ { V6(0), 60, 0, 0, 0, 0, 0, 0, 0, 17, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, PORTS },
	  68, IPPROTO_UDP, "[fd32::1]:40001", "[fd32::2]:80" },
	{ { V6(44), 6, 0, 0, 1, 0, 0, 0, 0, PORTS }, 52, IPPROTO_TCP, "[fd32::1]:40001", "[fd32::2]:80" },
	{ { V6(44), 6, 0, 0, 8, 0, 0, 0, 0, PORTS }, 52, IPPROTO_TCP, "[fd32::1]:0", "[fd32::2]:0" },
	{ { V6(0), 6, 9, 0, 0, 0, 0, 0, 0, PORTS }, 52, -1, NULL, NULL },
	{ { V6(0), 6, 0, 0, 0 }, 44, -1, NULL, NULL },
	{ { V6(6), PORTS }, 43, -1, NULL, NULL },
	{ { V6(6) }, 39, -1, NULL, NULL },
	{ { 0x55 }, 96, -1, NULL, NULL },
	{ { 0 }, 0, -1, NULL, NULL },
};

START_TEST(parse)
{
	struct packet_head head;
	char text[ENDPOINT_STRLEN];
	/* Of the very size, so that the sanitizer sees what is read behind it */
	uint8_t *data = malloc(packets[_i].len ? packets[_i].len : 1);
	int err;

	memcpy(data, packets[_i].data, packets[_i].len);
	err = packet_head_parse(data, packets[_i].len, &head);
	free(data);
	if (packets[_i].protocol < 0) {
		ck_assert_int_eq(err, -EBADMSG);
		return;
	}
	ck_assert_int_eq(err, 0);
	ck_assert_int_eq(head.protocol, packets[_i].protocol);
	ck_assert_str_eq(endpoint_format(&head.source, text, sizeof(text)), packets[_i].source);
	ck_assert_str_eq(endpoint_format(&head.destination, text, sizeof(text)),
			 packets[_i].destination);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("packet_head");
	TCase *tc = tcase_create("userspace");

	tcase_add_loop_test(tc, parse, 0, sizeof(packets) / sizeof(packets[0]));
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
