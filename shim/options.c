/* SPDX-License-Identifier: MIT */
/*
 * options.c - socket options that follow an application's socket
 *
 * The table's order is the order of the bits that shims put into LISTEN and read from
 * CLAIM_REPLY: append only. Bit 63 stands for all options that came later than
 * the table of an older shim, so it is never used.
 */
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/tcp.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "mem.h"
#include "options.h"
#include "sys.h"

#ifndef SO_PREFER_BUSY_POLL
#define SO_PREFER_BUSY_POLL	69
#endif
#define SO_TIMESTAMP_OLD_	29
#define SO_TIMESTAMPNS_OLD_	35
#define SO_TIMESTAMPING_OLD_	37
#define SO_ZEROCOPY_		60

#define VALUE_MAX	64

enum kind {
	CARRY,		/* set on the new socket what the old one has */
	CARRY_KNOWN,	/* ... only where it is known to have been set: connections differ */
	CARRY_HALF,	/* ... half of it: the kernel doubles what it is given */
	PACKET,		/* not zero: the socket stays on the packet path */
};

static const struct option {
	int level, name;
	enum kind kind;
	uint16_t size;		/* of its value; 0: a string */
} table[] = {
	{ SOL_SOCKET, SO_RCVBUF, CARRY_HALF, 4 },
	{ SOL_SOCKET, SO_SNDBUF, CARRY_HALF, 4 },
	{ SOL_SOCKET, SO_KEEPALIVE, CARRY, 4 },
	{ SOL_SOCKET, SO_LINGER, CARRY, sizeof(struct linger) },
	{ SOL_SOCKET, SO_RCVLOWAT, CARRY, 4 },
	{ SOL_SOCKET, SO_RCVTIMEO, CARRY, sizeof(struct timeval) },
	{ SOL_SOCKET, SO_SNDTIMEO, CARRY, sizeof(struct timeval) },
	{ SOL_SOCKET, SO_PRIORITY, CARRY, 4 },
	{ SOL_SOCKET, SO_OOBINLINE, CARRY, 4 },
	{ SOL_SOCKET, SO_BUSY_POLL, CARRY, 4 },
	{ SOL_SOCKET, SO_PREFER_BUSY_POLL, CARRY, 4 },
	{ SOL_SOCKET, SO_TIMESTAMP_OLD_, CARRY, 4 },
	{ SOL_SOCKET, SO_TIMESTAMPNS_OLD_, CARRY, 4 },
	{ SOL_SOCKET, SO_TIMESTAMPING_OLD_, CARRY, 4 },
	{ SOL_SOCKET, SO_ZEROCOPY_, CARRY, 4 },
	{ SOL_SOCKET, SO_MAX_PACING_RATE, CARRY, 4 },
	{ SOL_SOCKET, SO_INCOMING_CPU, CARRY_KNOWN, 4 },
	{ SOL_SOCKET, SO_MARK, PACKET, 4 },
	{ SOL_SOCKET, SO_BINDTODEVICE, PACKET, 0 },
	{ IPPROTO_TCP, TCP_NODELAY, CARRY, 4 },
	{ IPPROTO_TCP, TCP_CORK, CARRY, 4 },
	{ IPPROTO_TCP, TCP_QUICKACK, CARRY_KNOWN, 4 },
	{ IPPROTO_TCP, TCP_KEEPIDLE, CARRY, 4 },
	{ IPPROTO_TCP, TCP_KEEPINTVL, CARRY, 4 },
	{ IPPROTO_TCP, TCP_KEEPCNT, CARRY, 4 },
	{ IPPROTO_TCP, TCP_SYNCNT, CARRY, 4 },
	{ IPPROTO_TCP, TCP_LINGER2, CARRY, 4 },
	{ IPPROTO_TCP, TCP_USER_TIMEOUT, CARRY, 4 },
	{ IPPROTO_TCP, TCP_CONGESTION, CARRY, 0 },
	{ IPPROTO_TCP, TCP_NOTSENT_LOWAT, CARRY, 4 },
	{ IPPROTO_TCP, TCP_MAXSEG, CARRY_KNOWN, 4 },
	{ IPPROTO_TCP, TCP_WINDOW_CLAMP, CARRY_KNOWN, 4 },
	{ IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS, CARRY, 4 },
	{ IPPROTO_TCP, TCP_INQ, CARRY, 4 },
	{ IPPROTO_TCP, TCP_TX_DELAY, CARRY, 4 },
	{ IPPROTO_TCP, TCP_DEFER_ACCEPT, CARRY, 4 },
	{ IPPROTO_TCP, TCP_FASTOPEN_CONNECT, PACKET, 4 },
	{ IPPROTO_TCP, TCP_REPAIR, PACKET, 4 },
	{ IPPROTO_IP, IP_TOS, CARRY, 4 },
	{ IPPROTO_IP, IP_TTL, CARRY, 4 },
	{ IPPROTO_IP, IP_MTU_DISCOVER, CARRY, 4 },
	{ IPPROTO_IP, IP_RECVTOS, CARRY, 4 },
	{ IPPROTO_IP, IP_RECVERR, CARRY, 4 },
	{ IPPROTO_IPV6, IPV6_TCLASS, CARRY, 4 },
	{ IPPROTO_IPV6, IPV6_UNICAST_HOPS, CARRY, 4 },
	{ IPPROTO_IPV6, IPV6_MTU_DISCOVER, CARRY, 4 },
	{ IPPROTO_IPV6, IPV6_RECVTCLASS, CARRY, 4 },
	{ IPPROTO_IPV6, IPV6_RECVERR, CARRY, 4 },
	{ IPPROTO_TCP, TCP_ULP, PACKET, 0 },
	{ IPPROTO_IP, IP_TRANSPARENT, PACKET, 4 },
	{ IPPROTO_IP, IP_MINTTL, PACKET, 4 },
	{ IPPROTO_IPV6, IPV6_MINHOPCOUNT, PACKET, 4 },
	{ SOL_SOCKET, SO_REUSEADDR, CARRY, 4 },
	{ SOL_SOCKET, SO_REUSEPORT, CARRY, 4 },
	{ IPPROTO_IP, IP_FREEBIND, CARRY, 4 },
	{ IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, CARRY, 4 },
};

#define TABLE_NUM	(sizeof(table) / sizeof(table[0]))

_Static_assert(sizeof(table) / sizeof(table[0]) < 63, "bits of a word");

uint64_t options_bit(int level, int name)
{
	for (unsigned int i = 0; i < TABLE_NUM; i++)
		if (table[i].level == level && table[i].name == name)
			return 1ull << i;
	return 0;
}

uint64_t options_packet(void)
{
	uint64_t mask = 0;

	for (unsigned int i = 0; i < TABLE_NUM; i++)
		if (table[i].kind == PACKET)
			mask |= 1ull << i;
	return mask;
}

static long get(int fd, const struct option *option, void *value, uint32_t *len)
{
	*len = option->size ? option->size : VALUE_MAX;
	memset(value, 0, VALUE_MAX);
	return sys_getsockopt(fd, option->level, option->name, value, len);
}

static bool all_zero(const char *value, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		if (value[i])
			return false;
	return true;
}

bool options_keep_packet(int fd, uint64_t mask)
{
	char value[VALUE_MAX];
	uint32_t len;

	for (unsigned int i = 0; i < TABLE_NUM; i++)
		if (table[i].kind == PACKET && (mask & 1ull << i) &&
		    get(fd, &table[i], value, &len) == 0 && !all_zero(value, len))
			return true;
	return false;
}

static bool get_int(int fd, uint64_t mask, int level, int name, uint32_t *out)
{
	uint32_t len = sizeof(*out);

	return (mask & options_bit(level, name)) &&
	       sys_getsockopt(fd, level, name, out, &len) == 0;
}

static void tos_before_syn(int fd, uint64_t mask, struct slim_connect *request)
{
	bool v4 = get_int(fd, mask, IPPROTO_IP, IP_TOS, &request->tos);

	if (v4 || get_int(fd, mask, IPPROTO_IPV6, IPV6_TCLASS, &request->tos))
		if (request->tos && request->tos < 256)
			request->options |= SLIM_CONNECT_TOS;
}

/*
 * Where nothing is known (OPTIONS_ALL), a value that the kernel chose itself is
 * not told from one that was set. So buffers, whose setting stops the kernel's own
 * tuning, are then left alone; SO_BUF_LOCK would tell, but only of the lock.
 */
void options_before_syn(int fd, uint64_t mask, struct slim_connect *request)
{
	uint32_t len = sizeof(request->congestion);

	if (mask != OPTIONS_ALL) {
		if (get_int(fd, mask, SOL_SOCKET, SO_RCVBUF, &request->rcvbuf))
			request->options |= SLIM_CONNECT_RCVBUF;
		if (get_int(fd, mask, SOL_SOCKET, SO_SNDBUF, &request->sndbuf))
			request->options |= SLIM_CONNECT_SNDBUF;
		if (get_int(fd, mask, IPPROTO_TCP, TCP_MAXSEG, &request->maxseg))
			request->options |= SLIM_CONNECT_MAXSEG;
		if (get_int(fd, mask, IPPROTO_TCP, TCP_SYNCNT, &request->syncnt))
			request->options |= SLIM_CONNECT_SYNCNT;
		if ((mask & options_bit(IPPROTO_TCP, TCP_CONGESTION)) &&
		    sys_getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, request->congestion,
				   &len) == 0)
			request->options |= SLIM_CONNECT_CONGESTION;
		if (get_int(fd, mask, IPPROTO_TCP, TCP_WINDOW_CLAMP, &request->window_clamp))
			request->options |= SLIM_CONNECT_WINDOW_CLAMP;
	}
	if (get_int(fd, mask, IPPROTO_TCP, TCP_USER_TIMEOUT, &request->user_timeout) &&
	    request->user_timeout)
		request->options |= SLIM_CONNECT_USER_TIMEOUT;
	tos_before_syn(fd, mask, request);
}

#define SO_BUF_LOCK_	72

/* Was this buffer's size set by the application? */
static bool buffer_is_set(int fd, int name)
{
	uint32_t lock = 0, len = sizeof(lock);

	if (sys_getsockopt(fd, SOL_SOCKET, SO_BUF_LOCK_, &lock, &len) < 0)
		return false;
	return lock & (name == SO_SNDBUF ? 1 : 2);
}

static void carry(int from, int to, const struct option *option, bool known)
{
	char value[VALUE_MAX], have[VALUE_MAX];
	uint32_t len, have_len;

	if (get(from, option, value, &len) < 0 || len > VALUE_MAX)
		return;
	if (!known && option->kind == CARRY_KNOWN)
		return;
	if (!known && option->kind == CARRY_HALF && !buffer_is_set(from, option->name))
		return;
	/* What is known to have been set is set; else only what differs. */
	if (!known && get(to, option, have, &have_len) == 0 && have_len == len &&
	    !memcmp(value, have, len))
		return;
	if (option->kind == CARRY_HALF) {
		int half;

		memcpy(&half, value, sizeof(half));
		half /= 2;
		memcpy(value, &half, sizeof(half));
	}
	/* What the host refuses stays as the host has it. */
	sys_setsockopt(to, option->level, option->name, value, len);
}

void options_carry(int from, int to, uint64_t mask)
{
	static const struct option priority = { SOL_SOCKET, SO_PRIORITY, CARRY, 4 };

	for (unsigned int i = 0; mask && i < TABLE_NUM; i++)
		if ((mask & 1ull << i) && table[i].kind != PACKET)
			carry(from, to, &table[i], mask != OPTIONS_ALL);
	/* Setting IP_TOS sets it as well. */
	if (mask & options_bit(IPPROTO_IP, IP_TOS))
		carry(from, to, &priority, false);
}

uint32_t options_listen_flags(int fd, uint64_t mask)
{
	uint32_t flags = 0, value = 0;
	char device[VALUE_MAX] = "";
	uint32_t len = sizeof(device);

	if (get_int(fd, mask, IPPROTO_TCP, TCP_DEFER_ACCEPT, &value) && value)
		flags |= SLIM_LISTEN_DEFER_ACCEPT;
	if ((mask & options_bit(SOL_SOCKET, SO_BINDTODEVICE)) &&
	    sys_getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device, &len) == 0 && len)
		flags |= SLIM_LISTEN_BOUND_DEVICE;
	return flags;
}
