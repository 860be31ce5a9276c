/* SPDX-License-Identifier: MIT */
/*
 * options.c - socket options: what was set is still there when it is asked for
 */
#include <netinet/tcp.h>

#include "program.h"

struct option {
	int level, name, value;
	const char *what;
};

#define OPTION(level, name, value)	{ level, name, value, #name }

/* In the order in which a program may set them; IPv6's on AF_INET6 sockets alone. */
static const struct option carried[] = {
	OPTION(SOL_SOCKET, SO_KEEPALIVE, 1),
	OPTION(SOL_SOCKET, SO_OOBINLINE, 1),
	OPTION(SOL_SOCKET, SO_RCVLOWAT, 1),
	OPTION(SOL_SOCKET, SO_RCVBUF, 50000),
	OPTION(SOL_SOCKET, SO_SNDBUF, 60000),
	OPTION(SOL_SOCKET, SO_TIMESTAMP, 1),
	OPTION(SOL_SOCKET, SO_ZEROCOPY, 1),
	OPTION(SOL_SOCKET, SO_MAX_PACING_RATE, 100000000),
	OPTION(IPPROTO_TCP, TCP_NODELAY, 1),
	OPTION(IPPROTO_TCP, TCP_KEEPIDLE, 77),
	OPTION(IPPROTO_TCP, TCP_KEEPINTVL, 7),
	OPTION(IPPROTO_TCP, TCP_KEEPCNT, 3),
	OPTION(IPPROTO_TCP, TCP_SYNCNT, 4),
	OPTION(IPPROTO_TCP, TCP_LINGER2, 9),
	OPTION(IPPROTO_TCP, TCP_USER_TIMEOUT, 12345),
	OPTION(IPPROTO_TCP, TCP_NOTSENT_LOWAT, 4096),
	OPTION(IPPROTO_TCP, TCP_INQ, 1),
	OPTION(IPPROTO_IP, IP_TOS, 0x10),
	OPTION(IPPROTO_IP, IP_TTL, 33),
	OPTION(IPPROTO_IPV6, IPV6_TCLASS, 0x20),
	OPTION(IPPROTO_IPV6, IPV6_UNICAST_HOPS, 44),
};

/* These say how a socket comes by its name; they are asked for all the same. */
static const struct option naming[] = {
	OPTION(SOL_SOCKET, SO_REUSEADDR, 1),
	OPTION(SOL_SOCKET, SO_REUSEPORT, 1),
	OPTION(IPPROTO_IP, IP_FREEBIND, 1),
	OPTION(IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1),
};

#define NUM(table)	(sizeof(table) / sizeof((table)[0]))

static bool applies(const struct option *option)
{
	return option->level != IPPROTO_IPV6 || to.ss_family == AF_INET6;
}

static void set_all(int fd, const struct option *table, size_t num)
{
	for (size_t i = 0; i < num; i++)
		if (applies(&table[i]))
			set_int(fd, table[i].level, table[i].name, table[i].value);
}

static void say_all(int fd, const struct option *table, size_t num)
{
	for (size_t i = 0; i < num; i++)
		if (applies(&table[i]))
			printf("%s: %d\n", table[i].what,
			       get_int(fd, table[i].level, table[i].name));
}

static void set_structs(int fd)
{
	struct timeval time = { .tv_sec = 7, .tv_usec = 40000 };
	struct linger linger = { 1, 5 };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time));
	time.tv_sec = 8;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof(time));
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	say("TCP_CONGESTION", setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4));
}

static void say_time(int fd, const char *what, int name)
{
	struct timeval time = { 0 };
	socklen_t len = sizeof(time);

	getsockopt(fd, SOL_SOCKET, name, &time, &len);
	printf("%s: %ld.%06ld\n", what, (long)time.tv_sec, (long)time.tv_usec);
}

static void say_structs(int fd)
{
	struct linger linger = { -1, -1 };
	char text[32] = "";
	socklen_t len = sizeof(linger);

	say_time(fd, "SO_RCVTIMEO", SO_RCVTIMEO);
	say_time(fd, "SO_SNDTIMEO", SO_SNDTIMEO);
	getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &len);
	printf("SO_LINGER: %d, %d\n", linger.l_onoff, linger.l_linger);
	len = sizeof(text);
	getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, text, &len);
	printf("TCP_CONGESTION: %s, %d bytes\n", text, (int)len);
}

/* What the kernel alone decides. */
static void say_kind(int fd)
{
	printf("SO_TYPE %d, SO_PROTOCOL %d, SO_ACCEPTCONN %d, SO_ERROR %d\n",
	       get_int(fd, SOL_SOCKET, SO_TYPE), get_int(fd, SOL_SOCKET, SO_PROTOCOL),
	       get_int(fd, SOL_SOCKET, SO_ACCEPTCONN), get_int(fd, SOL_SOCKET, SO_ERROR));
}

static void before_connect(void)
{
	int fd = tcp(0);

	set_all(fd, carried, NUM(carried));
	set_structs(fd);
	say("connect", connect(fd, TO, to_len));
	say_all(fd, carried, NUM(carried));
	say_structs(fd);
	say_kind(fd);
	echo(fd);
	close(fd);
}

static void after_connect(void)
{
	int fd = connected();

	set_all(fd, carried, NUM(carried));
	set_structs(fd);
	say_all(fd, carried, NUM(carried));
	say_structs(fd);
	echo(fd);
	close(fd);
}

/* Nothing was set: nothing differs. */
static void untouched(void)
{
	static const struct option table[] = {
		OPTION(SOL_SOCKET, SO_KEEPALIVE, 0), OPTION(SOL_SOCKET, SO_PRIORITY, 0),
		OPTION(SOL_SOCKET, SO_RCVLOWAT, 0), OPTION(SOL_SOCKET, SO_MARK, 0),
		OPTION(SOL_SOCKET, SO_BROADCAST, 0), OPTION(SOL_SOCKET, SO_DONTROUTE, 0),
		OPTION(SOL_SOCKET, SO_RCVBUF, 0),
		OPTION(IPPROTO_TCP, TCP_NODELAY, 0), OPTION(IPPROTO_TCP, TCP_CORK, 0),
		OPTION(IPPROTO_TCP, TCP_KEEPIDLE, 0), OPTION(IPPROTO_TCP, TCP_KEEPINTVL, 0),
		OPTION(IPPROTO_TCP, TCP_KEEPCNT, 0), OPTION(IPPROTO_TCP, TCP_SYNCNT, 0),
		OPTION(IPPROTO_TCP, TCP_LINGER2, 0), OPTION(IPPROTO_TCP, TCP_USER_TIMEOUT, 0),
		OPTION(IPPROTO_TCP, TCP_DEFER_ACCEPT, 0), OPTION(IPPROTO_TCP, TCP_INQ, 0),
		OPTION(IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 0),
		OPTION(IPPROTO_IP, IP_TOS, 0), OPTION(IPPROTO_IP, IP_TTL, 0),
		OPTION(IPPROTO_IPV6, IPV6_TCLASS, 0), OPTION(IPPROTO_IPV6, IPV6_UNICAST_HOPS, 0),
	};
	int fd = connected();

	say_all(fd, table, NUM(table));
	say_structs(fd);
	say_kind(fd);
	echo(fd);
	close(fd);
}

static void naming_options(void)
{
	int fd = tcp(0);

	set_all(fd, naming, NUM(naming));
	say("connect", connect(fd, TO, to_len));
	say_all(fd, naming, NUM(naming));
	echo(fd);
	close(fd);
}

/* IP_TOS sets a priority too; what was set last counts. */
static void both_priorities(int fd, bool tos_first)
{
	if (tos_first)
		set_int(fd, IPPROTO_IP, IP_TOS, 0x10);
	set_int(fd, SOL_SOCKET, SO_PRIORITY, 3);
	if (!tos_first)
		set_int(fd, IPPROTO_IP, IP_TOS, 0x10);
}

static void say_priorities(int fd)
{
	printf("IP_TOS %x, SO_PRIORITY %d\n", get_int(fd, IPPROTO_IP, IP_TOS),
	       get_int(fd, SOL_SOCKET, SO_PRIORITY));
}

static void priority(bool tos_first)
{
	int fd = tcp(0);

	both_priorities(fd, tos_first);
	say("connect", connect(fd, TO, to_len));
	say_priorities(fd);
	echo(fd);
	close(fd);
}

static void priority_first(void)
{
	priority(false);
}

static void priority_last(void)
{
	priority(true);
}

/* An AF_INET socket has no options of IPv6. */
static void foreign_level(void)
{
	int fd = connected();

	if (to.ss_family == AF_INET)
		say("IPV6_TCLASS", get_int(fd, IPPROTO_IPV6, IPV6_TCLASS));
	say("no such option", get_int(fd, SOL_SOCKET, 9999));
	say("no such level", get_int(fd, 9999, 1));
	echo(fd);
	close(fd);
}

/* --- what connections have of their listener --- */

static void say_inherited(int fd)
{
	say_all(fd, carried, NUM(carried));
	say_structs(fd);
	say_kind(fd);
	echo_all(fd);
	close(fd);
}

static void of_listener(void)
{
	int from = bound(SO_REUSEADDR);

	set_all(from, carried, NUM(carried));
	set_structs(from);
	listen(from, 8);
	say_inherited(accepted(from));
}

/* Set when it listens already: for the connections that come then. */
static void of_listener_later(void)
{
	int from = listener(8), fd = accepted(from);

	printf("TCP_NODELAY: %d\n", get_int(fd, IPPROTO_TCP, TCP_NODELAY));
	set_all(from, carried, NUM(carried));
	set_structs(from);
	echo_all(fd);
	close(fd);
	say_inherited(accepted(from));
}

static void priority_of_listener(void)
{
	int from = bound(SO_REUSEADDR), fd;

	both_priorities(from, false);
	listen(from, 8);
	fd = accepted(from);
	say_priorities(fd);
	echo_all(fd);
	close(fd);
}

static void naming_of_listener(void)
{
	int from = bound(SO_REUSEADDR), fd;

	listen(from, 8);
	fd = accepted(from);
	say_all(fd, naming, NUM(naming));
	echo_all(fd);
	close(fd);
}

/* On a connection that somebody else has made, options that are those of a family */
static void of_family(void)
{
	int fd = accepted(listener(8)), value = 1;

	differs("multicast");
	say("IP_MULTICAST_ALL", get_int(fd, IPPROTO_IP, IP_MULTICAST_ALL));
	differs("multicast");
	say("IP_MULTICAST_TTL", get_int(fd, IPPROTO_IP, IP_MULTICAST_TTL));
	differs("ipsec-policy");
	say("IP_XFRM_POLICY", setsockopt(fd, IPPROTO_IP, IP_XFRM_POLICY, &value, sizeof(value)));
	echo_all(fd);
	close(fd);
}

/* Of a connection on which nobody has sent anything yet */
static void path_mtu(void)
{
	int fd = accepted(listener(8));

	printf("IP_MTU known: %d\n", get_int(fd, IPPROTO_IP, IP_MTU) > 0);
	if (to.ss_family == AF_INET6)
		printf("IPV6_MTU known: %d\n", get_int(fd, IPPROTO_IPV6, IPV6_MTU) > 0);
	say("write", write(fd, "g", 1));
	say_end(fd);
	close(fd);
}

static void silent_until_told(void)
{
	char byte;
	int fd = connected();

	say("read", read(fd, &byte, 1));
	close(fd);
}

static void two_echoes(void)
{
	one_echo();
	one_echo();
}

static const struct test tests[] = {
	{ "before_connect", before_connect, NULL, NULL },
	{ "after_connect", after_connect, NULL, NULL },
	{ "untouched", untouched, NULL, NULL },
	{ "naming_options", naming_options, NULL, NULL },
	{ "priority_first", priority_first, NULL, NULL },
	{ "priority_last", priority_last, NULL, NULL },
	{ "foreign_level", foreign_level, NULL, NULL },
	{ "of_listener", one_echo, of_listener, NULL },
	{ "of_listener_later", two_echoes, of_listener_later, NULL },
	{ "priority_of_listener", one_echo, priority_of_listener, NULL },
	{ "path_mtu", silent_until_told, path_mtu },
	{ "of_family", one_echo, of_family },
	{ "naming_of_listener", one_echo, naming_of_listener, NULL },
};

RUN_TESTS(tests)
