/* SPDX-License-Identifier: MIT */
/*
 * crash_points.c - kills the router before its Nth system call
 *
 * Preloaded into slimrouter. $CRASH_POINTS names a file of the layout below, which the test
 * shares with every router of that host: once `left' is N, the Nth call of those listed
 * here (made by a worker, or by another thread, as `who' says) is not made: the process is
 * killed instead, as by kill -9, with all its stores before that call done and none after.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum who {
	WHO_WORKERS,
	WHO_OTHERS
};

struct points {
	uint32_t left;		/* atomic; 0: no call kills */
	uint32_t who;
	uint32_t passed;	/* atomic: calls since it was set */
	char where[20];		/* the call that was not made */
};

static struct points *points;

__attribute__((constructor)) static void points_open(void)
{
	const char *path = getenv("CRASH_POINTS");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *map;

	if (fd < 0)
		return;
	map = mmap(NULL, sizeof(*points), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map != MAP_FAILED)
		points = map;
	close(fd);
}

static enum who caller(void)
{
	char name[16] = "";

	prctl(PR_GET_NAME, name);
	return strncmp(name, "worker", strlen("worker")) ? WHO_OTHERS : WHO_WORKERS;
}

static void point(const char *call)
{
	if (!points || !__atomic_load_n(&points->left, __ATOMIC_ACQUIRE) ||
	    caller() != points->who)
		return;
	__atomic_add_fetch(&points->passed, 1, __ATOMIC_RELAXED);
	if (__atomic_sub_fetch(&points->left, 1, __ATOMIC_ACQ_REL))
		return;
	strncpy(points->where, call, sizeof(points->where) - 1);
	kill(getpid(), SIGKILL);
	for (;;)
		pause();
}

#define POINT(ret, name, params, args)						\
	ret name params								\
	{									\
		static ret (*next) params;					\
										\
		if (!next)							\
			next = (ret (*) params)dlsym(RTLD_NEXT, #name);		\
		point(#name);							\
		return next args;						\
	}

POINT(int, accept4, (int fd, struct sockaddr *addr, socklen_t *len, int flags),
      (fd, addr, len, flags))
POINT(int, bind, (int fd, const struct sockaddr *addr, socklen_t len), (fd, addr, len))
POINT(int, close, (int fd), (fd))
POINT(int, connect, (int fd, const struct sockaddr *addr, socklen_t len), (fd, addr, len))
POINT(int, epoll_ctl, (int set, int op, int fd, struct epoll_event *event), (set, op, fd, event))
POINT(int, getsockopt, (int fd, int level, int name, void *value, socklen_t *len),
      (fd, level, name, value, len))
POINT(int, pipe2, (int fds[2], int flags), (fds, flags))
POINT(ssize_t, recv, (int fd, void *data, size_t len, int flags), (fd, data, len, flags))
POINT(ssize_t, recvmsg, (int fd, struct msghdr *msg, int flags), (fd, msg, flags))
POINT(ssize_t, send, (int fd, const void *data, size_t len, int flags), (fd, data, len, flags))
POINT(ssize_t, sendmsg, (int fd, const struct msghdr *msg, int flags), (fd, msg, flags))
POINT(ssize_t, sendto, (int fd, const void *data, size_t len, int flags,
			const struct sockaddr *addr, socklen_t addr_len),
      (fd, data, len, flags, addr, addr_len))
POINT(int, setsockopt, (int fd, int level, int name, const void *value, socklen_t len),
      (fd, level, name, value, len))
POINT(int, shutdown, (int fd, int how), (fd, how))
POINT(int, socket, (int domain, int type, int protocol), (domain, type, protocol))
POINT(int, socketpair, (int domain, int type, int protocol, int ends[2]),
      (domain, type, protocol, ends))
POINT(ssize_t, splice, (int in, off64_t *in_at, int out, off64_t *out_at, size_t len,
			unsigned int flags), (in, in_at, out, out_at, len, flags))
