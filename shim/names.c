/* SPDX-License-Identifier: MIT */
/*
 * names.c - what a connection is called: its virtual addresses
 *
 * A socket that is not known here (a duplicate, an inherited fd) is Slim's if it
 * belongs to another network namespace than ours, or if its peer is a ticket address
 * (the router carries that connection); the router knows its names by its cookie.
 *
 * The kernel answers first: what is wrong with a socket or with the caller's memory it knows best, and of
 * most sockets its answer shows that they are none of Slim's. Of others one thing is asked: the
 * cookie where a note says that it is Slim's, else the namespace.
 */
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>

#include "address.h"
#include "calls.h"
#include "channel.h"
#include "fdtable.h"
#include "mem.h"
#include "next.h"
#include "socket.h"
#include "sys.h"
#include "user.h"

static struct fdtable_entry *ask(int fd, uint64_t cookie)
{
	struct slim_name_reply reply = { 0 };
	struct slim_name request;
	struct question question = {
		.type = SLIM_FRAME_NAME, .request = &request, .len = sizeof(request),
		.reply_type = SLIM_FRAME_NAME_REPLY, .reply = &reply, .reply_len = sizeof(reply),
	};
	int error = next_errno();

	memset(&request, 0, sizeof(request));
	request.cookie = cookie;
	if (channel_ask(&question) == 0 && !reply.error)
		fdtable_name(fd, cookie, reply.domain, &reply.local, &reply.peer);
	next_set_errno(error);
	return fdtable_find(fd, cookie);
}

struct fdtable_entry *names_find(int fd, uint64_t cookie)
{
	struct fdtable_entry *entry = fdtable_find(fd, cookie);

	if (!entry && cookie)
		entry = ask(fd, cookie);
	return entry && (entry->flags & FDTABLE_NAMED) ? entry : NULL;
}

static bool is_ticket(const union address *address, uint32_t len)
{
	struct slim_endpoint endpoint;

	return !address_to_endpoint(address, len, &endpoint) && address_is_ticket(&endpoint);
}

/* Of a socket that may be Slim's, which of all that may come here only TCP's are. */
static const struct world *world_of(int fd)
{
	const struct world *world = world_known();
	uint32_t protocol = 0;

	if (world || sys_getsockopt_exact(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, sizeof(protocol)) ||
	    protocol != IPPROTO_TCP)
		return world;
	return channel_world();
}

/*
 * The cookie of one that is of another namespace; 0: it is not. *@sealed: slim.ko has sealed it: of the sockets of a kernel
 * that knows the option, only those refuse to tell.
 */
static uint64_t foreign_cookie(int fd, bool *sealed)
{
	const struct world *world = world_of(fd);
	uint64_t netns;
	long err;

	*sealed = false;
	if (!world || !world->netns_cookie)
		return 0;
	err = sys_getsockopt_exact(fd, SOL_SOCKET, SYS_SO_NETNS_COOKIE, &netns, sizeof(netns));
	*sealed = err == -ENOPROTOOPT;
	return *sealed || (!err && netns != world->netns_cookie) ? sys_cookie(fd) : 0;
}

/* Is the mark on the socket the router's? */
static bool is_marked(int fd)
{
	uint32_t mark;

	return sys_getsockopt_exact(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) == 0 &&
	       (mark & SLIM_SOCKET_MARK_MASK) == SLIM_SOCKET_MARK;
}

struct fdtable_entry *names_reused(int fd)
{
	static const struct slim_endpoint nobody;
	bool sealed;
	uint64_t cookie = foreign_cookie(fd, &sealed);
	struct fdtable_entry *entry = names_find(fd, cookie);
	uint16_t domain;

	/* A sealed one does not show its mark. */
	if (entry || !cookie || (!sealed && !is_marked(fd)) || socket_is_active(fd) || !socket_is_tcp(fd, &domain))
		return entry;
	entry = fdtable_name(fd, cookie, domain, &nobody, &nobody);
	if (entry)
		entry->flags |= FDTABLE_UNDONE;
	return entry;
}

struct fdtable_entry *names_slim(int fd)
{
	const struct fdtable_entry *noted = fdtable_peek(fd);
	struct fdtable_entry *entry;
	uint64_t cookie;
	bool sealed;

	if (noted && (noted->flags & FDTABLE_NAMED)) {
		entry = fdtable_lookup(fd, &cookie);
		if (entry)
			return entry->flags & FDTABLE_NAMED ? entry : NULL;
	}
	return names_find(fd, foreign_cookie(fd, &sealed));
}

/*
 * In place of what the kernel has just put there: @room: what the caller had room for. Where its name was as
 * long, nothing need be asked again.
 */
static int give(uint16_t domain, const struct slim_endpoint *name, void *addr, socklen_t *len,
		socklen_t room)
{
	union address address;
	uint32_t full = address_from_endpoint(&address, domain, name);
	uint32_t put = room < full ? room : full;

	if (put > *len && !user_writable(addr, put))
		return next_result(-EFAULT);
	memcpy(addr, &address, put);
	*len = full;
	return 0;
}

/* Of the first @have bytes of a name; where that is too little, it may be one. */
static bool is_inet(const void *addr, socklen_t have)
{
	uint16_t family;

	if (have < sizeof(family))
		return true;
	memcpy(&family, addr, sizeof(family));
	return family == AF_INET || family == AF_INET6;
}

static socklen_t lesser(socklen_t a, socklen_t b)
{
	return a < b ? a : b;
}

/*
 * The kernel has named a ticket as the peer, of a connection that is not known here. Where the router
 * does not know it either, nobody can tell who it is from.
 */
static int give_carried(int fd, uint16_t domain, void *addr, socklen_t *len, socklen_t room)
{
	static const struct slim_endpoint nobody;
	const struct fdtable_entry *entry = names_find(fd, sys_cookie(fd));

	return give(entry ? entry->domain : domain, entry ? &entry->peer : &nobody, addr, len, room);
}

/* A host socket that has no address any more was shut down while it was connecting: so has the application's none. */
static int give_local(const struct fdtable_entry *entry, void *addr, socklen_t *len, socklen_t room)
{
	struct slim_endpoint native, name = entry->local;
	union address address;
	socklen_t have = lesser(lesser(*len, room), sizeof(address));

	memcpy(&address, addr, have);
	if (!(entry->flags & FDTABLE_BOUND_ADDRESS) && !address_to_endpoint(&address, have, &native) &&
	    address_is_any(&native))
		memset(name.addr, 0, sizeof(name.addr));
	return give(entry->domain, &name, addr, len, room);
}

int call_getsockname(int fd, void *addr, socklen_t *len)
{
	const struct fdtable_entry *entry;
	socklen_t room;

	if (!user_readable(len, sizeof(*len)))
		return next_getsockname(fd, addr, len);
	room = *len;
	if (next_getsockname(fd, addr, len))
		return -1;
	/* (The local name of a ticket is the connection's own.) */
	entry = is_inet(addr, lesser(*len, room)) ? names_slim(fd) : NULL;
	return entry ? give_local(entry, addr, len, room) : 0;
}

int call_getpeername(int fd, void *addr, socklen_t *len)
{
	const struct fdtable_entry *entry;
	union address peer;
	uint32_t peer_len = sizeof(peer);
	socklen_t room;

	if (!user_readable(len, sizeof(*len)))
		return next_getpeername(fd, addr, len);
	room = *len;
	/* Not connected yet, or no more: the kernel knows. */
	if (next_getpeername(fd, addr, len))
		return -1;
	if (!is_inet(addr, lesser(*len, room)))
		return 0;
	entry = names_slim(fd);
	if (entry)
		return give(entry->domain, &entry->peer, addr, len, room);
	if (*len <= room)
		memcpy(&peer, addr, peer_len = lesser(*len, sizeof(peer)));
	else if (sys_getpeername(fd, &peer, &peer_len))
		return 0;
	return is_ticket(&peer, peer_len) ? give_carried(fd, peer.family, addr, len, room) : 0;
}

#define SO_PEERNAME_	28

static int give_int(uint32_t value, void *to, socklen_t *len)
{
	socklen_t room;

	if (!user_readable(len, sizeof(*len)))
		return next_result(-EFAULT);
	memcpy(&room, len, sizeof(room));
	if ((int32_t)room < 0)
		return next_result(-EINVAL);
	if (room > sizeof(value))
		room = sizeof(value);
	if (!user_writable(to, room))
		return next_result(-EFAULT);
	memcpy(to, &value, room);
	if (!user_writable(len, sizeof(*len)))
		return next_result(-EFAULT);
	*len = room;
	return 0;
}

/* The namespace is the container's, as far as its programs are concerned. */
static int give_netns(uint64_t netns, void *to, socklen_t *len)
{
	socklen_t room;

	if (!user_readable(len, sizeof(*len)))
		return next_result(-EFAULT);
	memcpy(&room, len, sizeof(room));
	if (room != sizeof(netns))
		return next_result(-EINVAL);
	if (!user_writable(to, sizeof(netns)))
		return next_result(-EFAULT);
	memcpy(to, &netns, sizeof(netns));
	return 0;
}

/* SO_PEERNAME refuses a buffer that is longer than the name, and says nothing of a name's length. */
static int give_peername(const struct fdtable_entry *entry, void *to, socklen_t *len)
{
	union address address;
	uint32_t full = address_from_endpoint(&address, entry->domain, &entry->peer);
	socklen_t room;

	if (!user_readable(len, sizeof(*len)))
		return next_result(-EFAULT);
	room = *len;
	if (room > full)
		return next_result(-EINVAL);
	if (!user_writable(to, room))
		return next_result(-EFAULT);
	memcpy(to, &address, room);
	return 0;
}

static int peername(int fd, void *to, socklen_t *len)
{
	const struct fdtable_entry *entry = names_slim(fd);
	union address peer;
	socklen_t room;

	if (entry)
		return give_peername(entry, to, len);
	if (next_getsockopt(fd, SOL_SOCKET, SO_PEERNAME_, to, len))
		return -1;
	room = lesser(*len, sizeof(peer));
	memcpy(&peer, to, room);
	return is_ticket(&peer, room) ? give_carried(fd, peer.family, to, &room, room) : 0;
}

/* The router's own mark is none that a program has put there. */
static int give_mark(int fd, void *to, socklen_t *len)
{
	return is_marked(fd) ? give_int(0, to, len) : next_getsockopt(fd, SOL_SOCKET, SO_MARK, to, len);
}

static bool is_named(int level, int name)
{
	if (level == IPPROTO_TCP)
		return name == TCP_FASTOPEN_NO_COOKIE;
	return level == SOL_SOCKET && (name == SO_PEERNAME_ || name == SO_DOMAIN ||
				       name == SYS_SO_NETNS_COOKIE || name == SO_MARK);
}

bool names_lack_level(int fd, int level)
{
	const struct fdtable_entry *entry;

	/* (TLS is TCP's in either family, once it is asked for.) */
	if (level == SOL_SOCKET || level == IPPROTO_TCP || level == IPPROTO_IP || level == SOL_TLS)
		return false;
	entry = fdtable_peek(fd);
	return entry && (entry->flags & FDTABLE_NAMED) && entry->domain == AF_INET &&
	       sys_cookie(fd) == entry->cookie;
}

int call_getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	const struct fdtable_entry *entry;

	if (names_lack_level(fd, level))
		return next_result(-EOPNOTSUPP);
	if (!is_named(level, name))
		return next_getsockopt(fd, level, name, value, len);
	if (name == SO_PEERNAME_)
		return peername(fd, value, len);
	entry = names_slim(fd);
	if (!entry)
		return next_getsockopt(fd, level, name, value, len);
	/* The router's doing, too; with a program's own there is no slim path. */
	if (level == IPPROTO_TCP)
		return give_int(0, value, len);
	if (name == SO_DOMAIN)
		return give_int(entry->domain, value, len);
	if (name == SO_MARK)
		return give_mark(fd, value, len);
	return world_known() ? give_netns(world_known()->netns_cookie, value, len) :
	       next_getsockopt(fd, level, name, value, len);
}
