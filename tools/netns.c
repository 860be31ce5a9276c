/* SPDX-License-Identifier: MIT */
/* netns.c - network namespaces as operators name them */
#include "netns.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/nsfs.h>
#include <linux/sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define RUN_DIR	"/run/netns"

int netns_path(const char *name, char *path, size_t size)
{
	char cwd[PATH_MAX];
	int len;

	if (!*name || !strncmp(name, "/proc/self/", 11) || !strncmp(name, "/proc/thread-self/", 18))
		return -EINVAL;
	if (*name == '/')
		len = snprintf(path, size, "%s", name);
	else if (!strchr(name, '/'))
		len = snprintf(path, size, RUN_DIR "/%s", name);
	else if (getcwd(cwd, sizeof(cwd)))
		len = snprintf(path, size, "%s/%s", cwd, name);
	else
		return -errno;
	return (size_t)len < size ? 0 : -ENAMETOOLONG;
}

int netns_open(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return -errno;
	if (ioctl(fd, NS_GET_NSTYPE) == CLONE_NEWNET)
		return fd;
	close(fd);
	return -ENOTTY;
}
