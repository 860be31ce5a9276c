/* SPDX-License-Identifier: MIT */
/*
 * diag.h - questions to the kernel about TCP sockets (sock_diag(7))
 *
 * A struct diag belongs to one namespace and may be used by one thread at a time.
 */
#ifndef DIAG_H
#define DIAG_H

#include <stdbool.h>
#include <stdint.h>

#include "../include/slim/endpoint.h"

struct diag;

/* Which end has opened a connection */
enum diag_opener {
	DIAG_OPENER_UNKNOWN,
	DIAG_OPENER_LOCAL,
	DIAG_OPENER_PEER,
};

/* What the kernel says of one socket. */
struct diag_socket {
	int family;			/* AF_INET or AF_INET6 */
	int state;			/* TCP_ESTABLISHED ... */
	uint64_t cookie;
	uint32_t inode;			/* 0: no fd (not yet accepted, orphaned) */
	uint32_t bound_ifindex;
	bool v6only;
	uint32_t rqueue, wqueue;	/* of a listener: queued, backlog */
	struct slim_endpoint local, peer;
	/* with info only */
	uint64_t bytes_sent, bytes_received;
	uint32_t rtt_us;
	enum diag_opener opener;	/* without, of what is being set up alone */
};

#define DIAG_LISTEN	(1u << 10)		/* 1 << TCP_LISTEN */
/* All but LISTEN, TIME_WAIT and CLOSE. Requests that have a socket are in SYN_RECV, too; SYN cookies have none. */
#define DIAG_LIVE	(0xffeu & ~(1u << 6) & ~(1u << 7) & ~(1u << 10))

/* For the namespace of @netns_fd, which stays open as long; -1: the host's own. NULL with errno
 * set. */
struct diag *diag_open(int netns_fd);
void diag_close(struct diag *diag);

/**
 * diag_dump() - all TCP sockets in some states
 * @states:	bits 1 << TCP_*
 * @port_first, @port_last: only those with one of these ports at either end; 0: all
 * @info:	ask for byte counts and round-trip time too
 * @each:	called for every socket; must not use @diag
 *
 * Returns 0 or -errno (-EINTR: changed meanwhile, may be incomplete).
 */
int diag_dump(struct diag *diag, unsigned int states, uint16_t port_first,
	      uint16_t port_last, bool info,
	      void (*each)(const struct diag_socket *socket, void *data), void *data);

/**
 * diag_find() - one socket by its names
 *
 * Returns 0 with @out filled, -ENOENT, or another -errno.
 */
int diag_find(struct diag *diag, int family, const struct slim_endpoint *local,
	      const struct slim_endpoint *peer, struct diag_socket *out);

/*
 * The one of those names that has this cookie, in a state of DIAG_LIVE; its family is that of @peer's address. Returns
 * as diag_find() does.
 */
int diag_find_live(struct diag *diag, uint64_t cookie, const struct slim_endpoint *local,
		   const struct slim_endpoint *peer, struct diag_socket *out);

/*
 * Asks again, with info, about a socket that diag_dump() named. Waits for whoever has it locked. 0 with
 * *@socket as it is now, -ENOENT, or another -errno.
 */
int diag_examine(struct diag *diag, struct diag_socket *socket);

/* Abort the socket that diag_dump() or diag_find() named; 0 or -errno. */
int diag_destroy(struct diag *diag, const struct diag_socket *socket);

#endif
