/* SPDX-License-Identifier: MIT */
/* state.c - the directory of the state files */
#include "state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdbool.h>
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
#define LOCK		"lock"

/* @aside: where to. 0 or -errno */
static int set_aside(const char *path, char *aside, size_t size)
{
	snprintf(aside, size, "%s.damaged", path);
	/* A directory takes the place of an empty one only. */
	for (int i = 1; rename(path, aside) < 0; i++) {
		if ((errno != ENOTEMPTY && errno != EEXIST) || i == 100)
			return -errno;
		snprintf(aside, size, "%s.damaged%d", path, i);
	}
	return 0;
}

static bool is_set_aside(const char *name)
{
	const char *suffix = strrchr(name, '.');

	return suffix && !strcmp(suffix, ".damaged");
}

/* A directory that cannot be renamed, as where something is mounted: each file in it but the lock */
static int set_files_aside(const char *path)
{
	char file[PATH_MAX + NAME_MAX + 1], aside[sizeof(file) + sizeof(".damaged00")];
	DIR *dir = opendir(path);
	struct dirent *entry;
	int err = 0;

	if (!dir)
		return -errno;
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.' || !strcmp(entry->d_name, LOCK) ||
		    is_set_aside(entry->d_name))
			continue;
		snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
		if (set_aside(file, aside, sizeof(aside)))
			err = -errno;
	}
	closedir(dir);
	return err;
}

static void say_aside(const char *what, const char *aside, int err)
{
	if (err == -ENOENT)
		return;
	if (err)
		log_error("one router after the other was killed, and %s cannot be set aside: %s",
			  what, strerror(-err));
	else
		log_error("one router after the other was killed: %s are forgotten, and kept as %s",
			  what, aside);
}

static void suspect(const char *path, unsigned int deaths)
{
	char inflight[PATH_MAX + sizeof("/inflight")], aside[sizeof(inflight) + sizeof(".damaged00")];
	int err;

	if (deaths == DEATHS_INFLIGHT) {
		snprintf(inflight, sizeof(inflight), "%s/inflight", path);
		err = set_aside(inflight, aside, sizeof(aside));
		say_aside("connections under way", aside, err);
	} else if (deaths == DEATHS_ALL) {
		err = set_aside(path, aside, sizeof(aside));
		if (err && !(err = set_files_aside(path)))
			snprintf(aside, sizeof(aside), "%s/*.damaged", path);
		say_aside("containers, listeners and connections", aside, err);
	}
}

/* For as long as we live: two routers would take each other's containers apart. */
static int lock(const char *path)
{
	char name[PATH_MAX + sizeof("/" LOCK)];
	int fd;

	snprintf(name, sizeof(name), "%s/" LOCK, path);
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

bool state_is_in_use(const struct config *config)
{
	char name[PATH_MAX + sizeof("/" LOCK)];
	bool locked;
	int fd;

	snprintf(name, sizeof(name), "%s/" LOCK, config->state);
	fd = open(name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return false;
	locked = flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
	close(fd);
	return locked;
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
