/* SPDX-License-Identifier: MIT */
/*
 * child.h - a program in a network namespace, and what it says
 */
#ifndef STAGE_CHILD_H
#define STAGE_CHILD_H

#include <stdio.h>
#include <sys/types.h>

/* @said: of what it writes, to either of its outputs; it may have children of its own that write on */
struct child {
	pid_t pid;
	int said;
};

/**
 * child_start() - run a program
 * @netns:	an fd of the namespace; borrowed
 * @argv:	with its path
 * @envp:	its environment
 *
 * It ends with us. Exits where that cannot be done.
 */
struct child child_start(int netns, char *const argv[], char *const envp[]);

/* Returns when it has said @text, among the first of its words; or has ended; or some @ms later. */
void child_wait_said(const struct child *child, const char *text, int ms);

/**
 * child_end() - wait for a program, and be rid of it
 * @ms:		after which it, and its group, are killed
 *
 * Returns its exit status; as shells say it, 128 and more are a signal's.
 */
int child_end(struct child *child, int ms);

/* Copies what it has said, a zero byte as \0; to be called once, after child_end(). */
void child_tell(struct child *child, FILE *out);

#endif
