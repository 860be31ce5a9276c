/* SPDX-License-Identifier: MIT */
/*
 * marks.c - says to who traces a program's system calls which call of the shim's it is in
 *
 * Loaded in front of the shim. A mark is a write() to a descriptor that nobody has: "+connect" before the
 * call, "-connect" behind it. No call of the C library is made for it, and errno is kept.
 */
#include <dlfcn.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#define NOBODYS		-4711L

static void mark(const char *text)
{
	long ret = SYS_write;

	__asm__ volatile("syscall" : "+a"(ret)
			 : "D"(NOBODYS), "S"(text), "d"(strlen(text)) : "rcx", "r11", "memory");
}

#define MARK(name, parameters, arguments)					\
	static int (*next_##name) parameters;					\
	static __attribute__((constructor)) void look_up_##name(void)		\
	{									\
		next_##name = dlsym(RTLD_NEXT, #name);				\
	}									\
	int name parameters;							\
	int name parameters							\
	{									\
		int ret;							\
										\
		/* Before the library was set up; then no more, for the loader's lock's sake. */ \
		if (!next_##name)						\
			look_up_##name();					\
		mark("+" #name);						\
		ret = next_##name arguments;					\
		mark("-" #name);						\
		return ret;							\
	}

MARK(socket, (int domain, int type, int protocol), (domain, type, protocol))
MARK(connect, (int fd, const struct sockaddr *addr, socklen_t len), (fd, addr, len))
MARK(bind, (int fd, const struct sockaddr *addr, socklen_t len), (fd, addr, len))
MARK(listen, (int fd, int backlog), (fd, backlog))
MARK(accept, (int fd, struct sockaddr *addr, socklen_t *len), (fd, addr, len))
MARK(accept4, (int fd, struct sockaddr *addr, socklen_t *len, int flags), (fd, addr, len, flags))
MARK(close, (int fd), (fd))
MARK(shutdown, (int fd, int how), (fd, how))
MARK(setsockopt, (int fd, int level, int name, const void *value, socklen_t len),
     (fd, level, name, value, len))
MARK(getsockopt, (int fd, int level, int name, void *value, socklen_t *len), (fd, level, name, value, len))
MARK(getsockname, (int fd, struct sockaddr *addr, socklen_t *len), (fd, addr, len))
MARK(getpeername, (int fd, struct sockaddr *addr, socklen_t *len), (fd, addr, len))
MARK(epoll_ctl, (int epfd, int op, int fd, struct epoll_event *event), (epfd, op, fd, event))
MARK(ioctl, (int fd, unsigned long request, void *arg), (fd, request, arg))
MARK(setns, (int fd, int type), (fd, type))
MARK(unshare, (int flags), (flags))
