/* SPDX-License-Identifier: MIT */
/* program.c - the file of a program that runs */
#include "program.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

int program_path(const char *link, char *path, size_t size)
{
	static const char deleted[] = " (deleted)";
	size_t tail = sizeof(deleted) - 1;
	ssize_t len = readlink(link, path, size - 1);

	if (len < 0)
		return -errno;
	path[len] = '\0';
	if ((size_t)len > tail && !strcmp(path + len - tail, deleted))
		path[(size_t)len - tail] = '\0';
	return 0;
}
