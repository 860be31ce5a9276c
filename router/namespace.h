/* SPDX-License-Identifier: MIT */
/*
 * namespace.h - sockets and files of other network namespaces
 *
 * The calling thread enters the namespace and comes back before these return. A
 * thread that cannot come back would act in a container's name: it tries again for
 * a second where memory is short, and then that ends the process.
 */
#ifndef NAMESPACE_H
#define NAMESPACE_H

#include <stddef.h>

/* Remembers the namespace that the process was started in. 0 or -errno. */
int namespace_init(void);

/* 0 or -errno */
int namespace_enter(int netns_fd);
void namespace_leave(void);

/* socket(2) inside @netns_fd: an fd or -errno */
int namespace_socket(int netns_fd, int domain, int type, int protocol);

/* socketpair(2) inside @netns_fd: 0 or -errno */
int namespace_socketpair(int netns_fd, int domain, int type, int protocol, int ends[2]);

#endif
