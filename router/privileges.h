/* SPDX-License-Identifier: MIT */
/*
 * privileges.h - what the router keeps of root's powers
 */
#ifndef PRIVILEGES_H
#define PRIVILEGES_H

#include <stdbool.h>

/*
 * Capabilities are each thread's own, and inherited from the thread that makes it. Every
 * thread of the router has these alone, once it runs:
 *
 *   CAP_NET_ADMIN	links, addresses, nftables, sock_diag's destroy
 *   CAP_SYS_ADMIN	entering containers' network namespaces
 *   CAP_SYS_RESOURCE	fds in flight towards containers count per user
 *
 * and no_new_privs. The control thread sheds the others when it has started the rest;
 * workers and closers begin after that, and two kinds of threads before.
 */

/* Whether the router can start at all: else it must be root who starts it. */
bool privileges_suffice(void);

/* Sheds all others, for this thread and those that it makes. 0 or -errno */
int privileges_shed(void);

/* Has liburcu's own threads begin with no others. Before there is a table. 0 or -errno */
int privileges_spare_helpers(void);

#endif
