/* SPDX-License-Identifier: MIT */
/*
 * privileges.h - what the router keeps of root's powers
 */
#ifndef PRIVILEGES_H
#define PRIVILEGES_H

/*
 * Sheds, for this process and all that it starts, every capability but those that the
 * router needs while it runs:
 *
 *   CAP_NET_ADMIN	links, addresses, nftables, sock_diag's destroy
 *   CAP_SYS_ADMIN	entering containers' network namespaces
 *   CAP_NET_RAW	binding veth rules to devices of other namespaces
 *   CAP_SYS_RESOURCE	fds in flight towards containers count per user
 *
 * and sets no_new_privs. 0 or -errno.
 */
int privileges_shed(void);

#endif
