/* SPDX-License-Identifier: MIT */
/*
 * guard_link.h - what the router and slim.ko say to each other over generic netlink
 *
 * Messages, attributes and errors are those of include/uapi/linux/slim.h. One socket owns this host at the guard
 * for as long as it is open, and all orders go by it. Each call waits for the kernel's answer; they may come
 * from any thread, and one waits for another.
 */
#ifndef GUARD_LINK_H
#define GUARD_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../include/uapi/linux/slim.h"

struct guard_link;

#define GUARD_REASON_MAX	256	/* bytes of all reasons together */

/*
 * @missing:	SLIM_MISSING_*; @reason: the same in words, "" for none
 * @owned:	0: nobody owns this host, 1: somebody else does, 2: we do
 * @generation:	of the policy in force there; 0: none
 * @live:	sealed sockets
 */
struct guard_facts {
	uint32_t version, features, missing;
	unsigned int owned;
	bool draining;
	uint64_t generation, live;
	char reason[GUARD_REASON_MAX];
};

/*
 * Opens *@link. 0; -ENOENT: the kernel has no such module, and cannot load it; or another -errno. For the first time
 * before privileges are shed.
 */
int guard_link_open(struct guard_link **link);
/* NULL is allowed. What it owned is free again. */
void guard_link_close(struct guard_link *link);

/* 0 or -errno; -ENOENT, also of all the others: the module is gone. */
int guard_link_get(struct guard_link *link, struct guard_facts *facts);
/* 0; -EBUSY: another router owns this host; -EPROTONOSUPPORT: the guard is too new for us; or another -errno */
int guard_link_own(struct guard_link *link);

/* Staging: begin, parts of each kind, end, commit; or abort. */
int guard_link_begin(struct guard_link *link, uint64_t generation,
		     const struct slim_policy_counts *counts, uint32_t flags);
/* @data: @num whole structs of @size bytes each, which make as many messages as need be */
int guard_link_part(struct guard_link *link, enum slim_part part, const void *data, size_t num,
		    size_t size);
int guard_link_end(struct guard_link *link);
/* *@cut: how many connections it has ended */
int guard_link_commit(struct guard_link *link, uint64_t generation, uint64_t *cut);
int guard_link_abort(struct guard_link *link);

/* *@live: sealed sockets that are there still; *@cut: those that were ended now */
int guard_link_drain(struct guard_link *link, enum slim_drain drain, uint64_t *live, uint64_t *cut);

/* A sealed socket, as the guard knows it */
struct guard_socket {
	uint64_t cookie;
	uint32_t container, vni, peer_vni, flags;
	struct slim_address local, peer;
};

/* Calls @each for all of this host's. 0 or -errno: nothing is known then of those that were not told. */
int guard_link_each(struct guard_link *link, void (*each)(const struct guard_socket *socket, void *data),
		    void *data);

/*
 * What the guard tells by itself: what it has refused to whom; and which sealed socket is gone, of which there is the
 * cookie alone, and which may be another host's
 */
struct guard_event {
	enum slim_event event;
	uint64_t cookie;
	uint32_t container;
	enum slim_operation operation;
	uint32_t level, number, pid, missed;
};

struct nl_sock;

/*
 * Opens *@sock, on which events come from now on; nl_socket_free() ends it. 0 or -errno. As
 * guard_link_open()
 */
int guard_link_listen(struct nl_sock **sock);

/* Calls @each for what has come, a bounded number of messages; never blocks. One thread at a time */
void guard_link_read(struct nl_sock *sock, void (*each)(const struct guard_event *event));

#endif
