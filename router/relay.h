/* SPDX-License-Identifier: MIT */
/*
 * relay.h - the router carries a connection's bytes (a ticket that nobody claimed)
 *
 * Theory of operation: one pipe each way, splice(2) in and out, both ends watched
 * edge-triggered: a direction runs until it would block. The end of one side's stream
 * is passed on with shutdown(2) once the pipe is empty; a reset of one
 * side resets the other.
 */
#ifndef RELAY_H
#define RELAY_H

#include <stdbool.h>

struct inbound;
struct inflight;
struct relay;
struct worker;

/**
 * relay_start() - join the slim connection and its ticket
 * @inbound:	told by inbound_relay_done() when it is over
 * @skip:	bytes of the slim connection that the ticket has been given already (0 or 1)
 * @record:	where its pipes are recorded, or NULL
 * @resume:	the pipes are those that @record names already
 *
 * Borrows both fds. NULL with errno set; pipes that @record named are closed then.
 */
struct relay *relay_start(struct worker *worker, struct inbound *inbound, int slim_fd,
			  int ticket_fd, unsigned int skip, struct inflight *record, bool resume);

/* Stops watching, before the fds are closed; relay_stop() is still to be called. */
void relay_unwatch(struct relay *relay);

/* Stops watching and frees it; the fds stay the caller's. */
void relay_stop(struct relay *relay);

/* Whether it ended by a reset (else: both streams came to their ends). */
bool relay_was_reset(const struct relay *relay);

#endif
