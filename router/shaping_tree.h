/* SPDX-License-Identifier: MIT */
/*
 * shaping_tree.h - a device's HTB tree, which keeps aggregate rates
 *
 * Theory of operation: the tree is the device's root queueing discipline, with a handle of our own, by which
 * an earlier router's is known. A device whose root somebody else has chosen is left alone. A packet's class
 * is its priority (ruleset_rates.h); what has none of ours is not limited, and passes first in, first out.
 *
 * A tenant's class has the tenant's rate. Its containers' have next to none of their own, and borrow the
 * rest, by turns, up to their own limit; where the tenant has no limit, each has its own.
 *
 * HTB counts bytes on the wire, and a policy those that programs send: a rate is raised by the headers
 * of full segments.
 */
#ifndef SHAPING_TREE_H
#define SHAPING_TREE_H

#include <netlink/netlink.h>
#include <stdbool.h>
#include <stddef.h>

#include "shaping_plan.h"

#define SHAPING_TREE_MAJOR	0x536cu		/* "Sl" in ASCII */

/*
 * Makes the device's tree, or changes it, so that it has just these classes. @sock: link_socket(). 0, -EEXIST
 * where it has another root, or the kernel's -errno
 */
int shaping_tree_set(struct nl_sock *sock, int ifindex, const struct shaping_class *classes,
		     size_t num);

/* Has the device our root? */
bool shaping_tree_is_there(struct nl_sock *sock, int ifindex);

/* Removes those of all devices but the @num in @kept. 0 or -errno */
int shaping_tree_sweep(struct nl_sock *sock, const int *kept, size_t num);

#endif
