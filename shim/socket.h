/* SPDX-License-Identifier: MIT */
/*
 * socket.h - one socket put behind the fd of another
 */
#ifndef SHIM_SOCKET_H
#define SHIM_SOCKET_H

#include <stdbool.h>
#include <stdint.h>

#include <slim/endpoint.h>

struct fdtable_entry;

/**
 * socket_replace() - @fd names the socket of @with from now on
 * @cookie:	of the socket that @fd must still name
 * @entry:	what is known of that socket; NULL: nothing
 * @options:	bits of options.h to carry over
 *
 * Options, registrations in epoll sets, close-on-exec and the owner for signals follow; the
 * file status flags are @with's own. @with is closed. Returns 0, or -EBADF where @fd names another socket by
 * now (then nothing has changed, and @with is closed).
 */
int socket_replace(int fd, uint64_t cookie, const struct fdtable_entry *entry, int with,
		   uint64_t options);

/*
 * Gives @fd, which names a host socket (@cookie) that is not connected, a new socket of the
 * container's, with the same options. @bound: what to bind it to; a zero address and port: nothing;
 * a zero port: one when it is connected (IP_BIND_ADDRESS_NO_PORT). 0 or -errno; -EBADF: @fd names
 * another socket by now.
 */
int socket_restore(int fd, uint64_t cookie, uint16_t domain, const struct slim_endpoint *bound);

/* Is it a TCP socket, and of which family? Three questions of one that is, one or two of most others. */
bool socket_is_tcp(int fd, uint16_t *domain);

/* Is it a TCP socket in some state other than CLOSE? (TCP_INFO) */
bool socket_is_active(int fd);

#endif
