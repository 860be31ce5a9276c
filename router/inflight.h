/* SPDX-License-Identifier: MIT */
/*
 * inflight.h - slim connections in the router's hands, for the router after this one
 *
 * Theory of operation: a killed router's files stay open (keeper.h). From the moment on in which
 * a slim connection's preamble is whole, until it has changed hands or is closed, a record
 * says how far it has come. A phase is entered by one store, before what it allows is done:
 *
 *   JUDGED	its preamble may have been accepted, and read; it may be in the ledger
 *   TICKET	its ticket may be connected
 *   HANDED	an application may have it
 *   SPLICED	the relay's pipes may hold bytes of it
 *
 * What was accepted and has no record still has its preamble unread.
 */
#ifndef INFLIGHT_H
#define INFLIGHT_H

#include <stdbool.h>
#include <stdint.h>

#include "../core/preamble.h"
#include "../include/slim/endpoint.h"

struct statefile_layout;

/* Of its state file */
extern const struct statefile_layout inflight_layout;

#define INFLIGHT_PIPES	4

enum inflight_phase {
	INFLIGHT_JUDGED,
	INFLIGHT_TICKET,
	INFLIGHT_HANDED,
	INFLIGHT_SPLICED,
	INFLIGHT_PHASE_NUM
};

struct inflight_pipe {
	uint64_t inode;
	int32_t fd;
	uint32_t unused;
};

struct inflight {
	uint64_t cookie;		/* of the slim connection */
	int32_t fd;			/* when it was accepted */
	uint16_t host_port;
	uint16_t bytes_num;
	struct slim_endpoint host_peer;
	uint8_t bytes[PREAMBLE_MAX];

	/* Stored before the phase that needs them. */
	uint32_t phase;			/* atomic: enum inflight_phase */
	int32_t ticket_fd;
	uint64_t ticket_cookie;		/* of the router's end */
	uint16_t ticket_port, ticket_family;
	int32_t answer_fd;		/* the channel's socket by which it is handed over */
	uint64_t answer_cookie;
	struct inflight_pipe pipes[INFLIGHT_PIPES];
};

/*
 * Keeps records in @directory from now on; those that are there wait for inflight_each(). 0 or -errno
 * (logged). Before workers start.
 */
int inflight_open(const char *directory);
/* The records stay. No workers any more. */
void inflight_close(void);

/*
 * Hands over, once, what an earlier router left; before workers start. @each owns the record from then on.
 */
void inflight_each(void (*each)(struct inflight *record, void *data), void *data);

/* A copy of @from, in phase JUDGED; NULL: it goes unrecorded. Any thread. */
struct inflight *inflight_new(const struct inflight *from);

/* NULL is fine, for all of these. */
void inflight_hand_over(struct inflight *record, int answer_fd, uint64_t answer_cookie);
void inflight_enter(struct inflight *record, enum inflight_phase phase);
void inflight_drop(struct inflight *record);

/* How many of @record's pipes mean anything: those of a spliced connection */
int inflight_pipes(const struct inflight *record);
/* Closes those of them that there are. */
void inflight_close_pipes(const struct inflight *record);

#endif
