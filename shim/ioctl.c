/* SPDX-License-Identifier: MIT */
/*
 * ioctl.c - ioctl(): a connection's descriptor is asked of interfaces and routes
 *
 * Those are what the socket's network namespace has, which of a host socket is the host's. So they are asked of a
 * socket of the container's; all else is of the stream itself.
 */
#include <linux/sockios.h>
#include <linux/wireless.h>
#include <sys/socket.h>

#include "calls.h"
#include "fdtable.h"
#include "next.h"
#include "signals.h"
#include "sys.h"

#define PRIVATE_LAST	(SIOCDEVPRIVATE + 15)

static bool is_of_namespace(unsigned int request)
{
	return (request >= SIOCADDRT && request < SIOCPROTOPRIVATE && request != SIOCOUTQNSD) ||
	       (request >= SIOCDEVPRIVATE && request <= PRIVATE_LAST) ||
	       (request >= SIOCIWFIRST && request <= SIOCIWLAST);
}

static long ask_container(uint16_t domain, unsigned int request, void *arg)
{
	uint64_t signals = signals_hold();
	long fd = sys_socket(domain, SOCK_STREAM | SOCK_CLOEXEC, 0), ret = fd;

	if (fd >= 0) {
		ret = sys_call(SYS_ioctl, fd, request, (long)arg, 0, 0, 0);
		sys_close((int)fd);
	}
	signals_let(signals);
	return ret;
}

int call_ioctl(int fd, unsigned long request, void *arg)
{
	const struct fdtable_entry *entry;

	entry = is_of_namespace((unsigned int)request) ? names_slim(fd) : NULL;
	return entry ? next_result(ask_container(entry->domain, (unsigned int)request, arg)) :
	       next_ioctl(fd, request, arg);
}
