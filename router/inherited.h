/* SPDX-License-Identifier: MIT */
/*
 * inherited.h - what an earlier router left open
 *
 * Theory of operation: a router whose keeper has replaced another one (see keeper.h) finds
 * that one's files open in its own table; and a service manager hands over, in whatever order,
 * what the last router gave it to keep (manager.h), or what it opened itself. State files name
 * them by cookie (sockets) or inode (pipes), never by number alone: those who restore what a
 * record describes take the file that has its cookie. What nobody has taken when all is
 * restored is closed, whatever it is. Control thread, before the others start.
 */
#ifndef INHERITED_H
#define INHERITED_H

#include <stdbool.h>
#include <stdint.h>

#include "../include/slim/endpoint.h"

/* A TCP socket that nobody has taken yet. */
struct inherited_tcp {
	int fd;
	bool listening;
	bool untouched;			/* nothing was read from it */
	uint64_t cookie;
	struct slim_endpoint local, peer;
};

/* Looks at all that is open; what nobody can take is closed. Needs no descriptor. 0 or -errno. */
int inherited_init(void);

/* Looks at the first @num descriptors behind standard error alone. 0 or -errno. */
int inherited_given(int num);

/* Is there anything at all? */
bool inherited_any(void);

/*
 * The socket with @cookie, whose descriptor was @fd once. Returns its descriptor, which is the
 * caller's from now on, or -1.
 */
int inherited_take(int fd, uint64_t cookie);

/* The same: the end of the pipe with @inode that one @writes into, or reads from. */
int inherited_take_pipe(int fd, uint64_t inode, bool writes);

/* The UNIX socket (SOCK_SEQPACKET) that listens at @path, or -1 */
int inherited_take_unix(const char *path);

/* The file @fd on @dev with @inode; true: it is the caller's from now on. */
bool inherited_take_file(int fd, uint64_t dev, uint64_t inode);

/* Its SO_COOKIE; 0: it is no socket. */
uint64_t inherited_cookie(int fd);
uint64_t inherited_inode(int fd);

/* Calls back for each TCP socket of the host's namespace; true: it has been taken. */
void inherited_each_tcp(bool (*each)(const struct inherited_tcp *tcp, void *data), void *data);

/* Closes the rest. Returns how many that were. */
unsigned int inherited_close(void);

/* Does the socket @fd with @cookie hold what the other end has not read yet? Nobody takes it. */
bool inherited_is_unread(int fd, uint64_t cookie);

#endif
