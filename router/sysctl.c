/* SPDX-License-Identifier: MIT */
/* sysctl.c - numbers under /proc/sys, as the calling thread's namespaces have them */
#include "sysctl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int sysctl_open(const char *path, int flags)
{
	char file[160];
	int len = snprintf(file, sizeof(file), "/proc/sys/%s", path);
	int fd;

	if (len < 0 || (size_t)len >= sizeof(file))
		return -ENAMETOOLONG;
	fd = open(file, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int sysctl_read(const char *path)
{
	int fd = sysctl_open(path, O_RDONLY);
	char text[32];
	ssize_t len;

	if (fd < 0)
		return fd;
	len = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (len <= 0)
		return -EIO;
	text[len] = '\0';
	return atoi(text);
}

int sysctl_write(const char *path, int value)
{
	int err = 0, fd, len;
	char text[16];

	if (sysctl_read(path) == value)
		return 0;
	fd = sysctl_open(path, O_WRONLY);
	if (fd < 0)
		return fd;
	len = snprintf(text, sizeof(text), "%d\n", value);
	if (write(fd, text, (size_t)len) != len)
		err = -errno;
	close(fd);
	return err;
}
