/* SPDX-License-Identifier: MIT */
/*
 * next.h - the definitions that the shim stands in front of
 *
 * The libc's (or another preloaded library's), where dlsym finds one; else
 * the system call itself. They follow libc's convention: -1 with errno set.
 */
#ifndef SHIM_NEXT_H
#define SHIM_NEXT_H

#include <stdint.h>
#include <sys/epoll.h>
#include <sys/socket.h>

int next_socket(int domain, int type, int protocol);
int next_connect(int fd, const void *addr, socklen_t len);
int next_bind(int fd, const void *addr, socklen_t len);
int next_listen(int fd, int backlog);
int next_accept(int fd, void *addr, socklen_t *len);
int next_accept4(int fd, void *addr, socklen_t *len, int flags);
int next_close(int fd);
int next_shutdown(int fd, int how);
int next_setsockopt(int fd, int level, int name, const void *value, socklen_t len);
int next_getsockopt(int fd, int level, int name, void *value, socklen_t *len);
int next_getsockname(int fd, void *addr, socklen_t *len);
int next_getpeername(int fd, void *addr, socklen_t *len);
int next_epoll_ctl(int epfd, int op, int fd, struct epoll_event *event);
int next_ioctl(int fd, unsigned long request, void *arg);
int next_setns(int fd, int type);
int next_unshare(int flags);

/* The calling thread ends here if it has been cancelled, where libc has threads. */
void next_testcancel(void);

/* errno of this thread, and libc's way to return a kernel result. */
int next_errno(void);
void next_set_errno(int error);
int next_result(long result);

#endif
