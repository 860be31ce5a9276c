/* SPDX-License-Identifier: MIT */
/*
 * halt_points.c - stops the router at a moment that is microseconds long
 *
 * Preloaded into slimrouter. $HALT_POINTS names a file of one byte, which the test shares with the router: it is the
 * letter of the point at which that stops next (SIGSTOP), once, behind the system call:
 *
 *	s	a connection's SYN has been sent; the client does not have its socket yet
 *	c	a client has got its socket, which the router has not closed yet
 *	a	the same of a server, that has accepted
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../include/slim/channel.h"

static char *next_point;

__attribute__((constructor)) static void point_open(void)
{
	const char *path = getenv("HALT_POINTS");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *map;

	if (fd < 0)
		return;
	map = mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map != MAP_FAILED)
		next_point = map;
	close(fd);
}

static void point(char letter)
{
	if (next_point && __atomic_compare_exchange_n(next_point, &letter, 0, false, __ATOMIC_ACQ_REL,
						      __ATOMIC_RELAXED))
		raise(SIGSTOP);	/* this thread, before anything else */
}

ssize_t sendto(int fd, const void *data, size_t len, int flags, const struct sockaddr *addr, socklen_t addr_len)
{
	static ssize_t (*next)(int, const void *, size_t, int, const struct sockaddr *, socklen_t);
	ssize_t ret;

	if (!next)
		next = (ssize_t (*)(int, const void *, size_t, int, const struct sockaddr *, socklen_t))
			dlsym(RTLD_NEXT, "sendto");
	ret = next(fd, data, len, flags, addr, addr_len);
	if (ret >= 0 && flags & MSG_FASTOPEN)
		point('s');
	return ret;
}

ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
{
	static ssize_t (*next)(int, const struct msghdr *, int);
	const struct slim_frame *frame = msg->msg_iov->iov_base;
	ssize_t ret;

	if (!next)
		next = (ssize_t (*)(int, const struct msghdr *, int))dlsym(RTLD_NEXT, "sendmsg");
	ret = next(fd, msg, flags);
	if (ret < 0 || !msg->msg_control || msg->msg_iov->iov_len < sizeof(*frame))
		return ret;
	if (frame->type == SLIM_FRAME_CONNECT_REPLY)
		point('c');
	if (frame->type == SLIM_FRAME_CLAIM_REPLY)
		point('a');
	return ret;
}
