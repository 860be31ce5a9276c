/* SPDX-License-Identifier: MIT */
/*
 * failed.c - host sockets that are not connected, or no more
 *
 * Whatever the application did to such a socket with bind or listen would be done in the host's namespace,
 * where neither addresses nor ports are the container's. One whose failure has been told is the container's
 * again; another has to wait for that, and one that was connected for connect(AF_UNSPEC): until then,
 * natively neither can listen.
 *
 * A connect(2) with an address of 2 bytes is a harmless question to a socket that has failed:
 * it answers with the error that is still owed, or with EINVAL. (There is a whole address all the same:
 * valgrind looks at it, and would complain about programs that are in order.)
 */
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "address.h"
#include "failed.h"
#include "mem.h"
#include "socket.h"
#include "sys.h"
#include "user.h"

static bool noted;

bool failed_any(void)
{
	return __atomic_load_n(&noted, __ATOMIC_RELAXED);
}

void failed_note(void)
{
	__atomic_store_n(&noted, true, __ATOMIC_RELAXED);
}

int failed_owed(int fd)
{
	struct sockaddr_in6 question = { .sin6_family = AF_INET6 };

	return (int)sys_connect(fd, &question, sizeof(question.sin6_family));
}

bool failed_undone(int fd, const struct fdtable_entry *entry)
{
	return (entry->flags & FDTABLE_UNDONE) && !socket_is_active(fd) && failed_owed(fd) == -EINVAL;
}

int failed_return(int fd, const struct fdtable_entry *entry)
{
	struct slim_endpoint bound = { 0 };

	failed_note();
	if (entry->flags & FDTABLE_BOUND)
		bound = entry->local;
	if (!(entry->flags & FDTABLE_BOUND_ADDRESS))
		memset(bound.addr, 0, sizeof(bound.addr));
	if (!(entry->flags & FDTABLE_BOUND_PORT))
		bound.port = 0;
	return socket_restore(fd, entry->cookie, entry->domain, &bound);
}

int failed_bind(uint16_t domain, const void *addr, uint32_t len)
{
	union address address = { 0 };
	long probe;
	int err;

	if (len > sizeof(struct sockaddr_storage))
		return -EINVAL;
	if (len && !user_readable(addr, len))
		return -EFAULT;
	if (len > sizeof(address))
		len = sizeof(address);
	memcpy(&address, addr, len);
	/* At the same place in both families. A port of the kernel's choice is never in use. */
	address.in.sin_port = 0;
	probe = sys_socket(domain, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (probe < 0)
		return -EINVAL;
	err = (int)sys_bind((int)probe, &address, len);
	sys_close((int)probe);
	/* IPv6 looks at the socket's state before the address. */
	if (err == -EADDRNOTAVAIL && domain == AF_INET6)
		err = 0;
	return err ? err : -EINVAL;
}
