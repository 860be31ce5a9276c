/* SPDX-License-Identifier: MIT */
/*
 * sysctl.h - numbers under /proc/sys, as the calling thread's namespaces have them
 *
 * @path: relative to /proc/sys, with slashes, for instance "net/ipv4/ip_forward".
 * The files belong to uid 0, which needs no capability to write most of them; those
 * under net/ want CAP_NET_ADMIN over the namespace or that uid.
 */
#ifndef SYSCTL_H
#define SYSCTL_H

/* The number, or -errno (none of those read here is negative). */
int sysctl_read(const char *path);

/* Writes only what differs. 0 or -errno. */
int sysctl_write(const char *path, int value);

#endif
