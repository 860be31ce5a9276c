/* SPDX-License-Identifier: MIT */
/*
 * enforcer.h - who sees to it that a policy is kept, on one kind of path
 *
 * A new policy is staged with all enforcers, and then committed by all, or aborted. After the commit, what
 * lives and is no longer allowed is revoked. What each has in force is one policy at any moment.
 *
 * The routers' own and slim.ko, where that is there, have something to stage. What nftables and rates do takes longer than
 * live connections may wait, and depends on containers, which come and go; so they have no part in whether a
 * reload succeeds, but follow what is in force, from revoke on, and say what they cannot do.
 */
#ifndef ENFORCER_H
#define ENFORCER_H

struct policy_compiled;

/**
 * struct enforcer - one of them; only one policy is being staged at a time. NULL: there is nothing to do
 * @stage:	makes ready all that can fail, and changes nothing that is in force. @compiled: NULL:
 *		there is no policy. In a thread of its own. 0 or -errno.
 * @commit:	puts in force what was staged. Control thread; 0, or (the last one's alone) -errno, and nothing
 *		has changed
 * @abort:	gives up what was staged, also when that has failed. Control thread
 * @revoke:	begins to end what is no longer allowed, or to follow; not NULL. Control thread
 */
struct enforcer {
	int (*stage)(struct policy_compiled *compiled);
	int (*commit)(void);
	void (*abort)(void);
	void (*revoke)(void);
};

/* The routers' own, for the slim path; @compiled is its own from the commit on, also from one that fails. */
extern const struct enforcer enforcer_slim;

/* nftables, which follows (enforcer_packet.h) */
extern const struct enforcer enforcer_packet;

/* Aggregate rates, which follow, too (enforcer_rates.h) */
extern const struct enforcer enforcer_rates;

/* slim.ko, which is told before the routers' own goes by it (enforcer_guard.h) */
extern const struct enforcer enforcer_guard;

#endif
