/* SPDX-License-Identifier: MIT */
/*
 * waiting.h - slim connections that wait for an application to accept their tickets
 *
 * Part of inbound.h's theory of operation: from the ticket's connecting until the
 * connection is claimed, spliced or given up. All of it belongs to the connection's owner.
 */
#ifndef WAITING_H
#define WAITING_H

#include <stdbool.h>

struct inbound;

/*
 * Connects a ticket to the listener. 0: it waits from now on, or has been reset already;
 * -errno: no ticket could be had, and nothing was done.
 */
int waiting_start(struct inbound *inbound);

/*
 * Goes on where an earlier router was, which had connected a ticket or begun to relay
 * (inbound->record says all; its files are ours). 0 or -ENOMEM, and the ticket is closed.
 */
int waiting_resume(struct inbound *inbound);

/* The inbound's timer, whatever it is doing, but for PREAMBLE and UNADMITTED. */
void waiting_timer(struct inbound *inbound);

/* There is something to read for a listener that wants to see a byte first. */
void waiting_deferred(struct inbound *inbound);

/* Nobody will claim it: the router carries its bytes from now on. */
void waiting_splice(struct inbound *inbound);

/* Its ticket does not wait for room in the listener's queue, or waits no longer. */
void waiting_unhold(struct inbound *inbound);

/*
 * A spliced connection that came to its end by itself leaves one side in TIME_WAIT: ends that. The ticket is nobody's but
 * ours: nothing of it can come late, over loopback. (Kernels that cannot do that keep it for a minute.)
 * Returns whether the program, which has ended its stream, has yet to see the other one's end: its side is to come there.
 */
bool waiting_end_time_wait(struct inbound *inbound);

/* So its inbound_relay_done() is called again, in a moment. */
void waiting_end_later(struct inbound *inbound);

#endif
