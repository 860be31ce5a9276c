/* SPDX-License-Identifier: MIT */
/*
 * slim_run.c - run a program with the shim loaded
 *
 * Exit status as of env(1): 125 where slim-run itself fails, 126 where the program
 * cannot be run, 127 where it is not found, else the program's own.
 */
#ifndef _GNU_SOURCE
#endif
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "netns.h"

#include "../include/slim/version.h"

#define FAILED		125
#define CANNOT_RUN	126
#define NOT_FOUND	127

#define LIBRARY		"libslim.so"

/* Where `make install` puts the shim, as the Makefile says */
#ifndef SLIM_LIBDIR
#define SLIM_LIBDIR	"/usr/local/lib/slim"
#endif

__attribute__((format(printf, 1, 2)))
static int fail(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	fputs("slim-run: ", stderr);
	vfprintf(stderr, fmt, args);
	fputc('\n', stderr);
	va_end(args);
	return FAILED;
}

static void usage(FILE *file)
{
	fputs("usage: slim-run [--netns PATH] [--] PROGRAM [ARGUMENT]...\n\n"
	      "  -n, --netns PATH  in this network namespace (a file, or a name in /run/netns)\n"
	      "  -h, --help        this text\n"
	      "  -V, --version     print the version\n\n"
	      "See slim-run(1).\n", file);
}

/* Writes the path of @name as seen from the directory of this very program. */
static int beside(char *path, const char *name)
{
	ssize_t len = readlink("/proc/self/exe", path, PATH_MAX - 1);
	char *slash;

	if (len < 0)
		return -errno;
	path[len] = '\0';
	slash = strrchr(path, '/');
	if (!slash || (size_t)(slash - path) + strlen(name) + 2 > PATH_MAX)
		return -ENAMETOOLONG;
	strcpy(slash + 1, name);
	return access(path, R_OK) ? -errno : 0;
}

static int installed(char *path, const char *name)
{
	strcpy(path, name);
	return access(path, R_OK) ? -errno : 0;
}

/* $SLIM_LIBRARY is taken at its word: a wrong one is an error. */
static int library_find(char *path)
{
	const char *named = getenv("SLIM_LIBRARY");

	if (named && *named) {
		if (!realpath(named, path) || access(path, R_OK))
			return fail("cannot read $SLIM_LIBRARY, %s: %s", named, strerror(errno));
		return 0;
	}
	if (!beside(path, LIBRARY) || !beside(path, "../lib/slim/" LIBRARY) ||
	    !installed(path, SLIM_LIBDIR "/" LIBRARY))
		return 0;
	return fail("cannot find " LIBRARY " beside slim-run, in ../lib/slim or in " SLIM_LIBDIR
		    ": name it in $SLIM_LIBRARY");
}

/* Is @library the first of the list? ld.so(8) takes spaces and colons between names. */
static int is_first(const char *list, const char *library)
{
	size_t len = strlen(library);

	return !strncmp(list, library, len) && strchr(" :", list[len]);
}

static int preload(const char *library)
{
	const char *list = getenv("LD_PRELOAD");
	char *longer;
	int err;

	if (strpbrk(library, " :"))
		return fail("the path %s has a space or a colon, which LD_PRELOAD cannot say", library);
	if (!list || !*list)
		return setenv("LD_PRELOAD", library, 1) ? fail("setenv: %s", strerror(errno)) : 0;
	if (is_first(list, library))
		return 0;
	if (asprintf(&longer, "%s:%s", library, list) < 0)
		return fail("not enough memory");
	err = setenv("LD_PRELOAD", longer, 1);
	free(longer);
	return err ? fail("setenv: %s", strerror(errno)) : 0;
}

static int enter(const char *name)
{
	char path[PATH_MAX];
	int fd, err = netns_path(name, path, sizeof(path));

	fd = err ? err : netns_open(path);
	if (fd == -ENOTTY)
		return fail("%s is not a network namespace", path);
	if (fd < 0)
		return fail("cannot open the network namespace %s: %s", name, strerror(-fd));
	if (setns(fd, CLONE_NEWNET))
		return fail("cannot enter the network namespace %s: %s%s", path, strerror(errno),
			    errno == EPERM ? " (run slim-run as root)" : "");
	close(fd);
	return 0;
}

static int run(const char *netns, char **argv)
{
	char library[PATH_MAX];
	int err;

	if (library_find(library) || preload(library) || (netns && enter(netns)))
		return FAILED;
	execvp(argv[0], argv);
	err = errno;
	fail("cannot run %s: %s", argv[0], strerror(err));
	return err == ENOENT ? NOT_FOUND : CANNOT_RUN;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "netns", required_argument, NULL, 'n' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	const char *netns = NULL;
	int option;

	while ((option = getopt_long(argc, argv, "+n:hV", options, NULL)) != -1) {
		switch (option) {
		case 'n':
			netns = optarg;
			break;
		case 'h':
			usage(stdout);
			return 0;
		case 'V':
			puts("slim-run " SLIM_VERSION);
			return 0;
		default:
			usage(stderr);
			return FAILED;
		}
	}
	if (optind < argc)
		return run(netns, argv + optind);
	usage(stderr);
	return FAILED;
}
