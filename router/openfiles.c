/* SPDX-License-Identifier: MIT */
/* openfiles.c - every file that this process has open */
#include "openfiles.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define DIRECTORY	"/proc/self/fd"
#define FIRST		3

static int each_in(DIR *dir, int (*each)(int fd, void *data), void *data)
{
	struct dirent *entry;
	int ret = 0;

	while (!ret && (entry = readdir(dir))) {
		int fd = atoi(entry->d_name);

		if (entry->d_name[0] != '.' && fd >= FIRST && fd != dirfd(dir))
			ret = each(fd, data);
	}
	return ret;
}

/* Some may be above the limit: it can have been lowered, but hardly the hard one. */
static int number_max(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_max > INT_MAX)
		return INT_MAX;
	return (int)limit.rlim_max;
}

/* How many are open; LONG_MAX: this kernel does not say (before Linux 6.2). */
static long number_open(void)
{
	struct stat st;

	return stat(DIRECTORY, &st) < 0 || !st.st_size ? LONG_MAX : (long)st.st_size;
}

static int each_number(int (*each)(int fd, void *data), void *data)
{
	long left = number_open();
	int max = number_max(), ret = 0;

	for (int fd = 0; !ret && left && fd < max; fd++) {
		if (fcntl(fd, F_GETFD) < 0)
			continue;
		left--;
		if (fd >= FIRST)
			ret = each(fd, data);
	}
	return ret;
}

int openfiles_each(int (*each)(int fd, void *data), void *data)
{
	DIR *dir = opendir(DIRECTORY);
	int ret;

	if (!dir)
		return each_number(each, data);
	ret = each_in(dir, each, data);
	closedir(dir);
	return ret;
}
