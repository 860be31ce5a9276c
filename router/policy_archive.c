/* SPDX-License-Identifier: MIT */
/* policy_archive.c - the files of the policy in force, for the router after this one */
#include "policy_archive.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "policy_pack.h"

#define NAME	"policy"

static void path_of(const char *directory, const char *suffix, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s/" NAME "%s", directory, suffix);
}

int policy_archive_write(const char *directory, const struct policy_sources *sources)
{
	char path[PATH_MAX];
	FILE *out;
	int err;

	if (!directory)
		return 0;
	path_of(directory, ".new", path);
	/* What was not committed must not be there then. */
	unlink(path);
	out = fopen(path, "we");
	if (!out)
		return -errno;
	err = policy_pack_write(out, sources);
	if (!fclose(out) && !err)
		return 0;
	unlink(path);
	return -EIO;
}

/* An empty file needs no space where there was one. */
static void lose(const char *path, bool any)
{
	int fd = any ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;

	if (fd < 0)
		unlink(path);
	else
		close(fd);
}

int policy_archive_commit(const char *directory, bool any)
{
	char from[PATH_MAX], to[PATH_MAX];
	int err;

	if (!directory)
		return 0;
	path_of(directory, ".new", from);
	path_of(directory, "", to);
	if (rename(from, to) == 0)
		return 0;
	err = -errno;
	lose(to, any);
	log_warning("cannot keep the policy in %s: a router that follows reads it anew", to);
	return err;
}

int policy_archive_read(const char *directory, struct policy_sources *sources)
{
	char path[PATH_MAX];
	FILE *in;
	int err;

	memset(sources, 0, sizeof(*sources));
	if (!directory)
		return -ENOENT;
	path_of(directory, "", path);
	in = fopen(path, "re");
	if (!in)
		return -errno;
	err = policy_pack_read(in, sources);
	fclose(in);
	return err;
}
