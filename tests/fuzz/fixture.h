/* SPDX-License-Identifier: MIT */
/*
 * fixture.h - a router for fuzz targets: all of it but devices and threads
 *
 * It lives in a network namespace of the process's own, which is host and container at once:
 * what it connects goes over loopback. One loop is the control thread's and the only
 * worker's, and runs when the target says so. Needs root.
 *
 * Two containers of one tenant are attached: the first one is who the target plays, the second
 * one has a listener.
 */
#ifndef TESTS_FUZZ_FIXTURE_H
#define TESTS_FUZZ_FIXTURE_H

#include "../../router/config.h"
#include "../../router/container.h"
#include "../../router/worker.h"

#define FIXTURE_VNI		100
#define FIXTURE_PORT_FIRST	4790	/* slim ports */
#define FIXTURE_PORT_LAST	4793
#define FIXTURE_LISTENER	80	/* on the second container's addresses */

extern struct config *fixture_config;
extern struct loop *fixture_loop;
extern struct worker fixture_worker;
extern struct container *fixture_containers[2];

/* Once. Ends the process where it cannot be. */
void fixture_start(void);

/* Handles all that has come, and some of what comes of that. */
void fixture_turn(void);

/* So many milliseconds later: timers are handled. */
void fixture_pass(unsigned int ms);

/* Ends all connections and channels; the process too, where one does not end. */
void fixture_drop(void);

/* The second container's listener has accepted this one; -1: there is none. */
int fixture_accept(void);

/* An earlier router has left @fd open (inherited.h). */
void fixture_leave(int fd);

/* A connection over loopback, from outside of the router */
int fixture_connect(const struct sockaddr_in6 *name);

/* Closes @fd, and its connection at once. */
void fixture_reset(int fd);

/* "10.32.0.1", fd32::1: the first container's; the second one's end in 2 */
struct in6_addr fixture_address(unsigned int container, int family);

#endif
