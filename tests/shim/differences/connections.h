/* SPDX-License-Identifier: MIT */
/*
 * connections.h - what a program can tell of a connection that it makes
 */
#ifndef TESTS_SHIM_DIFFERENCES_CONNECTIONS_H
#define TESTS_SHIM_DIFFERENCES_CONNECTIONS_H

#include "../program.h"

#define MAPPED_MS	300	/* a connection within one namespace needs less */

/* Another name of the socket, from before it was connected */
static void duplicate(void)
{
	int fd = tcp(0), other = dup(fd);

	say("connect", connect(fd, TO, to_len));
	differs("duplicate");
	say("write through the duplicate", write(other, "x", 1));
	echo(fd);
	close(other);
	close(fd);
}

/* It is under a number that socket() gave for another one, which dup2 has closed. */
static void duplicate_over(void)
{
	struct sockaddr none = { .sa_family = AF_UNSPEC };
	struct in6_addr loopback = IN6ADDR_LOOPBACK_INIT;
	struct sockaddr_storage near = { .ss_family = to.ss_family };
	struct timeval soon = { .tv_usec = 300000 };
	int from = tcp(0), fd = connected(), other = tcp(0);
	socklen_t len = to_len;

	if (to.ss_family == AF_INET)
		((struct sockaddr_in *)&near)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	else
		((struct sockaddr_in6 *)&near)->sin6_addr = loopback;
	say("bind", bind(from, (struct sockaddr *)&near, to_len));
	say("listen", listen(from, 1));
	say("getsockname", getsockname(from, (struct sockaddr *)&near, &len));
	echo(fd);
	printf("dup2: %d\n", dup2(fd, other) == other);
	say("dissolve", connect(fd, &none, sizeof(none)));
	/* Whom it looks for there instead, it may wait for. */
	setsockopt(other, SOL_SOCKET, SO_SNDTIMEO, &soon, sizeof(soon));
	differs("duplicate-over");
	printf("reached: %d\n", connect(other, (struct sockaddr *)&near, to_len) == 0);
	close(other);
	close(fd);
}

static void bound_port(void)
{
	struct sockaddr_storage any = { .ss_family = to.ss_family };
	socklen_t len = to_len;
	int fd = tcp(0), other = tcp(0);

	say("bind", bind(fd, (struct sockaddr *)&any, to_len));
	getsockname(fd, (struct sockaddr *)&any, &len);
	say("connect", connect(fd, TO, to_len));
	differs("bound-port");
	say("bind the same port", bind(other, (struct sockaddr *)&any, to_len));
	echo(fd);
	close(other);
	close(fd);
}

static void is_dissolved(void)
{
	char byte = 'x';
	int fd = connected();

	say("write", write(fd, &byte, 1));
	say("read", read(fd, &byte, 1));
	close(fd);
}

/* An IPv6 listener of this namespace's own; @name gets its address */
static int listener_of_six(struct sockaddr_in6 *name)
{
	socklen_t len = sizeof(*name);
	int fd = socket(AF_INET6, SOCK_STREAM, 0);

	*name = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	if (bind(fd, (struct sockaddr *)name, len) || listen(fd, 4) ||
	    getsockname(fd, (struct sockaddr *)name, &len))
		puts("no listener");
	return fd;
}

/* Of the kernel's sockets, one that was connected to an IPv4 address goes on sending by IPv4. */
static void mapped(void)
{
	const struct sockaddr_in *four = (const struct sockaddr_in *)&to;
	struct sockaddr none = { .sa_family = AF_UNSPEC };
	struct sockaddr_in6 name = { .sin6_family = AF_INET6, .sin6_port = four->sin_port };
	int fd = socket(AF_INET6, SOCK_STREAM, 0), from;
	struct pollfd pollfd = { .fd = fd, .events = POLLOUT };

	name.sin6_addr.s6_addr[10] = name.sin6_addr.s6_addr[11] = 0xff;
	memcpy(name.sin6_addr.s6_addr + 12, &four->sin_addr, sizeof(four->sin_addr));
	say("connect to an IPv4 address", connect(fd, (struct sockaddr *)&name, sizeof(name)));
	echo(fd);
	say("dissolve", connect(fd, &none, sizeof(none)));
	from = listener_of_six(&name);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	say("connect to an IPv6 one", connect(fd, (struct sockaddr *)&name, sizeof(name)));
	differs("mapped");
	say("it is connected", poll(&pollfd, 1, MAPPED_MS));
	close(from);
	close(fd);
}

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

static bool is_ipv4(void)
{
	return to.ss_family != AF_INET6;
}

static bool is_ipv6(void)
{
	return to.ss_family != AF_INET;
}

#endif
