/* SPDX-License-Identifier: MIT */
/*
 * wrap.c - the calls that libslim.so stands in front of
 *
 * These and no others. Not wrapped, and why: read, write, send, recv and their like, poll,
 * select, epoll_wait, sendfile, splice, io_uring: the kernel's own work on
 * whatever socket the fd names. dup, fcntl, fork, exec, close_range: what is known hangs on
 * the socket and not on the fd. sendto and sendmsg with MSG_FASTOPEN: the packet path.
 */
#include <stdarg.h>

#include "calls.h"

#define EXPORT __attribute__((visibility("default")))

EXPORT int socket(int domain, int type, int protocol)
{
	return call_socket(domain, type, protocol);
}

EXPORT int connect(int fd, const struct sockaddr *addr, socklen_t len)
{
	return call_connect(fd, addr, len);
}

EXPORT int bind(int fd, const struct sockaddr *addr, socklen_t len)
{
	return call_bind(fd, addr, len);
}

EXPORT int listen(int fd, int backlog)
{
	return call_listen(fd, backlog);
}

EXPORT int accept(int fd, struct sockaddr *addr, socklen_t *len)
{
	return call_accept(fd, addr, len, 0, false);
}

EXPORT int accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
	return call_accept(fd, addr, len, flags, true);
}

EXPORT int close(int fd)
{
	return call_close(fd);
}

EXPORT int shutdown(int fd, int how)
{
	return call_shutdown(fd, how);
}

EXPORT int setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	return call_setsockopt(fd, level, name, value, len);
}

EXPORT int getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	return call_getsockopt(fd, level, name, value, len);
}

EXPORT int getsockname(int fd, struct sockaddr *addr, socklen_t *len)
{
	return call_getsockname(fd, addr, len);
}

EXPORT int getpeername(int fd, struct sockaddr *addr, socklen_t *len)
{
	return call_getpeername(fd, addr, len);
}

EXPORT int epoll_ctl(int epfd, int op, int fd, struct epoll_event *event)
{
	return call_epoll_ctl(epfd, op, fd, event);
}

EXPORT int ioctl(int fd, unsigned long request, ...)
{
	va_list arguments;
	void *arg;

	va_start(arguments, request);
	arg = va_arg(arguments, void *);
	va_end(arguments);
	return call_ioctl(fd, request, arg);
}

EXPORT int setns(int fd, int type)
{
	return call_setns(fd, type);
}

EXPORT int unshare(int flags)
{
	return call_unshare(flags);
}
