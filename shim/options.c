/* SPDX-License-Identifier: MIT */
/*
 * options.c - socket options that follow an application's socket
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

#define SO_BUF_LOCK_	72
#define VALUE_MAX	64

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

static bool keeps_packet(int fd, const struct option *option)
{
	char value[VALUE_MAX];
	uint32_t len;

	return option->kind == OPTION_PACKET && get(fd, option, value, &len) == 0 &&
	       !all_zero(value, len);
}

/* How many instructions it has is said in the place of its length. */
static bool has_filter(int fd)
{
	uint32_t len = 0;

	return sys_getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, NULL, &len) == 0 && len;
}

bool options_keep_packet(int fd, uint64_t mask)
{
	if (mask != OPTIONS_ALL && (mask & (OPTIONS_STRANGE | OPTIONS_LISTENING)))
		return true;
	for (unsigned int i = 0; i < option_common_num; i++)
		if ((mask & 1ull << i) && keeps_packet(fd, &option_common[i]))
			return true;
	for (unsigned int i = 0; (mask & OPTIONS_RARE) && i < option_rare_num; i++)
		if (keeps_packet(fd, &option_rare[i]))
			return true;
	return mask == OPTIONS_ALL && has_filter(fd);
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

/* Was this buffer's size set by the application? */
static bool buffer_is_set(int fd, int name)
{
	uint32_t lock = 0, len = sizeof(lock);

	if (sys_getsockopt(fd, SOL_SOCKET, SO_BUF_LOCK_, &lock, &len) < 0)
		return false;
	return lock & (name == SO_SNDBUF ? 1 : 2);
}

/* A buffer that is larger than anybody may have, somebody was allowed to have. */
static void carry_half(int to, const struct option *option, const char *value)
{
	int size, half, force = option->name == SO_RCVBUF ? SO_RCVBUFFORCE : SO_SNDBUFFORCE;
	uint32_t len = sizeof(int);
	int have = 0;

	memcpy(&size, value, sizeof(size));
	half = size / 2;
	sys_setsockopt(to, option->level, option->name, &half, sizeof(half));
	if (sys_getsockopt(to, option->level, option->name, &have, &len) == 0 && have < size)
		sys_setsockopt(to, option->level, force, &half, sizeof(half));
}

static void carry(int from, int to, const struct option *option, bool known)
{
	char value[VALUE_MAX], have[VALUE_MAX];
	uint32_t len, have_len;

	if (get(from, option, value, &len) < 0 || len > VALUE_MAX)
		return;
	if (!known && option->kind == OPTION_CARRY_KNOWN)
		return;
	if (!known && option->kind == OPTION_CARRY_HALF && !buffer_is_set(from, option->name))
		return;
	/* What is known to have been set is set; else only what differs. */
	if (!known && get(to, option, have, &have_len) == 0 && have_len == len &&
	    !memcmp(value, have, len))
		return;
	if (option->kind == OPTION_CARRY_HALF)
		carry_half(to, option, value);
	else
		/* What the host refuses stays as the host has it. */
		sys_setsockopt(to, option->level, option->name, value, len);
}

void options_carry(int from, int to, uint64_t mask)
{
	static const struct option priority = { SOL_SOCKET, SO_PRIORITY, OPTION_CARRY, 4 };

	for (unsigned int i = 0; mask && i < option_common_num; i++)
		if ((mask & 1ull << i) && option_common[i].kind != OPTION_PACKET)
			carry(from, to, &option_common[i], mask != OPTIONS_ALL);
	/* Setting IP_TOS sets it as well. */
	if (mask & options_bit(IPPROTO_IP, IP_TOS))
		carry(from, to, &priority, false);
	for (unsigned int i = 0; (mask & OPTIONS_RARE) && i < option_rare_num; i++)
		if (option_rare[i].kind != OPTION_PACKET)
			carry(from, to, &option_rare[i], false);
}

uint32_t options_listen_flags(int fd, uint64_t mask)
{
	uint32_t flags = 0, value = 0;

	if (get_int(fd, mask, IPPROTO_TCP, TCP_DEFER_ACCEPT, &value) && value)
		flags |= SLIM_LISTEN_DEFER_ACCEPT;
	if (options_keep_packet(fd, mask == OPTIONS_ALL ? mask : mask & ~OPTIONS_LISTENING))
		flags |= SLIM_LISTEN_PACKET;
	return flags;
}
