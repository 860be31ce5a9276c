/* SPDX-License-Identifier: MIT */
/*
 * test_endpoint.c - addresses, ports, and the hash over them
 * links: router/endpoint.c
 * libs:
 */
#include <arpa/inet.h>
#include <check.h>
#include <stdlib.h>

#include "../../router/endpoint.h"
#include "suite.h"

static const struct {
	const char *text;
	const char *shown;	/* NULL: not an address */
	bool v4;
} addresses[] = {
	{ "10.32.1.2", "10.32.1.2", true },
	{ "::ffff:10.32.1.2", "10.32.1.2", true },
	{ "fd32::2", "fd32::2", false },
	{ "0.0.0.0", "0.0.0.0", true },
	{ "::", "::", false },
	{ "10.32.1", NULL, false },
	{ "10.32.1.2/16", NULL, false },
	{ "", NULL, false },
	{ "fd32::2%eth0", NULL, false },
};

START_TEST(parse_and_format)
{
	struct in6_addr addr;
	char text[INET6_ADDRSTRLEN];
	int err = addr_parse(addresses[_i].text, &addr);

	if (!addresses[_i].shown) {
		ck_assert_int_lt(err, 0);
		return;
	}
	ck_assert_int_eq(err, 0);
	ck_assert_str_eq(addr_format(&addr, text, sizeof(text)), addresses[_i].shown);
	ck_assert_int_eq(addr_is4(&addr), addresses[_i].v4);
}
END_TEST

START_TEST(endpoints)
{
	struct in6_addr addr;
	struct slim_endpoint ep;
	struct sockaddr_in6 sin6;
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(80) };
	char text[ENDPOINT_STRLEN];

	addr_parse("fd32::2", &addr);
	ep = endpoint_make(&addr, 80);
	ck_assert_str_eq(endpoint_format(&ep, text, sizeof(text)), "[fd32::2]:80");
	sin6 = endpoint_sockaddr(&ep);
	ck_assert_int_eq(ntohs(sin6.sin6_port), 80);
	addr_parse("10.32.1.2", &addr);
	ep = endpoint_make(&addr, 80);
	ck_assert_str_eq(endpoint_format(&ep, text, sizeof(text)), "10.32.1.2:80");
	sin.sin_addr.s_addr = addr_get4(&addr);
	sin6 = endpoint_sockaddr(&ep);
	ck_assert(endpoint_equal(&ep, &(struct slim_endpoint[]){
		endpoint_from_sockaddr((struct sockaddr *)&sin) }[0]));
	ck_assert(endpoint_equal(&ep, &(struct slim_endpoint[]){
		endpoint_from_sockaddr((struct sockaddr *)&sin6) }[0]));
}
END_TEST

/* What a socket of either family takes, and back */
START_TEST(sockaddrs)
{
	static const struct {
		const char *addr;
		int family;
		socklen_t len;
	} cases[] = {
		{ "10.32.1.2", AF_INET, sizeof(struct sockaddr_in) },
		{ "10.32.1.2", AF_INET6, sizeof(struct sockaddr_in6) },
		{ "fd32::1", AF_INET6, sizeof(struct sockaddr_in6) },
	};
	struct slim_endpoint ep, back;
	struct sockaddr_storage sa;
	struct in6_addr addr;

	addr_parse(cases[_i].addr, &addr);
	ep = endpoint_make(&addr, 80);
	ck_assert_uint_eq(endpoint_to_sockaddr(&ep, cases[_i].family, &sa), cases[_i].len);
	ck_assert_int_eq(sa.ss_family, cases[_i].family);
	back = endpoint_from_sockaddr((struct sockaddr *)&sa);
	ck_assert(endpoint_equal(&ep, &back));
}
END_TEST

/* Ports that count up, as clients' do, spread over 256 buckets. */
START_TEST(hash_spreads)
{
	unsigned int buckets[256] = { 0 };
	struct slim_endpoint ep = { .addr = { 10, 32, 1, 2 } };

	hash_seed_init();
	for (int port = 0; port < 65536; port++) {
		ep.port = (uint16_t)port;
		buckets[hash_bytes(&ep, sizeof(ep), hash_seed()) & 255]++;
	}
	for (int i = 0; i < 256; i++) {
		ck_assert_uint_gt(buckets[i], 128);
		ck_assert_uint_lt(buckets[i], 512);
	}
}
END_TEST

START_TEST(hash_is_keyed)
{
	struct slim_endpoint ep = { .addr = { 10, 32, 1, 2 }, .port = 80 };
	struct slim_endpoint other = { .addr = { 10, 32, 1, 2 }, .port = 81 };
	unsigned int differ = 0;

	/* Two names that share a bucket under one seed do not under others. */
	for (unsigned long seed = 1; seed < 1000; seed += 2)
		differ += (hash_bytes(&ep, sizeof(ep), seed) & 255) !=
			  (hash_bytes(&other, sizeof(other), seed) & 255);
	ck_assert_uint_gt(differ, 480);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("endpoint");
	TCase *tc = tcase_create("userspace");

	tcase_add_loop_test(tc, parse_and_format, 0, sizeof(addresses) / sizeof(addresses[0]));
	tcase_add_test(tc, endpoints);
	tcase_add_loop_test(tc, sockaddrs, 0, 3);
	tcase_add_test(tc, hash_spreads);
	tcase_add_test(tc, hash_is_keyed);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
