/* SPDX-License-Identifier: MIT */
/*
 * lab.h - what there is to know of a lab: namespaces, and what its routers say
 */
#ifndef STAGE_LAB_H
#define STAGE_LAB_H

#include <stdbool.h>
#include <stddef.h>

/* Whose nodes are meant from here on; all of these exit where they get no answer. */
void lab_is(const char *name);

/* The network namespace of a node ("h1c1"): an fd that stays open. */
int lab_netns(const char *node);

/* Counters of a host's router: @num of them, by their names, of one moment */
void lab_counters(const char *host, const char *const names[], long values[], size_t num);

/* Does a host's router know of a slim listener at that port, which can take more? */
bool lab_announced(const char *host, int port);

/* Does anybody listen there, in that node, or wait for datagrams? */
bool lab_listens(const char *node, int port);

/* How many TCP connections the node's own kernel has begun */
long lab_opens(const char *node);

/* All that opens a connection is lost on the wire to a host from here on, or no more. */
void lab_silence(const char *host, bool silent);

#endif
