/* SPDX-License-Identifier: MIT */
/* namespace.c - sockets and files of other network namespaces */
#include "namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "log.h"

#define LEAVE_TRIES	1000	/* a millisecond apart */

static int home_fd = -1;

int namespace_init(void)
{
	home_fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	return home_fd < 0 ? -errno : 0;
}

int namespace_enter(int netns_fd)
{
	return setns(netns_fd, CLONE_NEWNET) < 0 ? -errno : 0;
}

void namespace_leave(void)
{
	const struct timespec wait = { .tv_nsec = 1000000 };

	for (int i = 0; i < LEAVE_TRIES; i++) {
		if (setns(home_fd, CLONE_NEWNET) == 0)
			return;
		if (errno != ENOMEM)
			break;
		nanosleep(&wait, NULL);
	}
	log_error("cannot return to the host's network namespace: %s", strerror(errno));
	abort();
}

int namespace_socket(int netns_fd, int domain, int type, int protocol)
{
	int err = namespace_enter(netns_fd);
	int fd;

	if (err)
		return err;
	fd = socket(domain, type, protocol);
	if (fd < 0)
		fd = -errno;
	namespace_leave();
	return fd;
}

int namespace_socketpair(int netns_fd, int domain, int type, int protocol, int ends[2])
{
	int err = namespace_enter(netns_fd);

	if (err)
		return err;
	err = socketpair(domain, type, protocol, ends) < 0 ? -errno : 0;
	namespace_leave();
	return err;
}
