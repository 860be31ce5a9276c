/* SPDX-License-Identifier: MIT */
/*
 * packetpath_host.h - what the host must be told before containers come
 */
#ifndef PACKETPATH_HOST_H
#define PACKETPATH_HOST_H

#include <netlink/netlink.h>
#include <stdbool.h>

#include "config.h"

/*
 * Sets and checks sysctls. What cannot be set is said in the log as a warning with
 * its consequence. @alone: no netfilter rules but ours on this host.
 */
void packetpath_host_sysctls(const struct config *config, bool alone);

/*
 * Removes all our links, their nftables tables and routing rules, an earlier router's
 * too. 0 or -errno, logged.
 */
int packetpath_host_clean(struct nl_sock *sock);

#endif
