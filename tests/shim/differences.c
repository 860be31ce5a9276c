/* SPDX-License-Identifier: MIT */
/*
 * differences.c - what a program can tell, as differences.txt describes it
 */
#include "program.h"

/* It says nothing about a connection. */
static void ipv6only(void)
{
	int fd = tcp(0);

	set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	say("connect", connect(fd, TO, to_len));
	differs("ipv6only");
	say("IPV6_V6ONLY", get_int(fd, IPPROTO_IPV6, IPV6_V6ONLY));
	echo(fd);
	close(fd);
}

static bool is_ipv6(void)
{
	return to.ss_family != AF_INET;
}

static const struct test tests[] = {
	{ "ipv6only", ipv6only, NULL, .applies = is_ipv6 },
};

RUN_TESTS(tests)
