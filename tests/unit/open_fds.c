/* SPDX-License-Identifier: MIT */
/* open_fds.c - whether a program leaves descriptors open */
#include "open_fds.h"

#include <dirent.h>

int open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int num = 0;

	while (readdir(dir))
		num++;
	closedir(dir);
	return num;
}
