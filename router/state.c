/* SPDX-License-Identifier: MIT */
/* state.c - the directory of the state files */
#include "state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"

static const char *directory;

static int make(const char *path)
{
	char copy[PATH_MAX];

	snprintf(copy, sizeof(copy), "%s", path);
	/* The default's parent is the control socket's directory, which comes later. */
	if (mkdir(dirname(copy), 0755) < 0 && errno != EEXIST)
		return -errno;
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return -errno;
	return 0;
}

#define DEATHS_INFLIGHT	4
#define DEATHS_ALL	8

static void set_aside(const char *path, const char *what)
{
	char aside[PATH_MAX + sizeof(".damaged")];

	snprintf(aside, sizeof(aside), "%s.damaged", path);
	/* A directory takes the place of an empty one only. */
	for (int i = 1; rename(path, aside) < 0 && errno == ENOTEMPTY && i < 100; i++)
		snprintf(aside, sizeof(aside), "%s.damaged%d", path, i);
	log_error("one router after the other was killed: %s are forgotten, and kept as %s", what,
		  aside);
}

static void suspect(const char *path, unsigned int deaths)
{
	char inflight[PATH_MAX + sizeof("/inflight")];

	snprintf(inflight, sizeof(inflight), "%s/inflight", path);
	if (deaths == DEATHS_INFLIGHT)
		set_aside(inflight, "connections under way");
	else if (deaths == DEATHS_ALL)
		set_aside(path, "containers, listeners and connections");
}

/* For as long as we live: two routers would take each other's containers apart. */
static int lock(const char *path)
{
	char name[PATH_MAX + sizeof("/lock")];
	int fd;

	snprintf(name, sizeof(name), "%s/lock", path);
	fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		log_warning("cannot open %s: %s", name, strerror(errno));
		return 0;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	close(fd);
	log_error("another slimrouter runs here: it has locked %s", name);
	return -EBUSY;
}

int state_init(const struct config *config, unsigned int deaths)
{
	struct stat st;
	int err;

	suspect(config->state, deaths);
	err = make(config->state);
	if (!err && stat(config->state, &st) < 0)
		err = -errno;
	if (!err && !S_ISDIR(st.st_mode))
		err = -ENOTDIR;
	if (!err && (st.st_mode & (S_IRWXG | S_IRWXO)) && chmod(config->state, 0700) < 0)
		err = -errno;
	if (!err)
		directory = config->state;
	else
		log_error("cannot keep state in %s: %s; a restart will forget everything",
			  config->state, strerror(-err));
	return err ? 0 : lock(config->state);
}

const char *state_directory(void)
{
	return directory;
}

void state_remove(void)
{
	char path[PATH_MAX + NAME_MAX + 1];
	DIR *dir = directory ? opendir(directory) : NULL;
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
		if (entry->d_name[0] != '.' && unlink(path) < 0)
			log_warning("cannot remove %s: %s", path, strerror(errno));
	}
	if (dir)
		closedir(dir);
	if (directory)
		rmdir(directory);
}
