/* SPDX-License-Identifier: MIT */
/*
 * counters.h - what the router counts, by the names that `slimctl status` shows
 */
#ifndef COUNTERS_H
#define COUNTERS_H

#include <stdint.h>

#define COUNTERS(X)						\
	X(connects)		/* CONNECT requests */		\
	X(connects_slim)	/* ... answered with a host socket */	\
	X(connects_packet)	/* ... sent to the packet path */	\
	X(connects_denied)	/* ... that policy denies */	\
	X(connects_limited)	/* ... beyond a rule's limit */	\
	X(connects_failed)	/* ... that the host could not make */	\
	X(connects_late)	/* ... that came, or were connected, too late */	\
	X(guard_sealed)		/* sockets that were sealed by slim.ko */	\
	X(guard_denied)		/* ... that its policy denies */	\
	X(guard_attacks)	/* what it has refused to holders of sockets */	\
	X(accepts)		/* connections to slim ports */	\
	X(accepts_refused)	/* ... reset: no preamble, no listener, ... */	\
	X(preamble_bad)		/* ... not a preamble */		\
	X(preamble_unknown)	/* ... unknown host or key */		\
	X(preamble_forged)	/* ... wrong MAC */			\
	X(preamble_replayed)	/* ... seen before */			\
	X(preamble_late)	/* ... none within its time */		\
	X(preamble_crowded)	/* ... too many without one; the oldest of the busiest source */	\
	X(source_foreign)	/* ... source that is not the sender's */	\
	X(accepts_denied)	/* ... that policy denies */		\
	X(accepts_limited)	/* beyond a rule's limit; each has waited */	\
	X(listener_gone)	/* ... nobody listens */		\
	X(tuple_in_use)		/* ... virtual 4-tuple in use */	\
	X(limit_reached)	/* refused by a limit */		\
	X(tickets)		/* tickets connected */			\
	X(tickets_held)		/* ... to a listener whose queue was full */	\
	X(tickets_refused)	/* ... refused or reset by the listener */	\
	X(connections_cut)	/* live ones that a new policy denies */	\
	X(connections_cut_packet)	/* ... of the packet path */	\
	X(connections_changed)	/* live ones whose rate, TOS or priority it changes */	\
	X(reloads)		/* of the policy */			\
	X(reloads_failed)	/* ... that had errors, or no memory */	\
	X(claims)		/* tickets turned into host sockets */	\
	X(claims_unknown)	/* claims of no ticket of ours */	\
	X(splices)		/* connections that the router carries */	\
	X(names)		/* NAME requests */			\
	X(channels_opened)						\
	X(channels_closed)						\
	X(frames_bad)		/* malformed frames: each cost a channel */

struct counters {
#define X(name) uint64_t name;
	COUNTERS(X)
#undef X
};

extern struct counters counters;

#define counter_inc(name) \
	((void)__atomic_fetch_add(&counters.name, 1, __ATOMIC_RELAXED))

#endif
