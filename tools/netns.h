/* SPDX-License-Identifier: MIT */
/* netns.h - network namespaces as operators name them */
#ifndef NETNS_H
#define NETNS_H

#include <stddef.h>

/*
 * Makes an absolute path of @name: a bare name means /run/netns/NAME, a relative path
 * counts from the working directory. Returns 0, -ENAMETOOLONG or another -errno; -EINVAL for an
 * empty name, and for /proc/self, which would be somebody else for who reads it later.
 */
int netns_path(const char *name, char *path, size_t size);

/* Opens it (close-on-exec). A descriptor or -errno; -ENOTTY: no network namespace. */
int netns_open(const char *path);

#endif
