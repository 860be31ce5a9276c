/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * channel.h - frames between the shim and its router
 *
 * The channel is an abstract SOCK_SEQPACKET UNIX socket which the router opens
 * inside the container's network namespace; one packet is one frame. The shim
 * sends a request, the router answers with a reply that carries the request's
 * id; there is at most one request under way on a channel. Both ends run on
 * one host, so fields are in host byte order.
 *
 *   request            reply               fd in the reply
 *   HELLO              HELLO_REPLY         the passing socket, the first time
 *   CONNECT            CONNECT_REPLY       host socket, where verdict is SLIM
 *   LISTEN             LISTEN_REPLY
 *   UNLISTEN           (none)
 *   CLAIM              CLAIM_REPLY         host socket, where verdict is SLIM
 *   NAME               NAME_REPLY
 *
 * A host socket comes over the passing socket, a SOCK_SEQPACKET UNIX socket on which nobody
 * waits, with a copy of the reply. The reply itself is sent after that, when the router has
 * closed its own copy: a program that closes it soon is the last to close, as it expects (it
 * may rely on close() to end a registration with epoll, or to send a FIN). Without a passing
 * socket the host socket comes with the reply.
 *
 * Requests never carry fds. A frame of the wrong length, an unknown type, a
 * wrong magic or an fd costs the sender its channel. Reserved fields and unknown
 * flags are zero from senders and are refused by receivers.
 */
#ifndef SLIM_CHANNEL_H
#define SLIM_CHANNEL_H

#include <stdint.h>

#include "endpoint.h"

/* The abstract socket's name: a zero byte, then these bytes (no final zero). */
#define SLIM_CHANNEL_NAME	"slim/router/1"

#define SLIM_CHANNEL_MAGIC	0x4d494c53u	/* "SLIM" */
#define SLIM_CHANNEL_VERSION	1

/* A router that has not answered by then is left alone (ms). */
#define SLIM_CHANNEL_DEADLINE	50

/*
 * Tickets come from these addresses of the container's loopback device.
 */
#define SLIM_TICKET_ADDR4	0x7f534c4du	/* 127.83.76.77 */
#define SLIM_TICKET_ADDR6 \
	{ 0xfd, 0x53, 0x4c, 0x49, 0x4d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01 }

/*
 * Host sockets have this mark (SO_MARK) with the number of the container whose they are in the rest, by which
 * its packets find their class. Programs see none.
 */
#define SLIM_SOCKET_MARK	0x54000000u
#define SLIM_SOCKET_MARK_MASK	0xff000000u

#define SLIM_CHANNEL_PREFIXES	16
#define SLIM_CHANNEL_ADDRESSES	16
#define SLIM_CONGESTION_LEN	16

enum slim_frame_type {
	SLIM_FRAME_UNSPEC,
	SLIM_FRAME_HELLO,
	SLIM_FRAME_HELLO_REPLY,
	SLIM_FRAME_CONNECT,
	SLIM_FRAME_CONNECT_REPLY,
	SLIM_FRAME_LISTEN,
	SLIM_FRAME_LISTEN_REPLY,
	SLIM_FRAME_UNLISTEN,
	SLIM_FRAME_CLAIM,
	SLIM_FRAME_CLAIM_REPLY,
	SLIM_FRAME_NAME,
	SLIM_FRAME_NAME_REPLY,
	SLIM_FRAME_NUM
};

/* What the router says of a connection. */
enum slim_verdict {
	SLIM_VERDICT_PACKET,	/* not Slim's: use the container's own socket */
	SLIM_VERDICT_SLIM,	/* here is the host socket */
	SLIM_VERDICT_DENIED,	/* policy says no; @error is the errno */
	SLIM_VERDICT_SPLICED,	/* the router carries the bytes; keep the ticket */
	SLIM_VERDICT_NUM
};

/* The first bytes of every frame. @length counts the whole frame. */
struct slim_frame {
	uint32_t magic;
	uint16_t version;
	uint16_t type;
	uint32_t length;
	uint32_t id;
};

struct slim_hello {
	struct slim_frame frame;
};

struct slim_prefix {
	uint8_t addr[16];	/* as in struct slim_endpoint */
	uint8_t len;		/* of the IPv6 form: an IPv4 /16 is 112 */
	uint8_t reserved[3];
};

/*
 * @generation:	changes when the prefixes or addresses do; every reply carries
 *		it, and a shim that sees a new one says HELLO again
 * @prefixes:	the tenant's virtual prefixes, and those of tenants that policy lets it connect to; none
 *		where the container is to have no slim path
 * @addresses:	the container's own virtual addresses (reached over loopback,
 *		never over the slim path)
 */
struct slim_hello_reply {
	struct slim_frame frame;
	uint32_t generation;
	uint16_t prefixes_num;
	uint16_t addresses_num;
	struct slim_prefix prefixes[SLIM_CHANNEL_PREFIXES];
	uint8_t addresses[SLIM_CHANNEL_ADDRESSES][16];
};

/* Flags of CONNECT */
#define SLIM_CONNECT_NONBLOCK	(1u << 0)	/* make the host socket O_NONBLOCK */
#define SLIM_CONNECT_FLAGS	(SLIM_CONNECT_NONBLOCK)

/* Which of slim_connect's option fields count */
#define SLIM_CONNECT_RCVBUF		(1u << 0)	/* bytes, as getsockopt reads it */
#define SLIM_CONNECT_SNDBUF		(1u << 1)
#define SLIM_CONNECT_MAXSEG		(1u << 2)
#define SLIM_CONNECT_SYNCNT		(1u << 3)
#define SLIM_CONNECT_WINDOW_CLAMP	(1u << 4)
#define SLIM_CONNECT_USER_TIMEOUT	(1u << 5)	/* ms */
#define SLIM_CONNECT_TOS		(1u << 6)	/* IP_TOS or IPV6_TCLASS */
#define SLIM_CONNECT_CONGESTION		(1u << 7)
#define SLIM_CONNECT_OPTIONS		((1u << 8) - 1)

/*
 * @domain:	AF_INET or AF_INET6: the application's socket
 * @src:	what the socket is bound to; zeroes where it is not bound
 * @options:	SLIM_CONNECT_RCVBUF ...: those that matter before a SYN
 * @sent_at:	ms of CLOCK_REALTIME (the one clock that no container has of its own): a request that
 *		has waited for longer than its deadline has another path by now, and gets none here
 */
struct slim_connect {
	struct slim_frame frame;
	uint64_t sent_at;
	struct slim_endpoint dst;
	struct slim_endpoint src;
	uint16_t domain;
	uint16_t reserved;
	uint32_t flags;
	uint32_t options;
	uint32_t rcvbuf;
	uint32_t sndbuf;
	uint32_t maxseg;
	uint32_t syncnt;
	uint32_t window_clamp;
	uint32_t user_timeout;
	uint32_t tos;
	char congestion[SLIM_CONGESTION_LEN];
};

/*
 * @cookie:	the host socket's SO_COOKIE
 * @local:	virtual name of the application's end
 * @peer:	virtual name of the other end
 * @error:	errno, for SLIM_VERDICT_DENIED; with SLIM_VERDICT_SLIM not 0 where there is no other path
 */
struct slim_connect_reply {
	struct slim_frame frame;
	uint32_t generation;
	uint16_t verdict;
	uint16_t error;
	uint64_t cookie;
	struct slim_endpoint local;
	struct slim_endpoint peer;
};

#define SLIM_LISTEN_DEFER_ACCEPT	(1u << 0)
#define SLIM_LISTEN_PACKET		(1u << 1)	/* not to be announced, nor who shares its port */
#define SLIM_LISTEN_FLAGS		((1u << 2) - 1)

/*
 * @cookie:	SO_COOKIE of the listening socket, in the container's namespace;
 *		the router looks everything else up with sock_diag
 * @options:	which options the application has set on it: a set of bits that
 *		only shims read; given back in CLAIM_REPLY
 */
struct slim_listen {
	struct slim_frame frame;
	uint64_t cookie;
	uint64_t options;
	uint32_t flags;
	uint32_t reserved;
};

/* @error: 0 or an errno; whatever it is, the listener listens natively */
struct slim_listen_reply {
	struct slim_frame frame;
	uint32_t generation;
	uint32_t error;
};

/* A hint that the listener may be gone; the router asks sock_diag. */
struct slim_unlisten {
	struct slim_frame frame;
	uint64_t cookie;
};

/* Flags of CLAIM */
#define SLIM_CLAIM_KEEP		(1u << 0)	/* no room for an fd: splice it now */
#define SLIM_CLAIM_FLAGS	(SLIM_CLAIM_KEEP)

/*
 * @ticket:	the ticket's source as accept() named it (one of the reserved
 *		addresses, and its port)
 * @domain:	AF_INET or AF_INET6: the accepted socket
 */
struct slim_claim {
	struct slim_frame frame;
	struct slim_endpoint ticket;
	uint16_t domain;
	uint16_t reserved;
	uint32_t flags;
};

/*
 * SLIM_VERDICT_SLIM: the fd replaces the ticket. SLIM_VERDICT_SPLICED: keep the
 * ticket, the names are these. SLIM_VERDICT_PACKET: no such ticket, an ordinary
 * connection.
 */
struct slim_claim_reply {
	struct slim_frame frame;
	uint32_t generation;
	uint16_t verdict;
	uint16_t error;
	uint64_t cookie;
	uint64_t options;
	struct slim_endpoint local;
	struct slim_endpoint peer;
};

struct slim_name {
	struct slim_frame frame;
	uint64_t cookie;
};

/*
 * @error:	0, or ENOENT: no connection of this container
 * @domain:	of the application's socket, before it was replaced
 */
struct slim_name_reply {
	struct slim_frame frame;
	uint32_t generation;
	uint16_t error;
	uint16_t domain;
	struct slim_endpoint local;
	struct slim_endpoint peer;
};

/* Requests have exactly their struct's size; replies too. */
#define SLIM_FRAME_MAX	sizeof(struct slim_hello_reply)

_Static_assert(sizeof(struct slim_frame) == 16, "a boundary type");
_Static_assert(sizeof(struct slim_hello_reply) == 16 + 8 + 16 * 20 + 16 * 16,
	       "a boundary type");
_Static_assert(sizeof(struct slim_connect) == 16 + 8 + 40 + 4 + 36 + 16,
	       "a boundary type");
_Static_assert(sizeof(struct slim_connect_reply) == 72, "a boundary type");
_Static_assert(sizeof(struct slim_listen) == 40, "a boundary type");
_Static_assert(sizeof(struct slim_unlisten) == 24, "a boundary type");
_Static_assert(sizeof(struct slim_claim) == 44, "a boundary type");
_Static_assert(sizeof(struct slim_claim_reply) == 80, "a boundary type");
_Static_assert(sizeof(struct slim_name) == 24, "a boundary type");
_Static_assert(sizeof(struct slim_name_reply) == 64, "a boundary type");

#endif
