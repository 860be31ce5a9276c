/* SPDX-License-Identifier: MIT */
/*
 * calls.h - what the wrapped calls do; libc's convention (-1, errno)
 */
#ifndef SHIM_CALLS_H
#define SHIM_CALLS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/socket.h>

int call_socket(int domain, int type, int protocol);
int call_connect(int fd, const void *addr, socklen_t len);
int call_bind(int fd, const void *addr, socklen_t len);
int call_listen(int fd, int backlog);
int call_accept(int fd, void *addr, socklen_t *len, int flags, bool is_accept4);
int call_close(int fd);
int call_shutdown(int fd, int how);
int call_setsockopt(int fd, int level, int name, const void *value, socklen_t len);
int call_getsockopt(int fd, int level, int name, void *value, socklen_t *len);
int call_getsockname(int fd, void *addr, socklen_t *len);
int call_getpeername(int fd, void *addr, socklen_t *len);
int call_epoll_ctl(int epfd, int op, int fd, struct epoll_event *event);
int call_ioctl(int fd, unsigned long request, void *arg);
int call_setns(int fd, int type);
int call_unshare(int flags);

/*
 * Of listen.c: a connection has come over the packet path. Perhaps because the router does not
 * know the listener: there was none when it began, or there is another one since. Looks at most
 * once a second.
 */
void listen_renew(int fd);

/* Of listen.c: the cookie of the listening socket that @fd names, or 0 */
uint64_t listen_cookie(int fd);

/* The program has a listener; it may have been left it by another one. */
void listen_had(void);

/* It listens no more; 0: there was none. */
void listen_ended(uint64_t cookie);

/*
 * Of names.c, for others: the note on @fd if there is a host socket behind it, or one that is known to be carried;
 * NULL: neither. One getsockopt for most
 */
struct fdtable_entry *names_slim(int fd);

/*
 * ... the note on the host socket that @fd names, which is to be connected, bound or to listen. Where its connection is
 * over, and the router has forgotten it, the note has no names, and says FDTABLE_UNDONE.
 */
struct fdtable_entry *names_reused(int fd);

/* ... the note on a socket of Slim's, asked of the router if need be. */
struct fdtable_entry *names_find(int fd, uint64_t cookie);

/*
 * Of names.c: has a program's socket no such level, though the host's in its place may? That may be
 * an IPv6 one where the program's is AF_INET.
 */
bool names_lack_level(int fd, int level);

#endif
