/* SPDX-License-Identifier: MIT */
/*
 * next.c - the definitions that the shim stands in front of
 *
 * Theory of operation: dlsym and __errno_location are weak, so that the
 * library loads under any libc, also one that has them elsewhere (glibc before 2.34
 * keeps dlsym in libdl, which the program may not use). Names are looked up when the library is loaded: dlsym waits
 * for the loader's lock, which another thread may hold that waits for this one, and which a signal handler
 * may have interrupted. Only what is called before that is looked up then; two threads that do so at the same time
 * find the same.
 */
#include <stddef.h>

#include "next.h"
#include "sys.h"

#define NEXT_HANDLE	((void *)-1L)	/* RTLD_NEXT, of glibc and of musl */
#define NONE		((void *)-1L)	/* looked up, not there */

extern void *dlsym(void *handle, const char *name) __attribute__((weak));
extern int *__errno_location(void) __attribute__((weak, visibility("default")));

int next_errno(void)
{
	return __errno_location ? *__errno_location() : 0;
}

void next_set_errno(int error)
{
	if (__errno_location)
		*__errno_location() = error;
}

int next_result(long result)
{
	if (result >= 0)
		return (int)result;
	next_set_errno((int)-result);
	return -1;
}

static void *look_up(void **cache, const char *name)
{
	void *found = __atomic_load_n(cache, __ATOMIC_RELAXED);
	int error;

	if (found)
		return found == NONE ? NULL : found;
	error = next_errno();
	found = dlsym ? dlsym(NEXT_HANDLE, name) : NULL;
	next_set_errno(error);
	__atomic_store_n(cache, found ? found : NONE, __ATOMIC_RELAXED);
	return found;
}

#define LOOKED_UP(name)							\
	static void *cache_##name;					\
	static __attribute__((constructor)) void look_up_##name(void)	\
	{								\
		look_up(&cache_##name, #name);				\
	}

LOOKED_UP(pthread_testcancel)

void next_testcancel(void)
{
	void (*test)(void) = look_up(&cache_pthread_testcancel, "pthread_testcancel");

	if (test)
		test();
}

#define NEXT(name, parameters, arguments, call)				\
	LOOKED_UP(name)							\
	int next_##name parameters					\
	{								\
		int (*next) parameters = look_up(&cache_##name, #name);	\
									\
		return next ? next arguments : next_result(call);	\
	}

NEXT(socket, (int domain, int type, int protocol), (domain, type, protocol),
     sys_socket(domain, type, protocol))
NEXT(connect, (int fd, const void *addr, socklen_t len), (fd, addr, len),
     sys_connect(fd, addr, len))
NEXT(bind, (int fd, const void *addr, socklen_t len), (fd, addr, len),
     sys_bind(fd, addr, len))
NEXT(listen, (int fd, int backlog), (fd, backlog),
     sys_call(SYS_listen, fd, backlog, 0, 0, 0, 0))
NEXT(accept, (int fd, void *addr, socklen_t *len), (fd, addr, len),
     sys_call(SYS_accept, fd, (long)addr, (long)len, 0, 0, 0))
NEXT(accept4, (int fd, void *addr, socklen_t *len, int flags), (fd, addr, len, flags),
     sys_call(SYS_accept4, fd, (long)addr, (long)len, flags, 0, 0))
NEXT(close, (int fd), (fd), sys_close(fd))
NEXT(shutdown, (int fd, int how), (fd, how), sys_shutdown(fd, how))
NEXT(setsockopt, (int fd, int level, int name, const void *value, socklen_t len),
     (fd, level, name, value, len), sys_setsockopt(fd, level, name, value, len))
NEXT(getsockopt, (int fd, int level, int name, void *value, socklen_t *len),
     (fd, level, name, value, len), sys_getsockopt(fd, level, name, value, len))
NEXT(getsockname, (int fd, void *addr, socklen_t *len), (fd, addr, len),
     sys_getsockname(fd, addr, len))
NEXT(getpeername, (int fd, void *addr, socklen_t *len), (fd, addr, len),
     sys_getpeername(fd, addr, len))
NEXT(epoll_ctl, (int epfd, int op, int fd, struct epoll_event *event),
     (epfd, op, fd, event), sys_epoll_ctl(epfd, op, fd, event))
NEXT(ioctl, (int fd, unsigned long request, void *arg), (fd, request, arg),
     sys_call(SYS_ioctl, fd, (long)request, (long)arg, 0, 0, 0))
NEXT(setns, (int fd, int type), (fd, type), sys_call(SYS_setns, fd, type, 0, 0, 0, 0))
NEXT(unshare, (int flags), (flags), sys_call(SYS_unshare, flags, 0, 0, 0, 0, 0))
