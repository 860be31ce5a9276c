/* SPDX-License-Identifier: MIT */
/*
 * connect.c - connect(): a host socket behind the application's fd
 *
 * Theory of operation: a destination outside the tenant's prefixes costs no system call, but one that asks
 * whether the address can be read where that lies outside of the stack's page that is in use (user.h); and each
 * second, since policy may have let other tenants' in, a question of what the prefixes
 * are now. Otherwise the router is asked; if it gives a host socket, which is
 * connecting already, that takes the place of the application's, and a blocking caller
 * waits by calling connect(2) on it again, with all of the kernel's own semantics.
 *
 * System calls of a connect that takes the slim path, non-blocking: cookie, TCP_INFO, connect (what is
 * owed: failed.h), F_GETFL, sigprocmask, channel's cookie, F_DUPFD, close, send, recvmsg, F_GETOWN_EX, F_GETFD,
 * cookie, dup3, close, sigprocmask. A blocking one adds connect. (tests/bench/run-calls knows these lists.)
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stddef.h>

#include "address.h"
#include "calls.h"
#include "channel.h"
#include "clock.h"
#include "debug.h"
#include "failed.h"
#include "fdtable.h"
#include "mem.h"
#include "next.h"
#include "options.h"
#include "signals.h"
#include "socket.h"
#include "sys.h"
#include "user.h"

#define LEN_MIN		16u
#define LEN_MAX		128u	/* struct sockaddr_storage: the kernel refuses more */

/* An application's socket that is about to connect. */
struct attempt {
	int fd;
	uint64_t cookie;		/* of its socket; then of the host socket in its place */
	struct fdtable_entry *entry;	/* NULL: nothing known */
	uint64_t options;
	uint16_t domain;
	uint16_t family;		/* of the address */
	long flags;			/* F_GETFL */
	int error;			/* of an earlier attempt; -errno */
	bool slim_only;			/* no other path leads there */
	struct slim_endpoint dst, bound;
	struct slim_endpoint bind_again;	/* what another socket in its place is to be bound to */
};

static uint64_t word_at(const uint8_t *at)
{
	uint64_t word;

	memcpy(&word, at, sizeof(word));
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	word = __builtin_bswap64(word);
#endif
	return word;
}

static bool in_prefix(const struct slim_endpoint *ep, const struct slim_prefix *prefix)
{
	uint64_t high = word_at(ep->addr) ^ word_at(prefix->addr);
	uint64_t low = word_at(ep->addr + 8) ^ word_at(prefix->addr + 8);

	if (prefix->len > 128)
		return false;
	if (prefix->len <= 64)
		return !prefix->len || !(high >> (64 - prefix->len));
	return !high && !(low >> (128 - prefix->len));
}

static bool is_own(const struct world *world, const struct slim_endpoint *ep)
{
	for (unsigned int i = 0; i < world->hello.addresses_num; i++)
		if (!memcmp(ep->addr, world->hello.addresses[i], sizeof(ep->addr)))
			return true;
	return false;
}

static bool is_virtual(const struct world *world, const struct slim_endpoint *ep)
{
	if (is_own(world, ep))
		return false;
	for (unsigned int i = 0; i < world->hello.prefixes_num; i++)
		if (in_prefix(ep, &world->hello.prefixes[i]))
			return true;
	return false;
}

/* In the container itself, whatever the router may say by now */
static bool is_near(const struct world *world, const struct slim_endpoint *ep)
{
	static const uint8_t loopback[16] = { [15] = 1 };

	return is_own(world, ep) || address_is_any(ep) || !memcmp(ep->addr, loopback, sizeof(loopback)) ||
	       (address_is_mapped(ep) && ep->addr[12] == 127);
}

static bool is_v6only(int fd)
{
	uint32_t value = 0;

	return !sys_getsockopt_exact(fd, IPPROTO_IPV6, IPV6_V6ONLY, &value, sizeof(value)) && value;
}

static bool is_foreign(const struct world *world, int fd)
{
	return sys_netns_cookie(fd) != world->netns_cookie;
}

static void get_bound(struct attempt *attempt)
{
	union address address;
	uint32_t len = sizeof(address);

	memset(&attempt->bound, 0, sizeof(attempt->bound));
	memset(&attempt->bind_again, 0, sizeof(attempt->bind_again));
	if (attempt->entry && !(attempt->entry->flags & FDTABLE_BOUND))
		return;
	if (sys_getsockname(attempt->fd, &address, &len) == 0)
		address_to_endpoint(&address, len, &attempt->bound);
	address_clear_any(&attempt->bound);
	/* A port that the kernel chose is let go of by a connection that ends. */
	attempt->bind_again = attempt->bound;
	if (attempt->entry && !(attempt->entry->flags & FDTABLE_BOUND_PORT))
		attempt->bind_again.port = 0;
}

/*
 * A socket that failed has an error to give first. Asking has taken it from the kernel: it is
 * kept for the caller.
 */
static bool owes(struct attempt *attempt)
{
	int err = failed_owed(attempt->fd);

	attempt->error = err == -EINVAL ? 0 : err;
	return attempt->error;
}

/* Of a socket that is replaced, that would be lost. */
static bool was_shut(const struct attempt *attempt)
{
	const struct fdtable_entry *note = fdtable_find(attempt->fd, attempt->cookie);

	return note && (note->flags & FDTABLE_SHUT);
}

/* What may take the slim path at all; @attempt is filled in. */
static bool is_ours(struct attempt *attempt, const struct world *world)
{
	int fd = attempt->fd;

	if (attempt->entry) {
		attempt->domain = attempt->entry->domain;
		attempt->options = attempt->entry->options;
		if (world_namespaces_may_differ() && is_foreign(world, fd))
			return false;
	} else {
		attempt->options = OPTIONS_ALL;
		if (!socket_is_tcp(fd, &attempt->domain) || is_foreign(world, fd))
			return false;
	}
	/* Connecting or connected already, over the packet path. */
	if (socket_is_active(fd))
		return false;
	if (owes(attempt))
		return false;
	if (was_shut(attempt))
		return false;
	if (address_is_mapped(&attempt->dst) && attempt->domain == AF_INET6 && is_v6only(fd))
		return false;
	if (attempt->family != attempt->domain)
		return false;
	if (options_keep_packet(fd, attempt->options))
		return false;
	attempt->flags = sys_fcntl(fd, F_GETFL, 0);
	get_bound(attempt);
	return attempt->flags >= 0;
}

/* Returns what the router says; @with is the host socket with SLIM_VERDICT_SLIM alone. */
static enum slim_verdict ask(struct attempt *attempt, struct slim_connect_reply *reply, int *with)
{
	struct slim_connect request;
	struct question question = {
		.type = SLIM_FRAME_CONNECT, .request = &request, .len = sizeof(request),
		.reply_type = SLIM_FRAME_CONNECT_REPLY, .reply = reply, .reply_len = sizeof(*reply),
		.fd = with,
	};

	memset(&request, 0, sizeof(request));
	request.sent_at = clock_realtime_ms();
	request.dst = attempt->dst;
	request.src = attempt->bound;
	request.domain = attempt->domain;
	if (attempt->flags & O_NONBLOCK)
		request.flags |= SLIM_CONNECT_NONBLOCK;
	if (attempt->options)
		options_before_syn(attempt->fd, attempt->options, &request);
	if (channel_ask_fd(&question))
		return SLIM_VERDICT_PACKET;
	if (reply->verdict == SLIM_VERDICT_SLIM)
		return *with >= 0 ? SLIM_VERDICT_SLIM : SLIM_VERDICT_PACKET;
	if (*with >= 0)
		sys_close(*with);
	return reply->verdict;
}

/* Errors after which the packet path may do better. */
static bool is_worth_another_try(int error)
{
	return error == ECONNREFUSED || error == EHOSTUNREACH || error == ENETUNREACH ||
	       error == ECONNRESET;
}

static int wait_for_it(struct attempt *attempt, const void *addr, socklen_t len)
{
	int error = next_errno(), failed;

	/* While it is connecting, the address that is given does not matter. */
	if (next_connect(attempt->fd, addr, len) == 0) {
		next_set_errno(error);
		return 0;
	}
	failed = next_errno();
	/* SO_SNDTIMEO: a first connect(2) calls it EINPROGRESS, a second one EALREADY. */
	if (failed == EALREADY)
		return next_result(-EINPROGRESS);
	if (failed == EINTR)
		return -1;
	failed_note();
	if (socket_restore(attempt->fd, attempt->cookie, attempt->domain, &attempt->bind_again) ||
	    attempt->slim_only || !is_worth_another_try(failed))
		return next_result(-failed);
	debug_say("the slim path failed, errno %d: packet path", failed);
	next_set_errno(error);
	return next_connect(attempt->fd, addr, len);
}

/* 0, or -errno: the application's socket is what it was. */
static int take(struct attempt *attempt, const struct slim_connect_reply *reply, int with)
{
	struct fdtable_entry *entry;
	int err = socket_replace(attempt->fd, attempt->cookie, attempt->entry, with,
				 attempt->options);

	if (err)
		return err;
	attempt->cookie = reply->cookie;
	entry = fdtable_name(attempt->fd, reply->cookie, attempt->domain, &reply->local,
			     &reply->peer);
	if (entry && (attempt->bound.port || !address_is_any(&attempt->bound)))
		entry->flags |= FDTABLE_BOUND;
	if (entry && !address_is_any(&attempt->bound))
		entry->flags |= FDTABLE_BOUND_ADDRESS;
	if (entry && attempt->bind_again.port)
		entry->flags |= FDTABLE_BOUND_PORT;
	return 0;
}

/* Asks the router, and does as it says. @error: with SLIM_VERDICT_DENIED */
static enum slim_verdict obtain(struct attempt *attempt, int *error)
{
	struct slim_connect_reply reply;
	uint64_t signals = signals_hold();
	int with = -1;
	enum slim_verdict verdict = ask(attempt, &reply, &with);

	attempt->slim_only = verdict == SLIM_VERDICT_SLIM && reply.error;
	if (verdict == SLIM_VERDICT_SLIM && take(attempt, &reply, with))
		verdict = attempt->slim_only ? SLIM_VERDICT_DENIED : SLIM_VERDICT_PACKET;
	signals_let(signals);
	if (verdict == SLIM_VERDICT_DENIED)
		*error = reply.error ? -(int)reply.error : -EACCES;
	return verdict;
}

/* A socket of Slim's, or of another namespace, that was connected before. */
static int connect_foreign(int fd, uint64_t cookie, const void *addr, socklen_t len)
{
	struct fdtable_entry *entry = names_find(fd, cookie);
	uint32_t shut;
	int owed, err;

	if (!entry)
		entry = names_reused(fd);
	if (!entry || socket_is_active(fd))
		return next_connect(fd, addr, len);
	owed = failed_owed(fd);
	/*
	 * It was connected, and natively stays so until connect(AF_UNSPEC); or it was shut after it had failed,
	 * before that was told: then it is of no use until then.
	 */
	shut = entry->flags & (FDTABLE_SHUT | FDTABLE_UNDONE);
	if (owed == -EISCONN || (owed == -EINVAL && shut == FDTABLE_SHUT))
		return next_result(owed);
	err = failed_return(fd, entry);
	if (owed != -EINVAL || err)
		return next_result(owed != -EINVAL ? owed : err);
	return call_connect(fd, addr, len);
}

/*
 * May @fd be a connection of Slim's that is over? To ask would cost each connect a system call. So a number that
 * socket() has given is taken for that socket's until it is closed (though dup2 or close_range may have put
 * another one there); and of others it is asked once some connect has failed, or was undone.
 */
static bool may_be_over(int fd)
{
	const struct fdtable_entry *entry = fdtable_peek(fd);
	uint32_t flags = entry ? entry->flags : 0;

	if ((flags & FDTABLE_NAMED) && entry->cookie)
		return true;
	return !(flags & FDTABLE_MADE) && failed_any() && world_known();
}

/* What was connected by Slim, and has failed or was undone, goes elsewhere from the container. */
static int connect_elsewhere(int fd, const void *addr, socklen_t len)
{
	int ret;

	if (may_be_over(fd) && names_reused(fd))
		return connect_foreign(fd, sys_cookie(fd), addr, len);
	ret = next_connect(fd, addr, len);
	/* That of an earlier attempt, perhaps, by this number or by another. */
	if (ret && (is_worth_another_try(next_errno()) || next_errno() == ETIMEDOUT ||
		    next_errno() == ECONNABORTED))
		failed_note();
	return ret;
}

static int dissolve(int fd, const void *addr, socklen_t len)
{
	struct fdtable_entry *foreign;
	uint64_t listener;
	uint16_t domain;
	int ret;

	if (!socket_is_tcp(fd, &domain))
		return next_connect(fd, addr, len);
	foreign = names_reused(fd);
	listener = foreign ? 0 : listen_cookie(fd);
	ret = next_connect(fd, addr, len);
	if (!ret)
		listen_ended(listener);
	return ret || !foreign ? ret : next_result(failed_return(fd, foreign));
}

/* The world in which @dst is a virtual address; NULL: it is none. */
static const struct world *virtual_world(int fd, const struct slim_endpoint *dst)
{
	const struct world *world = channel_world(), *recent;

	if (!world) {
		debug_say("connect: no router is known, descriptor %d takes the packet path", fd);
		return NULL;
	}
	if (is_virtual(world, dst))
		return world;
	if (is_near(world, dst))
		return NULL;
	recent = channel_world_recent();
	return recent != world && is_virtual(recent, dst) ? recent : NULL;
}

/* A connect() to @dst, which is a virtual address in @world */
static __attribute__((noinline)) int connect_virtual(int fd, const void *addr, socklen_t len,
						     const struct world *world,
						     const struct slim_endpoint *dst, uint16_t family)
{
	struct attempt attempt = { .fd = fd, .dst = *dst, .cookie = sys_cookie(fd), .family = family };
	enum slim_verdict verdict;
	int error = 0;

	attempt.entry = fdtable_find(fd, attempt.cookie);
	if (attempt.entry && !(attempt.entry->flags & FDTABLE_TCP)) {
		if (attempt.entry->flags & FDTABLE_NAMED)
			return connect_foreign(fd, attempt.cookie, addr, len);
		attempt.entry = NULL;
	}
	if (!attempt.entry && attempt.cookie && is_foreign(world, fd))
		return connect_foreign(fd, attempt.cookie, addr, len);
	if (!is_ours(&attempt, world))
		return attempt.error ? next_result(attempt.error) : next_connect(fd, addr, len);
	/* A thread that is cancelled ends before its connect() has done anything. */
	next_testcancel();
	verdict = obtain(&attempt, &error);
	debug_say(verdict == SLIM_VERDICT_SLIM ? "connect: descriptor %d takes the slim path" :
		  verdict == SLIM_VERDICT_DENIED ? "connect: descriptor %d is denied" :
		  "connect: descriptor %d takes the packet path", fd);
	if (verdict == SLIM_VERDICT_DENIED)
		return next_result(error);
	if (verdict != SLIM_VERDICT_SLIM)
		return next_connect(fd, addr, len);
	if (attempt.flags & O_NONBLOCK)
		return next_result(-EINPROGRESS);
	return wait_for_it(&attempt, addr, len);
}

int call_connect(int fd, const void *addr, socklen_t len)
{
	const struct world *world;
	struct slim_endpoint dst;
	union address address;
	socklen_t have = len < sizeof(address) ? len : sizeof(address);

	if (len < sizeof(address.family) || len > LEN_MAX || !user_readable(addr, have))
		return next_connect(fd, addr, len);
	memcpy(&address, addr, have);
	/* A family is all that this needs. */
	if (address.family == AF_UNSPEC)
		return dissolve(fd, addr, len);
	if (len < LEN_MIN || address_to_endpoint(&address, len, &dst))
		return next_connect(fd, addr, len);
	world = virtual_world(fd, &dst);
	return world ? connect_virtual(fd, addr, len, world, &dst, address.family) :
	       connect_elsewhere(fd, addr, len);
}
