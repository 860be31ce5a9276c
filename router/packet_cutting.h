/* SPDX-License-Identifier: MIT */
/*
 * packet_cutting.h - ends the live connections of the packet path that the policy in force denies
 *
 * Theory of operation: nftables judge what opens a connection, and no packet after that. So live TCP
 * connections are looked for in the namespaces of the containers whose tenant has a policy, and those that
 * it denies are destroyed there (SOCK_DESTROY): ECONNABORTED for whoever has the socket, and by
 * the kernel's reset ECONNRESET at the other end. Each host looks at its own containers' ends. What is
 * not between an attached address (or its device's link-local one) and another end is none of policy's:
 * loopback, tickets, other devices.
 *
 * Which rule is asked depends on who opened the connection, which a socket itself tells (diag.h).
 * Where it does not at that moment, and the two directions are not both denied, it is asked again by the
 * next sweep. Sweeps go on until two in a row have found nothing, since one can miss a socket; each is
 * dealt out by container (dealing.h). Two more come half a minute and two minutes later: what was half open
 * when nftables learnt it, without a socket (SYN cookies), is completed by then. All sweeps together take no more
 * than a fifth of the time, but that of another policy comes at once.
 */
#ifndef PACKET_CUTTING_H
#define PACKET_CUTTING_H

#include <stdbool.h>

#include "container.h"
#include "diag.h"
#include "loop.h"

/* Before packet_cutting_start(). */
void packet_cutting_init(struct loop *control);

/*
 * Something is in force that was not, or nftables have learnt it now: begins a sweep, or another one after
 * the one under way. @hurry: at once. Control thread.
 */
void packet_cutting_start(bool hurry);

/* Is it policy's at all? One of the sockets of the container's namespace; any thread. */
bool packet_cutting_judges(const struct container *container, const struct diag_socket *socket);

/* The control thread is out of its loop. */
void packet_cutting_exit(void);

#endif
