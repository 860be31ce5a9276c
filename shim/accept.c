/* SPDX-License-Identifier: MIT */
/*
 * accept.c - accept(): a ticket becomes the connection that it stands for
 *
 * A connection from one of the reserved addresses is a ticket. Whatever goes wrong with
 * its claim, the ticket is kept: the router then carries the bytes.
 *
 * System calls of one that is claimed: accept, sigprocmask, channel's cookie, F_DUPFD, close, send, recvmsg,
 * cookie and recvmsg of the channel by which descriptors come, SO_LINGER, dup3, close, sigprocmask.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>

#include "address.h"
#include "calls.h"
#include "channel.h"
#include "debug.h"
#include "fdtable.h"
#include "mem.h"
#include "next.h"
#include "options.h"
#include "signals.h"
#include "socket.h"
#include "sys.h"
#include "user.h"

static int next_either(int fd, void *addr, socklen_t *len, int flags, bool is_accept4)
{
	return is_accept4 ? next_accept4(fd, addr, len, flags) : next_accept(fd, addr, len);
}

static bool claim(const struct slim_endpoint *source, uint16_t domain,
		  struct slim_claim_reply *reply, int *with)
{
	struct slim_claim request;
	struct question question = {
		.type = SLIM_FRAME_CLAIM, .request = &request, .len = sizeof(request),
		.reply_type = SLIM_FRAME_CLAIM_REPLY, .reply = reply, .reply_len = sizeof(*reply),
		.fd = with, .last = true,
	};

	memset(&request, 0, sizeof(request));
	request.ticket = *source;
	request.domain = domain;
	return channel_ask_fd(&question) == 0;
}

/*
 * The host socket goes behind the ticket's fd; where that is forbidden (seccomp), it keeps its own
 * number. The ticket ends with a reset, as the router's end of it does: whoever comes first, one
 * segment is sent. Returns the number.
 */
static int take(int ticket, int with, const struct slim_claim_reply *reply, int flags)
{
	struct linger reset = { .l_onoff = 1 };

	if (reply->options)
		options_carry(ticket, with, reply->options);
	if (flags & SOCK_NONBLOCK)
		sys_fcntl(with, F_SETFL, O_RDWR | O_NONBLOCK);
	sys_setsockopt(ticket, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	if (sys_dup3(with, ticket, flags & SOCK_CLOEXEC ? O_CLOEXEC : 0) < 0) {
		sys_fcntl(with, F_SETFD, flags & SOCK_CLOEXEC ? FD_CLOEXEC : 0);
		sys_close(ticket);
		return with;
	}
	sys_close(with);
	return ticket;
}

/*
 * Returns whether Slim's names are the connection's now, and which. @fd: the ticket; then what the
 * application gets
 */
static bool redeem(int *fd, const struct slim_endpoint *source, uint16_t domain, int flags,
		   struct slim_endpoint *peer)
{
	struct slim_claim_reply reply;
	uint64_t cookie;
	int with = -1;

	if (!claim(source, domain, &reply, &with))
		return false;
	if (reply.verdict == SLIM_VERDICT_SLIM && with >= 0) {
		*fd = take(*fd, with, &reply, flags);
		debug_say("accept: descriptor %d is a slim connection", *fd);
		cookie = reply.cookie;
	} else if (reply.verdict == SLIM_VERDICT_SPLICED && with < 0) {
		debug_say("accept: descriptor %d is carried by the router", *fd);
		cookie = sys_cookie(*fd);
	} else {
		if (with >= 0)
			sys_close(with);
		return false;
	}
	fdtable_name(*fd, cookie, domain, &reply.local, &reply.peer);
	*peer = reply.peer;
	return true;
}

int call_accept(int fd, void *addr, socklen_t *len, int flags, bool is_accept4)
{
	union address address = { 0 };
	socklen_t room = sizeof(address), own_len = sizeof(address);
	struct slim_endpoint source, peer;
	uint64_t signals;
	int error = next_errno(), got;

	listen_had();
	if (addr && !user_readable(len, sizeof(*len)))
		return next_either(fd, addr, len, flags, is_accept4);
	if (addr)
		memcpy(&room, len, sizeof(room));
	/* The kernel itself proves that the caller's memory can be written. */
	if (addr)
		got = next_either(fd, addr, len, flags, is_accept4);
	else
		got = next_either(fd, &address, &own_len, flags, is_accept4);
	if (got < 0 && next_errno() == EMFILE && channel_make_room()) {
		next_set_errno(error);
		return call_accept(fd, addr, len, flags, is_accept4);
	}
	if (got < 0)
		return got;
	fdtable_forget(got);
	if (addr && *len <= room)
		memcpy(&address, addr, own_len = *len < sizeof(address) ? *len :
		       sizeof(address));
	else if (addr && sys_getpeername(got, &address, &own_len))
		return got;
	if (address_to_endpoint(&address, own_len, &source))
		return got;
	if (!address_is_ticket(&source)) {
		listen_renew(fd);
		next_set_errno(error);
		return got;
	}
	/* The ticket's own address would be taken for one of this host's. */
	signals = signals_hold();
	if (!redeem(&got, &source, address.family, flags, &peer))
		memset(&peer, 0, sizeof(peer));
	signals_let(signals);
	if (addr) {
		socklen_t full = address_from_endpoint(&address, address.family, &peer);

		memcpy(addr, &address, room < full ? room : full);
		*len = full;
	}
	next_set_errno(error);
	return got;
}
