/* SPDX-License-Identifier: MIT */
/*
 * guard.h - slim.ko keeps the sockets that are handed over
 *
 * Theory of operation: a host socket is tagged and sealed in one go, as the last thing before it changes hands: from then
 * on the kernel module holds whoever has it to what a connection of a container's may do. What becomes of connections
 * while there is no such module, or not a whole one, is the configuration's choice: with `prefer` they are handed over
 * as they are, with `require` no host socket is: a connect takes the packet path, and what comes in is spliced. The control
 * thread looks after the module now and then, which may come, be drained, and go while we run.
 */
#ifndef GUARD_H
#define GUARD_H

#include <stdbool.h>
#include <stdint.h>

#include "../include/slim/endpoint.h"
#include "config.h"
#include "guard_link.h"
#include "loop.h"

enum guard_state {
	GUARD_OFF,		/* as configured */
	GUARD_MISSING,		/* there is no module, or it cannot be talked to */
	GUARD_TAKEN,		/* another router owns this host there */
	GUARD_OLD,		/* it lacks what we need */
	GUARD_INCOMPLETE,	/* it cannot refuse all that it should (ftrace is off) */
	GUARD_DRAINING,		/* it seals no more, to be unloaded */
	GUARD_READY,
	GUARD_STATE_NUM
};

/* What is to be done with a socket that is handed over */
enum guard_use {
	GUARD_USE_OPEN,		/* nothing */
	GUARD_USE_SEAL,
	GUARD_USE_REFUSE,	/* it is not handed over */
	GUARD_USE_NUM
};

/* Who gets a connection, and what it is called there; VNIs; addresses are virtual. */
struct guard_seal {
	uint32_t container, vni, peer_vni;
	struct slim_endpoint local, peer;
	uint16_t domain;		/* of the application's socket */
	bool accepted;			/* the peer has connected */
};

/* --- control thread --- */

/* Before there is a policy. Never fails; says in the log what is missing. */
void guard_init(const struct config *config, struct loop *control);
void guard_exit(void);

/* Enters in the ledger what lives and is not there; see guard_live_restore(). 0 or -errno */
int guard_restore(void);

enum guard_state guard_state(void);
const char *guard_state_name(enum guard_state state);
/* What is in the way, in words, and what to do; NULL: nothing */
const char *guard_reason(void);
/* Of the last look; all 0 where there is no module */
const struct guard_facts *guard_facts(void);

/*
 * Begins or ends to drain the module, so that it can be unloaded; SLIM_DRAIN_CUT ends what is sealed, too.
 * *@live: sealed sockets that are there still; *@cut: those that were ended. 0; -ENOENT: there is no module;
 * -EBUSY: it is another router's; another -errno
 */
int guard_drain(enum slim_drain drain, uint64_t *live, uint64_t *cut);

/* --- any thread --- */

enum guard_use guard_use(void);

/*
 * Seals @fd, a TCP socket of this host's that does not listen, before it is handed over. 0, also where nothing is to be
 * done; -EACCES: the policy that is in force in the kernel denies it; another -errno: it must not be handed over.
 */
int guard_seal(int fd, const struct guard_seal *seal_by);

#endif
