/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sockops.h - what a tagged socket does in the kernel's place
 *
 * Theory of operation: the ULP "slim" gives a socket operations of ours, in place of TCP's. Until it is sealed they
 * call the kernel's. The operations of struct socket are those that are named here and no others: what a newer
 * kernel adds is not there until it is decided about. Those of struct sock are a copy with some replaced.
 *
 * Refused are: bind and listen (EINVAL, as of any connected socket), a new connect (EINVAL; EISCONN while it is
 * connected), MSG_FASTOPEN (EOPNOTSUPP), options (ENOPROTOOPT) and ioctls (ENOTTY) that options.h does not allow. To dissolve the
 * connection (AF_UNSPEC) is what close() could do as well: it is dissolved, and of no more use.
 */
#ifndef KMOD_SOCKOPS_H
#define KMOD_SOCKOPS_H

#include <linux/net.h>
#include <net/sock.h>

/* Does it have our ULP? Any socket; by who holds a descriptor or a reference, or under rcu_read_lock(). */
bool sockops_is_ours(const struct sock *sk);

/* setsockopt(2) of a sealed socket, of any level; hook.c comes here where the kernel does not. */
int sockops_setsockopt(struct socket *sock, int level, int name, sockptr_t value,
		       unsigned int len);

/* AF_INET6 sockets can be tagged, too. */
bool sockops_have_ipv6(void);

int sockops_init(void);
void sockops_exit(void);

#endif
