/* SPDX-License-Identifier: MIT */
/*
 * ledger.h - the live slim connections of this host
 *
 * Theory of operation: an entry is made when a connection is set up, by the
 * worker that does it, and is found by the host socket's cookie, by its virtual
 * 4-tuple, and, if it is spliced, by the ticket's cookie. Programs
 * close their sockets without telling; a sweep in the control thread compares the
 * entries with sock_diag. An entry that two sweeps did not find is dead (one dump
 * can miss a socket that moves within the kernel's table). The tables are lock-free; entries
 * are freed after a grace period. An entry's place in a rule's quota (quota.h) is given back when the entry
 * goes. A record of each outlives the router, in a state file; where
 * that is full, connections are set up all the same, and a restart does not know them.
 */
#ifndef LEDGER_H
#define LEDGER_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <urcu.h>
#include <urcu/rculfhash.h>

#include "ends.h"
#include "quota.h"
#include "shaping.h"

struct statefile_layout;

/* Of its state file */
extern const struct statefile_layout ledger_layout;

struct peer;
struct diag;

enum ledger_direction {
	LEDGER_OUT,
	LEDGER_IN,
	LEDGER_DIRECTION_NUM
};

struct ledger_entry {
	uint64_t cookie;		/* of the host socket */
	uint64_t ticket_cookie;		/* of the application's end of a spliced ticket; or 0 */
	uint32_t vni, peer_vni;		/* of the container here, and of the other one */
	uint32_t container_id;
	struct slim_endpoint local, peer;	/* virtual */
	struct slim_endpoint host_peer;
	struct in6_addr host_addr;		/* local; zero: not known */
	uint16_t host_port;			/* local */
	uint8_t direction;		/* enum ledger_direction */
	bool spliced;
	bool syn_data;			/* the SYN had data, and nobody knows yet what became of it */
	uint16_t domain;		/* of the application's socket */
	uint64_t created_at;		/* ms */
	struct shaping shaping;		/* the policy's; once it is entered, whoever sweeps for that */
	bool marked;			/* atomic: its socket has the container's mark, or will soon have */
	unsigned int *fill;		/* peer's port, counted down at the end; or NULL */
	uint64_t fill_host;		/* which peer's and which port's that is */
	uint16_t fill_index;
	struct quota_seat seat;
	struct ledger_record *record;	/* in the state file; or NULL */
	unsigned int missed;		/* sweeps; control thread */
	unsigned int seen;			/* by the last ledger_look() */
	bool connecting;		/* ... in SYN_SENT */
	bool syn_late;			/* it was so for too long */
	bool entered;			/* atomic: in all tables */
	bool dead;

	struct cds_lfht_node cookie_node, ticket_node, tuple_node;
	struct rcu_head rcu;
};

/* As it lies in the state file */
struct ledger_record {
	uint64_t cookie, ticket_cookie;
	uint64_t created_at;
	uint64_t fill_host;
	struct quota_key quota;			/* rule 0: none */
	struct slim_endpoint local, peer, host_peer;
	struct in6_addr host_addr;
	uint32_t vni, peer_vni, container_id;
	uint16_t host_port, domain, fill_index;
	uint8_t direction, spliced;
};

/* What the host calls it. False: it may not be connecting yet, or that is not known. Any thread, read lock held. */
bool ledger_host_names(const struct ledger_entry *entry, struct slim_endpoint *local,
		       struct slim_endpoint *peer);

static inline struct ends ledger_ends(const struct ledger_entry *entry)
{
	if (entry->direction == LEDGER_OUT)
		return (struct ends){ entry->vni, entry->peer_vni, entry->local, entry->peer };
	return (struct ends){ entry->peer_vni, entry->vni, entry->peer, entry->local };
}

int ledger_init(void);

/*
 * Keeps records in @directory from now on, and takes up those that are there: of containers that
 * are, and whose sockets are (ledger_sweep() looks for the latter). Before workers start, after
 * containers and peers. Returns how many, or -errno (logged; -ENOMEM: the rest is left to another
 * start).
 */
int ledger_restore(const char *directory);

/* Forgets all entries, but not their records, before the peers go; their connections go on. Read lock held, no worker
 * left. */
void ledger_exit(void);

/**
 * ledger_add() - enter a connection
 * @entry:	allocated by the caller with malloc(3); the ledger's from then on, with its seat, also
 *		when this fails (then it is freed after a grace period)
 *
 * Counts it in its container and its port's fill. -EADDRINUSE: another connection, perhaps
 * live, has this virtual 4-tuple. Read lock held, any thread.
 */
int ledger_add(struct ledger_entry *entry);

/*
 * Where one that was added with port 0 comes from: only now it has a record. Before the connection
 * changes hands; read lock held.
 */
void ledger_set_local(struct ledger_entry *entry, const struct slim_endpoint *local);

/*
 * From now on it is counted by @key (NULL: by none), whether there is room or not. 0 or -ENOMEM. Read lock
 * held, any thread.
 */
int ledger_seat(struct ledger_entry *entry, const struct quota_key *key);

/* Out of the tables; freed later. Harmless when somebody else did it. */
void ledger_remove(struct ledger_entry *entry);

/* It has, or will soon have, this. One thread at a time; read lock held. */
void ledger_set_shaping(uint64_t cookie, const struct shaping *shaping);

/* The router carries it from now on; @ticket_cookie names the application's end. */
void ledger_splice(struct ledger_entry *entry, uint64_t ticket_cookie);

/* Is there a connection from @local to @peer in tenant @vni (one whose end is not known yet
 * included)? Read lock held, any thread. */
bool ledger_has(uint32_t vni, const struct slim_endpoint *local, const struct slim_endpoint *peer);

/*
 * Is nobody there any more? Where somebody was, the kernel is asked whether that connection is over, which the sweep
 * would find out later; it is forgotten then. Some 50 us; read lock held, any thread.
 */
bool ledger_reclaim(uint32_t vni, const struct slim_endpoint *local, const struct slim_endpoint *peer);

/* By the host socket's or a spliced ticket's cookie. Read lock held. */
struct ledger_entry *ledger_find(uint64_t cookie);

/* Calls @each for every entry. Any thread; read lock held. */
void ledger_each(void (*each)(struct ledger_entry *entry, void *data), void *data);

/* Live entries (those whose end is not yet known included). */
unsigned long ledger_count(void);

/*
 * Asks sock_diag which of them are there, of those with these ports; takes some ms for thousands. One
 * thread at a time, outside of a read section. 0 or -errno: nothing is known then.
 */
int ledger_look(struct diag *diag, uint16_t port_first, uint16_t port_last);

/*
 * Control thread: removes those that are over, by the last ledger_look(), which was good and began at
 * @looked (ms). Returns how many may be over and are still there: the next sweep knows.
 */
unsigned long ledger_sweep(uint64_t looked);

/*
 * Removes a container's entries; *@cookies, to be freed by the caller, are the *@num sockets of
 * those. 0, or -ENOMEM: the others are there still. Read lock held, control thread.
 */
int ledger_take(uint32_t container_id, uint64_t **cookies, size_t *num);

/* Aborts those sockets (and sorts @cookies). 0 or -errno. Can take long (aside.h). */
int ledger_abort(struct diag *diag, uint64_t *cookies, size_t num);

#endif
