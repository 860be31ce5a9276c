/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * host.h - a network namespace in which a router works: its owner, its policy, its counters
 *
 * Every network namespace has a struct host, which lives as long as it; it is a host from the first OWN on. A
 * sealed socket belongs to a namespace, and so keeps its host.
 */
#ifndef KMOD_HOST_H
#define KMOD_HOST_H

#include <linux/atomic.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/types.h>
#include <linux/xarray.h>
#include <net/net_namespace.h>

struct force;
struct staged;

/* What was ever counted of a tenant's connections; bytes, of those that are closed */
struct tenant {
	u32 vni;
	atomic64_t live;
	atomic64_t sealed;
	atomic64_t denied;
	atomic64_t attacks;
	atomic64_t rx_bytes;
	atomic64_t tx_bytes;
};

/*
 * @node:	in the list of hosts, once it is one
 * @known:	it is one; only ever set
 * @draining:	nothing more is sealed
 * @lock:	held to change @owner (with that of the list, too) and @draining, for all that has to do with @staged, and
 *		to replace @force
 * @owner:	port of the netlink socket, or 0
 * @force:	the policy in force; NULL: there is none
 * @tenants:	by VNI; there until the namespace ends
 */
struct host {
	struct net *net;
	struct list_head node;
	bool known;
	bool draining;
	struct mutex lock;
	u32 owner;
	struct force __rcu *force;
	struct staged *staged;
	struct xarray tenants;
	atomic64_t live;
	atomic64_t sealed;
	atomic64_t denied;
	atomic64_t attacks;
	atomic64_t cut;
};

struct host *host_of(const struct net *net);

/* May the calling task tag and seal sockets of @net? */
bool host_may_seal(const struct net *net);

/* Its owner is @portid from now on: 0 or -EBUSY. */
int host_own(struct host *host, u32 portid);

/* May @portid do what is the owner's? Under the host's lock: 0, -EPERM, or -ESTALE: it has no owner. */
int host_check_owner(const struct host *host, u32 portid);

/* NULL: no memory. May sleep. */
struct tenant *host_tenant(struct host *host, u32 vni);

int hosts_init(void);
void hosts_exit(void);

#endif
