/* SPDX-License-Identifier: MIT */
/*
 * socket.c - one socket put behind the fd of another
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>

#include "address.h"
#include "fdtable.h"
#include "mem.h"
#include "options.h"
#include "readiness.h"
#include "socket.h"
#include "sys.h"

#define STATE_CLOSE	7
#ifndef F_SETSIG
#define F_SETSIG	10
#define F_GETSIG	11
#endif
#define F_SETOWN_EX_	15
#define F_GETOWN_EX_	16
#define IP_BIND_ADDRESS_NO_PORT_	24

enum owner_type {
	OWNER_TID,
	OWNER_PID,
	OWNER_PGRP,
};

struct owner {
	int type, pid;
};

static bool get_u32(int fd, int name, uint32_t *out)
{
	return sys_getsockopt_exact(fd, SOL_SOCKET, name, out, sizeof(*out)) == 0;
}

bool socket_is_tcp(int fd, uint16_t *domain)
{
	uint32_t family = 0, type = 0, protocol = 0;

	if (!get_u32(fd, SO_PROTOCOL, &protocol) || protocol != IPPROTO_TCP ||
	    !get_u32(fd, SO_DOMAIN, &family) || (family != AF_INET && family != AF_INET6) ||
	    !get_u32(fd, SO_TYPE, &type) || type != SOCK_STREAM)
		return false;
	*domain = (uint16_t)family;
	return true;
}

bool socket_is_active(int fd)
{
	uint8_t state = 0;
	uint32_t len = sizeof(state);

	/* The state is the first byte of struct tcp_info. */
	return sys_getsockopt(fd, IPPROTO_TCP, TCP_INFO, &state, &len) == 0 &&
	       state != STATE_CLOSE;
}

/* Who gets which signal of a socket's readiness; @pid 0: nobody */
struct signals {
	struct owner owner;
	long signal;
	bool on;
};

static void signals_take(struct signals *signals, int fd)
{
	long flags;

	memset(signals, 0, sizeof(*signals));
	if (sys_fcntl(fd, F_GETOWN_EX_, (long)&signals->owner) < 0 || !signals->owner.pid)
		return;
	signals->signal = sys_fcntl(fd, F_GETSIG, 0);
	flags = sys_fcntl(fd, F_GETFL, 0);
	signals->on = flags > 0 && (flags & O_ASYNC);
}

/* What the kernel would have sent, had the socket been connected a moment later */
static void signal_ready(const struct signals *signals, int fd)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLOUT };
	siginfo_t info;

	if (sys_poll(&pollfd, 1, 0) <= 0)
		return;
	memset(&info, 0, sizeof(info));
	info.si_signo = signals->signal > 0 ? (int)signals->signal : SIGIO;
	info.si_code = POLL_OUT;
	info.si_band = POLLOUT | POLLWRNORM | POLLWRBAND;
	info.si_fd = fd;
	if (signals->owner.type == OWNER_TID)
		sys_tgsigqueueinfo((int)sys_getpid(), signals->owner.pid, info.si_signo, &info);
	else if (signals->owner.pid == sys_getpid())
		sys_sigqueueinfo(signals->owner.pid, info.si_signo, &info);
	else
		sys_kill(signals->owner.type == OWNER_PGRP ? -signals->owner.pid :
			 signals->owner.pid, info.si_signo);
}

/* On @fd itself: that is the number that a signal names. */
static void signals_give(const struct signals *signals, int fd)
{
	if (!signals->owner.pid)
		return;
	sys_fcntl(fd, F_SETOWN_EX_, (long)&signals->owner);
	if (signals->signal > 0)
		sys_fcntl(fd, F_SETSIG, signals->signal);
	if (!signals->on)
		return;
	sys_fcntl(fd, F_SETFL, sys_fcntl(fd, F_GETFL, 0) | O_ASYNC);
	signal_ready(signals, fd);
}

int socket_replace(int fd, uint64_t cookie, const struct fdtable_entry *entry, int with,
		   uint64_t options)
{
	struct readiness watches;
	struct signals signals;
	long fd_flags;
	int err = -EBADF;

	options_carry(fd, with, options);
	signals_take(&signals, fd);
	fd_flags = sys_fcntl(fd, F_GETFD, 0);
	if (fd_flags < 0 || sys_cookie(fd) != cookie)
		goto close_with;
	readiness_take(&watches, fd, entry);
	err = (int)sys_dup3(with, fd, fd_flags & FD_CLOEXEC ? O_CLOEXEC : 0);
	readiness_give(&watches, fd);
	if (err >= 0) {
		signals_give(&signals, fd);
		err = 0;
	}
close_with:
	sys_close(with);
	return err;
}

int socket_restore(int fd, uint64_t cookie, uint16_t domain, const struct slim_endpoint *bound)
{
	struct fdtable_entry *entry = fdtable_find(fd, cookie);
	long flags = sys_fcntl(fd, F_GETFL, 0);
	union address address;
	long fresh;
	int err;

	if (flags < 0)
		return (int)flags;
	fresh = sys_socket(domain, SOCK_STREAM | SOCK_CLOEXEC | (flags & O_NONBLOCK), 0);
	if (fresh < 0)
		return (int)fresh;
	if (bound->port || !address_is_any(bound)) {
		uint32_t len = address_from_endpoint(&address, domain, bound);
		int one = 1;

		sys_setsockopt((int)fresh, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
		if (!bound->port)
			sys_setsockopt((int)fresh, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT_, &one,
				       sizeof(one));
		err = (int)sys_bind((int)fresh, &address, len);
		if (err) {
			sys_close((int)fresh);
			return err;
		}
	}
	err = socket_replace(fd, cookie, entry, (int)fresh, OPTIONS_ALL);
	if (!err)
		fdtable_set(fd, sys_cookie(fd), domain);
	return err;
}
