/* SPDX-License-Identifier: MIT */
/*
 * names.c - what a connection is called: its virtual addresses
 *
 * A socket that is not known here (a duplicate, an inherited fd) is Slim's if it
 * belongs to another network namespace than ours, or if its peer is a ticket address
 * (the router carries that connection); the router knows its names by its cookie.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>

#include "address.h"
#include "calls.h"
#include "channel.h"
#include "fdtable.h"
#include "mem.h"
#include "next.h"
#include "sys.h"
#include "user.h"

static struct fdtable_entry *ask(int fd, uint64_t cookie)
{
	struct slim_name_reply reply;
	struct slim_name request;
	int error = next_errno();

	memset(&request, 0, sizeof(request));
	request.cookie = cookie;
	if (channel_ask(&request, sizeof(request), SLIM_FRAME_NAME, &reply, sizeof(reply),
			SLIM_FRAME_NAME_REPLY) == 0 && !reply.error)
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

static bool peer_is_ticket(int fd)
{
	union address address;
	struct slim_endpoint peer;
	uint32_t len = sizeof(address);

	return sys_getpeername(fd, &address, &len) == 0 &&
	       !address_to_endpoint(&address, len, &peer) && address_is_ticket(&peer);
}

/* The note on @fd if it is Slim's. One getsockopt for a socket that is not. */
static struct fdtable_entry *slim_entry(int fd)
{
	const struct channel_world *world;
	uint64_t cookie = sys_cookie(fd);
	struct fdtable_entry *entry = fdtable_find(fd, cookie);
	uint64_t netns;

	if (!cookie)
		return NULL;
	if (entry)
		return entry->flags & FDTABLE_NAMED ? entry : NULL;
	netns = sys_netns_cookie(fd);
	world = netns ? channel_world() : NULL;
	if (!world || (netns == world->netns_cookie && !peer_is_ticket(fd)))
		return NULL;
	return names_find(fd, cookie);
}

static int give(const struct fdtable_entry *entry, const struct slim_endpoint *name, void *addr,
		socklen_t *len)
{
	union address address;
	uint32_t full = address_from_endpoint(&address, entry->domain, name);

	return next_result(address_to_user(addr, len, &address, full));
}

int call_getsockname(int fd, void *addr, socklen_t *len)
{
	const struct fdtable_entry *entry = slim_entry(fd);

	return entry ? give(entry, &entry->local, addr, len) : next_getsockname(fd, addr, len);
}

int call_getpeername(int fd, void *addr, socklen_t *len)
{
	const struct fdtable_entry *entry = slim_entry(fd);
	union address native;
	uint32_t native_len = sizeof(native);
	long err;

	if (!entry && peer_is_ticket(fd)) {
		/* Its connection is not known yet: who it is from, nobody can tell. */
		static const struct slim_endpoint nobody;
		uint16_t family = sys_getpeername(fd, &native, &native_len) ? AF_INET :
				  native.family;

		native_len = address_from_endpoint(&native, family, &nobody);
		return next_result(address_to_user(addr, len, &native, native_len));
	}
	if (!entry)
		return next_getpeername(fd, addr, len);
	/* Not connected yet, or no more: the kernel knows. */
	err = sys_getpeername(fd, &native, &native_len);
	return err ? next_result(err) : give(entry, &entry->peer, addr, len);
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
	*len = room;
	return 0;
}

/* SO_PEERNAME refuses a buffer that is longer than the name. */
static int give_peername(const struct fdtable_entry *entry, void *to, socklen_t *len)
{
	union address address;
	uint32_t full = address_from_endpoint(&address, entry->domain, &entry->peer);
	socklen_t room;

	if (!user_readable(len, sizeof(*len)))
		return next_result(-EFAULT);
	memcpy(&room, len, sizeof(room));
	if (room > full)
		return next_result(-EINVAL);
	return give(entry, &entry->peer, to, len);
}

/* The router's own mark is none that a program has put there. */
static int give_mark(int fd, void *to, socklen_t *len)
{
	uint32_t mark;

	if (sys_getsockopt_exact(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) ||
	    (mark & SLIM_SOCKET_MARK_MASK) != SLIM_SOCKET_MARK)
		return next_getsockopt(fd, SOL_SOCKET, SO_MARK, to, len);
	return give_int(0, to, len);
}

static bool is_named(int level, int name)
{
	return level == SOL_SOCKET && (name == SO_PEERNAME_ || name == SO_DOMAIN ||
				       name == SYS_SO_NETNS_COOKIE || name == SO_MARK);
}

int call_getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	const struct fdtable_entry *entry;

	if (!is_named(level, name))
		return next_getsockopt(fd, level, name, value, len);
	entry = slim_entry(fd);
	if (!entry)
		return next_getsockopt(fd, level, name, value, len);
	if (name == SO_DOMAIN)
		return give_int(entry->domain, value, len);
	if (name == SO_PEERNAME_)
		return give_peername(entry, value, len);
	if (name == SO_MARK)
		return give_mark(fd, value, len);
	/* The namespace is the container's, as far as its programs are concerned. */
	if (channel_world_known() && user_readable(len, sizeof(*len)) &&
	    *len == sizeof(uint64_t) && user_writable(value, sizeof(uint64_t))) {
		memcpy(value, &channel_world_known()->netns_cookie, sizeof(uint64_t));
		return 0;
	}
	return next_getsockopt(fd, level, name, value, len);
}
