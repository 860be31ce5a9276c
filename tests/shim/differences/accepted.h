/* SPDX-License-Identifier: MIT */
/*
 * accepted.h - what a server can tell of a connection that it accepts
 */
#ifndef TESTS_SHIM_DIFFERENCES_ACCEPTED_H
#define TESTS_SHIM_DIFFERENCES_ACCEPTED_H

#include "../program.h"

static void dissolved_accepted(void)
{
	struct sockaddr none = { .sa_family = AF_UNSPEC };
	struct sockaddr_storage name = { 0 };
	socklen_t len = sizeof(name);
	int fd = accepted(listener(4));
	char byte;

	say("read", read(fd, &byte, 1));
	say("dissolve", connect(fd, &none, sizeof(none)));
	say("getsockname", getsockname(fd, (struct sockaddr *)&name, &len));
	differs("dissolved");
	say("a port is left", *port_of(&name) != 0);
	close(fd);
}

/* The listener does not have it. */
static void reuseaddr(void)
{
	int from = bound(0), fd;

	say("listen", listen(from, 4));
	fd = accepted(from);
	differs("reuseaddr");
	say("SO_REUSEADDR", get_int(fd, SOL_SOCKET, SO_REUSEADDR));
	serve_echo(fd);
}

/* The shim knows the descriptor that it gave. */
static void foreign_level(void)
{
	int fd = accepted(listener(4)), other = dup(fd), class = 0x20;

	say("IPV6_TCLASS", setsockopt(fd, IPPROTO_IPV6, IPV6_TCLASS, &class, sizeof(class)));
	differs("foreign-level");
	say("IPV6_TCLASS, through a duplicate",
	    setsockopt(other, IPPROTO_IPV6, IPV6_TCLASS, &class, sizeof(class)));
	close(other);
	serve_echo(fd);
}

#endif
