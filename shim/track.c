/* SPDX-License-Identifier: MIT */
/*
 * track.c - calls of which the shim only takes note
 */
#include <errno.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "calls.h"
#include "channel.h"
#include "failed.h"
#include "fdtable.h"
#include "mem.h"
#include "next.h"
#include "sys.h"

#define TYPE_MASK	0xf

int call_socket(int domain, int type, int protocol)
{
	int error = next_errno(), fd = next_socket(domain, type, protocol);
	struct fdtable_entry *entry;
	bool is_tcp;

	if (fd < 0 && next_errno() == EMFILE && channel_make_room()) {
		next_set_errno(error);
		fd = next_socket(domain, type, protocol);
	}
	if (fd < 0)
		return fd;
	if (domain != AF_INET && domain != AF_INET6) {
		fdtable_forget(fd);
		return fd;
	}
	is_tcp = (type & TYPE_MASK) == SOCK_STREAM && (!protocol || protocol == IPPROTO_TCP);
	entry = fdtable_set(fd, is_tcp ? sys_cookie(fd) : 0, (uint16_t)domain);
	if (entry)
		entry->flags = FDTABLE_MADE | (is_tcp ? FDTABLE_TCP : 0);
	return fd;
}

/* Of an address that the kernel has just taken, which may be a family alone. A port is at the same place in both. */
static bool names_port(const void *addr, socklen_t len)
{
	uint16_t words[2] = { 0 };

	memcpy(words, addr, len < sizeof(words) ? len : sizeof(words));
	return words[1];
}

int call_bind(int fd, const void *addr, socklen_t len)
{
	struct fdtable_entry *entry = names_reused(fd);
	int ret;

	if (entry) {
		ret = failed_undone(fd, entry) ? failed_return(fd, entry) :
		      failed_bind(entry->domain, addr, len);
		if (ret)
			return next_result(ret);
	}
	ret = next_bind(fd, addr, len);
	entry = ret ? NULL : fdtable_peek(fd);

	/* On another socket's note it does no harm: its name is then asked for. */
	if (entry)
		entry->flags |= FDTABLE_BOUND | (names_port(addr, len) ? FDTABLE_BOUND_PORT : 0);
	return ret;
}

int call_epoll_ctl(int epfd, int op, int fd, struct epoll_event *event)
{
	int ret = next_epoll_ctl(epfd, op, fd, event);
	struct fdtable_entry *entry = ret ? NULL : fdtable_peek(fd);
	struct epoll_event copy = { 0 };
	uint64_t cookie;

	if (!entry || !(entry->flags & FDTABLE_TCP) || (entry->flags & FDTABLE_LISTENER))
		return ret;
	if (!fdtable_lookup(fd, &cookie))
		return ret;
	/* The kernel has just read it. */
	if (op != EPOLL_CTL_DEL)
		memcpy(&copy, event, sizeof(copy));
	fdtable_watch(entry, op, epfd, copy.events, copy.data.u64);
	return ret;
}

int call_setns(int fd, int type)
{
	world_namespaces_differ();
	return next_setns(fd, type);
}

int call_unshare(int flags)
{
	if (flags & SYS_CLONE_NEWNET)
		world_namespaces_differ();
	return next_unshare(flags);
}
