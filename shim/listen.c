/* SPDX-License-Identifier: MIT */
/*
 * listen.c - listeners are told to the router, and stay what they are
 *
 * The router looks with sock_diag whether a listener is still there; close() and
 * shutdown(), and connect() with AF_UNSPEC, only give it a hint, which spares others a connection that would be
 * reset.
 */
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "calls.h"
#include "channel.h"
#include "clock.h"
#include "failed.h"
#include "fdtable.h"
#include "mem.h"
#include "next.h"
#include "options.h"
#include "socket.h"
#include "sys.h"

#define RENEW_MS	1000

/* This process, or one that it is a copy of, had a listener. */
static bool has_listened;

void listen_had(void)
{
	/* (Not written again by each of many threads) */
	if (!has_listened)
		has_listened = true;
}

/*
 * Is it of no use to ask again? The socket is not one of the container's namespace, or is on none of
 * its addresses, or the container is attached to the packet path. Whatever else is in the way of it may pass.
 */
static bool is_final(uint32_t error)
{
	return error == ENOENT || error == EADDRNOTAVAIL || error == EOPNOTSUPP;
}

/*
 * Whatever comes of it, the socket listens. Returns whether the router has heard of it, and has all
 * that it takes.
 */
static bool announce(int fd, uint64_t cookie, uint64_t options)
{
	struct slim_listen_reply reply = { 0 };
	struct slim_listen request;
	struct question question = {
		.type = SLIM_FRAME_LISTEN, .request = &request, .len = sizeof(request),
		.reply_type = SLIM_FRAME_LISTEN_REPLY, .reply = &reply, .reply_len = sizeof(reply),
	};

	memset(&request, 0, sizeof(request));
	request.cookie = cookie;
	request.options = options;
	request.flags = options_listen_flags(fd, options);
	/* A program that blocks in accept() next does not come by here again. */
	return channel_ask_or_leave(&question) == 0 && (!reply.error || is_final(reply.error));
}

/* The router's, as far as we know; 0: there is none */
static uint32_t generation(void)
{
	const struct world *world = world_known();

	return world ? world->hello.generation : 0;
}

/* To a router that does not know it; one that did not answer will be told again (listen_renew). */
static void tell_router(int fd, uint64_t cookie, uint16_t domain, struct fdtable_entry *entry)
{
	bool told;

	has_listened = true;
	/* What is shut of it, all that it accepts inherits: the packet path's own do, host sockets do not. */
	if (entry && (entry->flags & FDTABLE_SHUT))
		return;
	told = announce(fd, cookie, entry && (entry->flags & FDTABLE_TCP) ? entry->options :
			OPTIONS_ALL);
	if (!entry)
		entry = fdtable_set(fd, cookie, domain);
	if (!entry)
		return;
	entry->flags |= FDTABLE_LISTENER;
	entry->announced = told ? generation() : 0;
}

int call_listen(int fd, int backlog)
{
	uint64_t cookie;
	struct fdtable_entry *entry = fdtable_lookup(fd, &cookie);
	bool is_own = entry && (entry->flags & FDTABLE_TCP);
	uint16_t domain = is_own ? entry->domain : 0;
	bool is_tcp = is_own || socket_is_tcp(fd, &domain);
	struct fdtable_entry *foreign;
	int ret;

	/* As the kernel says of any socket that connects, or is connected; at the host, it might listen. */
	foreign = is_tcp && !is_own ? names_reused(fd) : NULL;
	if (foreign && (!failed_undone(fd, foreign) || failed_return(fd, foreign)))
		return next_result(-EINVAL);
	if (foreign)
		entry = fdtable_lookup(fd, &cookie);
	ret = next_listen(fd, backlog);
	if (ret || !is_tcp)
		return ret;
	tell_router(fd, cookie ? cookie : sys_cookie(fd), domain, entry);
	return 0;
}

/* A listener may be known by any of its descriptors, so the kernel is asked. */
uint64_t listen_cookie(int fd)
{
	uint32_t listening = 0;

	if (sys_getsockopt_exact(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, sizeof(listening)) || !listening)
		return 0;
	return sys_cookie(fd);
}

void listen_renew(int fd)
{
	static uint64_t looked_at;
	uint64_t now = clock_ms(), before = __atomic_load_n(&looked_at, __ATOMIC_RELAXED);
	struct fdtable_entry *entry;
	uint64_t cookie;
	uint16_t domain;

	if (now - before < RENEW_MS ||
	    !__atomic_compare_exchange_n(&looked_at, &before, now, false, __ATOMIC_RELAXED,
					 __ATOMIC_RELAXED))
		return;
	channel_refresh();
	/* By now, another thread may have put another socket there. */
	cookie = listen_cookie(fd);
	entry = fdtable_find(fd, cookie);
	if (!cookie || !generation() || (entry && entry->announced == generation()) ||
	    !socket_is_tcp(fd, &domain))
		return;
	tell_router(fd, cookie, domain, entry);
}

/* Of a listener that may be gone now. @sure: it is, whoever else has it; that is worth a channel of its own. */
static void hint(uint64_t cookie, bool sure)
{
	int error = next_errno();
	struct slim_unlisten request;
	struct question question = {
		.type = SLIM_FRAME_UNLISTEN, .request = &request, .len = sizeof(request),
	};

	memset(&request, 0, sizeof(request));
	request.cookie = cookie;
	if (sure)
		channel_ask(&question);
	else
		channel_tell(&question);
	next_set_errno(error);
}

void listen_ended(uint64_t cookie)
{
	if (cookie)
		hint(cookie, true);
}

int call_close(int fd)
{
	uint64_t cookie = has_listened ? listen_cookie(fd) : 0;
	int ret;

	fdtable_closing(fd);
	ret = next_close(fd);

	if (cookie)
		hint(cookie, false);
	return ret;
}

/*
 * The kernel keeps what is shut of a socket that is not connected, though it says ENOTCONN. (On another socket's
 * note the flag does no harm.)
 */
static void note_shut(int fd, uint32_t flag)
{
	struct fdtable_entry *entry = fdtable_peek(fd);

	if (entry)
		entry->flags |= flag;
}

int call_shutdown(int fd, int how)
{
	uint64_t cookie = how == SHUT_WR ? 0 : listen_cookie(fd);
	int ret = next_shutdown(fd, how);

	if (!ret) {
		listen_ended(cookie);
		note_shut(fd, FDTABLE_UNDONE);
	} else if (next_errno() == ENOTCONN) {
		note_shut(fd, FDTABLE_SHUT);
	}
	return ret;
}

/* Options are inherited from the listener as it is when the connection comes. @cookie: 0 where it is not known */
static void changed(int fd, struct fdtable_entry *entry, uint64_t cookie)
{
	uint32_t listening = 0;

	if (entry) {
		if (entry->flags & FDTABLE_LISTENER)
			tell_router(fd, cookie, entry->domain, entry);
		return;
	}
	if (sys_getsockopt_exact(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening,
				 sizeof(listening)) == 0 && listening && channel_world())
		announce(fd, cookie ? cookie : sys_cookie(fd), OPTIONS_ALL);
}

int call_setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	struct fdtable_entry *entry;
	uint64_t cookie, bit;
	int error, ret;

	if (names_lack_level(fd, level))
		return next_result((int)len < 0 ? -EINVAL : -ENOPROTOOPT);
	ret = next_setsockopt(fd, level, name, value, len);
	bit = ret ? 0 : options_bit(level, name);
	/* (Of most sockets of other kinds, there never was a note.) */
	if (!bit || (bit >= OPTIONS_LISTENING && !fdtable_peek(fd)))
		return ret;
	error = next_errno();
	entry = fdtable_lookup(fd, &cookie);
	if (entry)
		entry->options |= bit;
	if (!entry || !(entry->flags & FDTABLE_NAMED))
		changed(fd, entry, cookie);
	next_set_errno(error);
	return ret;
}
