/* SPDX-License-Identifier: MIT */
/*
 * fdtable.h - what this process knows of its sockets
 *
 * Theory of operation: a note about a socket is kept under the number of the fd by
 * which it was made, with the socket's cookie. It counts only while that number still
 * names that socket; so close, dup2 and the rest need not be followed, and what
 * is not known (a duplicate, an inherited fd) is asked of the kernel or the
 * router. (FDTABLE_MADE alone is about the number: it spares connect() a question, and close() ends
 * it.) Threads that use one fd at the same time may lose a note, never mix two up in a
 * way that the cookie does not show.
 */
#ifndef SHIM_FDTABLE_H
#define SHIM_FDTABLE_H

#include <stdbool.h>
#include <stdint.h>

#include <slim/endpoint.h>

#define FDTABLE_WATCHES	4

enum fdtable_flags {
	FDTABLE_TCP = 1 << 0,		/* made by socket(): TCP, all its options seen */
	FDTABLE_BOUND = 1 << 1,		/* bind() was called on it */
	FDTABLE_LISTENER = 1 << 2,	/* told to the router */
	FDTABLE_NAMED = 1 << 3,		/* Slim's: local and peer are its names */
	FDTABLE_WATCHED_MORE = 1 << 4,	/* in more epoll sets than there is room for, or by other numbers */
	FDTABLE_SHUT = 1 << 5,		/* shutdown() was called before it was connected */
	FDTABLE_BOUND_ADDRESS = 1 << 6,	/* bound to an address, too, and not to a port alone */
	FDTABLE_BOUND_PORT = 1 << 7,	/* ... to a port that the application named */
	FDTABLE_UNDONE = 1 << 8,	/* Slim's: shut down when it was connected, or connecting */
	FDTABLE_MADE = 1 << 9,		/* the number was given by socket(), and was not closed since */
};

/* A registration in an epoll set. */
struct fdtable_watch {
	int epfd;
	uint32_t events;
	uint64_t data;
};

struct fdtable_entry {
	uint64_t cookie;	/* atomic; 0: nothing known */
	uint64_t options;	/* bits of options.h: set by the application */
	uint32_t flags;
	uint16_t domain;	/* of the application's socket */
	uint16_t watches_num;
	uint32_t announced;	/* a listener: to the router of that generation */
	struct slim_endpoint local, peer;
	struct fdtable_watch watches[FDTABLE_WATCHES];
};

/* The note under @fd, whatever it is about; NULL where there never was one. No system call. */
struct fdtable_entry *fdtable_peek(int fd);

/* The note about the socket that @fd names, whose cookie is @cookie; or NULL. */
struct fdtable_entry *fdtable_find(int fd, uint64_t cookie);

/*
 * The same, where the cookie is not known yet: one system call where there is a note, none where there is none.
 * @cookie: of the socket, 0 where it was not asked for. A note about another socket is forgotten.
 */
struct fdtable_entry *fdtable_lookup(int fd, uint64_t *cookie);

/* Nothing is known of what @fd names now. */
void fdtable_forget(int fd);

/* @fd is about to be closed. (Perhaps by a vforked child: of its parent's socket all else stays known.) */
void fdtable_closing(int fd);

/* An empty note for @fd and @cookie. NULL: no memory (then it is unknown). */
struct fdtable_entry *fdtable_set(int fd, uint64_t cookie, uint16_t domain);

/* Slim's socket is now behind @fd: its note, or NULL without memory. */
struct fdtable_entry *fdtable_name(int fd, uint64_t cookie, uint16_t domain,
				   const struct slim_endpoint *local,
				   const struct slim_endpoint *peer);

/* A registration was added, changed (same @epfd) or removed. */
void fdtable_watch(struct fdtable_entry *entry, int op, int epfd, uint32_t events,
		   uint64_t data);

#endif
