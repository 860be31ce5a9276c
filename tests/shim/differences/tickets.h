/* SPDX-License-Identifier: MIT */
/*
 * tickets.h - what a program can tell of tickets
 */
#ifndef TESTS_SHIM_DIFFERENCES_TICKETS_H
#define TESTS_SHIM_DIFFERENCES_TICKETS_H

#include <sys/syscall.h>

#include "../program.h"

#define FIRST_TICKET_PORT	61000
#define LAST_PORT		65535

static int free_at(const struct sockaddr_storage *name)
{
	int fd = tcp(0), ret = bind(fd, (const struct sockaddr *)name, to_len);

	close(fd);
	return !ret;
}

static void ticket_ports(void)
{
	struct sockaddr_storage any = { .ss_family = to.ss_family };
	int from = listener(4), fd = accepted(from), num = 0;

	echo_all(fd);
	for (int port = FIRST_TICKET_PORT; port <= LAST_PORT; port++) {
		*port_of(&any) = htons((uint16_t)port);
		num += !free_at(&any);
	}
	differs("ticket-ports");
	say("ports from 61000 on are all free", !num);
	close(fd);
}

static bool is_ticket(const struct sockaddr_storage *name)
{
	return !strcmp(text_of(name), "127.83.76.77") || !strcmp(text_of(name), "fd53:4c49:4d00::1");
}

/* Accepted by a way that the shim does not see */
static void spliced(void)
{
	struct sockaddr_storage peer = { 0 };
	socklen_t len = sizeof(peer);
	int from = listener(4), fd = (int)syscall(SYS_accept4, from, NULL, NULL, 0);
	char bytes[8];

	say("read", recv(fd, bytes, 1, MSG_WAITALL));
	syscall(SYS_getpeername, fd, &peer, &len);
	differs("spliced-names");
	say("the peer's name is a ticket's", is_ticket(&peer));
	say("write", write(fd, bytes, 1));
	differs("spliced-urgent");
	say("bytes before an urgent one, and with it", recv(fd, bytes, 3, MSG_WAITALL));
	serve_echo(fd);
}

/* One urgent byte among others */
static void urgent(void)
{
	int fd = connected();
	char bytes[8];

	echo(fd);
	say("send", send(fd, "a", 1, 0));
	say("MSG_OOB", send(fd, "b", 1, MSG_OOB));
	say("send", send(fd, "c", 1, 0));
	say("shutdown", shutdown(fd, SHUT_WR));
	while (read(fd, bytes, sizeof(bytes)) > 0)
		;
	close(fd);
}

#endif
