/* SPDX-License-Identifier: MIT */
/*
 * socket.c - one socket put behind the fd of another
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "address.h"
#include "fdtable.h"
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

struct owner {
	int type, pid;
};

bool socket_is_active(int fd)
{
	uint8_t state = 0;
	uint32_t len = sizeof(state);

	/* The state is the first byte of struct tcp_info. */
	return sys_getsockopt(fd, IPPROTO_TCP, TCP_INFO, &state, &len) == 0 &&
	       state != STATE_CLOSE;
}

static void carry_owner(int from, int to)
{
	struct owner owner = { 0 };
	long signal, flags;

	if (sys_fcntl(from, F_GETOWN_EX_, (long)&owner) < 0 || !owner.pid)
		return;
	sys_fcntl(to, F_SETOWN_EX_, (long)&owner);
	signal = sys_fcntl(from, F_GETSIG, 0);
	if (signal > 0)
		sys_fcntl(to, F_SETSIG, signal);
	flags = sys_fcntl(from, F_GETFL, 0);
	if (flags > 0 && (flags & O_ASYNC))
		sys_fcntl(to, F_SETFL, sys_fcntl(to, F_GETFL, 0) | O_ASYNC);
}

int socket_replace(int fd, uint64_t cookie, const struct fdtable_entry *entry, int with,
		   uint64_t options)
{
	struct readiness watches;
	long fd_flags;
	int err = -EBADF;

	options_carry(fd, with, options);
	carry_owner(fd, with);
	fd_flags = sys_fcntl(fd, F_GETFD, 0);
	if (fd_flags < 0 || sys_cookie(fd) != cookie)
		goto close_with;
	readiness_take(&watches, fd, entry);
	err = (int)sys_dup3(with, fd, fd_flags & FD_CLOEXEC ? O_CLOEXEC : 0);
	readiness_give(&watches, fd);
	if (err >= 0)
		err = 0;
close_with:
	sys_close(with);
	return err;
}

int socket_restore(int fd, uint16_t domain, const struct slim_endpoint *bound)
{
	uint64_t cookie = sys_cookie(fd);
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
