/* SPDX-License-Identifier: MIT */
/*
 * upgrade.h - moving to another program while everything goes on
 *
 * The other program is looked at first: it is run as it would be run in our place, with
 * --rehearse (rehearsal.h). Only then does the router end, and its keeper executes the other
 * one (keeper.h), whose router answers who asked. Control thread.
 */
#ifndef UPGRADE_H
#define UPGRADE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* How we were started, and so shall be what comes after us. */
void upgrade_init(char *const *argv);

/**
 * upgrade_check() - find out whether a program can take our place
 * @binary:	its absolute path; NULL: what is now where our own was
 * @checked:	called later, in the control thread; @error: why not, or NULL
 * @error, @size:	out: why there is nothing to wait for
 *
 * 0 or -errno. One at a time.
 */
int upgrade_check(const char *binary, void (*checked)(const char *error), char *error,
		  size_t size);

/* Ends this router, so that what was checked takes its place. @client_fd: who waits for an answer */
void upgrade_go(int client_fd) __attribute__((noreturn));

/* Who waits to hear of the upgrade that has led to this router: a descriptor, the caller's from now
 * on, or -1. Before inherited_close(). */
int upgrade_client(void);

/**
 * upgrade_outcome() - what has become of it
 * @reply:	out: the answer; NULL: @error says why it failed
 *
 * Returns whether there was one at all. Once.
 */
bool upgrade_outcome(json_t **reply, char *error, size_t size);

#endif
