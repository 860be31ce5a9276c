/* SPDX-License-Identifier: MIT */
/*
 * stray.h - fds that a container sent, although none were asked for
 *
 * Closing the last reference to a file can block for as long as its owner likes (a
 * socket with SO_LINGER, a FUSE file), so it is done by a thread that
 * nobody waits for.
 */
#ifndef STRAY_H
#define STRAY_H

#include <stdbool.h>
#include <sys/socket.h>

/* The most that one message can carry (the kernel's SCM_MAX_FD) */
#define STRAY_MAX	253

/* 0 or -errno */
int stray_init(void);

/* Disposes of all fds in @msg; returns whether there were any. */
bool stray_close(struct msghdr *msg);

#endif
