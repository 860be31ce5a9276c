/* SPDX-License-Identifier: MIT */
/* stray.c - fds that a container sent, although none were asked for */
#include "stray.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

static int pipe_fds[2] = { -1, -1 };

static void *closer(void *arg)
{
	int fd;

	(void)arg;
	while (read(pipe_fds[0], &fd, sizeof(fd)) == sizeof(fd))
		close(fd);
	return NULL;
}

int stray_init(void)
{
	pthread_t thread;
	int err;

	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return -errno;
	if (fcntl(pipe_fds[1], F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	err = pthread_create(&thread, NULL, closer, NULL);
	if (!err)
		pthread_detach(thread);
	return -err;
}

static void dispose(int fd)
{
	struct linger none = { 0 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
	/* A full pipe: the closer is stuck on somebody's file; ours may have to wait too. */
	if (write(pipe_fds[1], &fd, sizeof(fd)) != sizeof(fd))
		close(fd);
}

bool stray_close(struct msghdr *msg)
{
	bool any = false;

	for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg); cmsg; cmsg = CMSG_NXTHDR(msg, cmsg)) {
		size_t num;

		if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		num = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < num; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(cmsg) + i * sizeof(fd), sizeof(fd));
			dispose(fd);
			any = true;
		}
	}
	return any;
}
