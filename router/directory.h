/* SPDX-License-Identifier: MIT */
/*
 * directory.h - who owns a virtual address, and who listens on it
 *
 * Two tables that workers read under the RCU read lock and that the control
 * thread alone writes: virtual addresses (this host's and the peers') and
 * announcements. The back-end (mesh: peer channels) fills in the others' and is told of
 * this host's own.
 */
#ifndef DIRECTORY_H
#define DIRECTORY_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <urcu/list.h>

#include "packetpath.h"

struct peer;
struct loop;
struct tags;

/* What the directory keeps for each peer, this host included; embedded in struct peer,
 * see peer_owner(). The control thread's. */
struct directory_owner {
	struct cds_list_head containers;
	unsigned int containers_num, addresses_num, listeners_num;
	unsigned int sync;		/* counts directory_peer_sync_begin() */
	bool complete;			/* atomic: it has told all, since this router runs */
	struct tags *tags;		/* of the container that it names next, or NULL */
	bool tags_lost;			/* ... for want of memory */
	uint32_t tags_vni, tags_id;
};

void directory_owner_init(struct directory_owner *owner);
void directory_owner_exit(struct directory_owner *owner);

int directory_init(struct loop *control);

/* Who is to be told, in the control thread, when another host has let go of an address, has told all
 * that it has, or has ceased to be up. @released leaves the directory as it is. */
void directory_on_release(void (*released)(void));

void directory_exit(void);

/* --- for workers --- */

/* Result of a look-up: who to connect to. */
struct directory_listener {
	struct peer *peer;		/* may be peer_self() */
	bool busy;			/* its queue is full: take the packet path */
};

/*
 * Is there a slim listener at (tenant, address, port)? Its host's channel is
 * alive, and that host owns the address. Read lock held.
 */
bool directory_find(uint32_t vni, const struct in6_addr *addr, uint16_t port,
		    struct directory_listener *out);

/* Has @peer told what it owns? Else a no from directory_owns() says nothing. */
bool directory_is_complete(struct peer *peer);

/* Does @peer own the virtual address? Read lock held. */
bool directory_owns(const struct peer *peer, uint32_t vni, const struct in6_addr *addr);

/* Which container has the address: its host's id, and its number there. False: nobody's, as far as is
 * known. Any thread; read lock held. */
bool directory_whose(uint32_t vni, const struct in6_addr *addr, uint64_t *host_id, uint32_t *id);

/* Has nobody the address, as far as is known, while peers have yet to tell what they have, and are waited
 * for? Any thread; read lock held. */
bool directory_is_unknown(uint32_t vni, const struct in6_addr *addr);

/*
 * Calls @each for every address that has an owner and belongs to a container whose tags are known.
 * Any thread; read lock held.
 */
void directory_each_tagged(void (*each)(uint32_t vni, const struct tags *tags,
					const struct in6_addr *addr, void *data),
			   void *data);

/* The tags of the container that has the address; NULL: nobody, or they are not known. Any thread; as
 * long as the read lock is held. */
const struct tags *directory_tags(uint32_t vni, const struct in6_addr *addr);

/* --- for the control thread: what is here --- */

/**
 * struct directory_watch - who is to hear that directory_each_tagged() has other answers
 * @changed:	called for each change; @own: of a container of this host
 * @settle:	called before anything is announced that may rest on a change; @own: by this host
 * @told:	called when a peer has told all that it has, for the first time since this router runs
 */
struct directory_watch {
	void (*changed)(uint32_t vni, bool own);
	void (*settle)(bool own);
	void (*told)(void);
};

/* Have peers yet to tell what they have, and are waited for? Any thread */
bool directory_is_learning(void);

/* What peers that have not told yet may have counts no more as unknown. */
void directory_wait_no_longer(void);

/* There is one at most; @watch outlives the directory. */
void directory_watch_set(const struct directory_watch *watch);

/*
 * Name and labels of a container: of one that is there, or of the next that directory_container_add()
 * adds. Owns @tags. Tells the peers.
 */
void directory_container_tag(uint32_t vni, uint32_t id, struct tags *tags);

/* @id: unique on this host. Tells the peers. 0; -EEXIST where the id or an address is taken by
 * another container of this host, -ENOSPC past what a host may announce, -ENOMEM. */
int directory_container_add(uint32_t vni, uint32_t id, const uint8_t mac[PACKETPATH_MAC_LEN],
			    const struct in6_addr *addresses, size_t num);
void directory_container_remove(uint32_t vni, uint32_t id);

/* Whose is the address now? NULL: nobody's that is known. */
struct peer *directory_owner_of(uint32_t vni, const struct in6_addr *addr);

/* One call an address and port (the caller counts several listeners on one). 0; -EPERM where no
 * container here has the address, -ENOSPC past what a host may announce, -ENOMEM. */
int directory_listener_add(uint32_t vni, const struct in6_addr *addr, uint16_t port);
void directory_listener_remove(uint32_t vni, const struct in6_addr *addr, uint16_t port);
void directory_listener_busy(uint32_t vni, const struct in6_addr *addr, uint16_t port,
			     bool busy);

/* Give the packet path all remote containers of a tenant (after its first
 * container was attached here). */
void directory_replay(uint32_t vni);

/* --- for the back-end --- */

/*
 * Takes the place of an earlier container of equal (peer, vni, id), and of those of the same
 * peer with which it shares an address. An address that another host has stays that host's until
 * it lets go of it, or is not up while the other one is. 0, -ENOSPC, -ENOMEM.
 */
int directory_remote_container_add(struct peer *peer, uint32_t vni, uint32_t id,
				   const uint8_t mac[PACKETPATH_MAC_LEN],
				   const struct in6_addr *addresses, size_t num);
void directory_remote_container_remove(struct peer *peer, uint32_t vni, uint32_t id);
/* As directory_container_tag(), of one of @peer's. @tags: NULL: there was no memory for them; the container
 * counts as not there then, until @peer tells all anew. */
void directory_remote_container_tag(struct peer *peer, uint32_t vni, uint32_t id,
				    struct tags *tags);
/* -EPERM where @peer does not own the address, -ENOSPC, -ENOMEM */
int directory_remote_listener_add(struct peer *peer, uint32_t vni,
				  const struct in6_addr *addr, uint16_t port, bool busy);
void directory_remote_listener_remove(struct peer *peer, uint32_t vni,
				      const struct in6_addr *addr, uint16_t port);
/* The peer's channel is gone: all its announcements are void (its containers stay). */
void directory_peer_lost(struct peer *peer);
/* A full account of the peer's is in: drop its containers and listeners that it did not name since
 * directory_peer_sync_begin(). */
void directory_peer_sync_begin(struct peer *peer);
void directory_peer_sync_end(struct peer *peer);

/* Calls back for each of this host's own containers and listeners: for a new channel. @tags: or
 * NULL. */
void directory_each_local(void (*container)(uint32_t vni, uint32_t id, const uint8_t *mac,
					    const struct in6_addr *addresses, size_t num,
					    const struct tags *tags, void *data),
			  void (*listener)(uint32_t vni, const struct in6_addr *addr,
					   uint16_t port, bool busy, void *data),
			  void *data);

/* Calls back for every announcement, this host's own included. Control thread. */
void directory_each_listener(void (*each)(struct peer *peer, uint32_t vni,
					  const struct in6_addr *addr, uint16_t port,
					  bool busy, void *data),
			     void *data);

#endif
