/* SPDX-License-Identifier: MIT */
/*
 * option.c - the socket options that scripts set and read
 *
 * Not those whose values depend on the way of the packets (TCP_MAXSEG), those that the kernel
 * changes by itself, and TCP_NOTSENT_LOWAT, by which a socket that is dissolved stays unwritable or
 * not as its sequence numbers happen to be.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "option.h"

const struct option options[] = {
	[NUMBER_V6ONLY] = { "v6only", IPPROTO_IPV6, IPV6_V6ONLY, OPTION_INT, { 0, 1, 1 } },
	[NUMBER_TCLASS] = { "tclass", IPPROTO_IPV6, IPV6_TCLASS, OPTION_INT, { 0, 16, 32 } },
	[NUMBER_HOPS] = { "hops", IPPROTO_IPV6, IPV6_UNICAST_HOPS, OPTION_INT, { -1, 60, 300 } },
	[NUMBER_ERROR] = { "error", SOL_SOCKET, SO_ERROR, OPTION_READ, { 0, 0, 0 } },
	[NUMBER_REUSEADDR] = { "reuseaddr", SOL_SOCKET, SO_REUSEADDR, OPTION_INT, { 1, 1, 0 } },
	[NUMBER_REUSEPORT] = { "reuseport", SOL_SOCKET, SO_REUSEPORT, OPTION_INT, { 1, 1, 0 } },
	[NUMBER_RCVTIMEO] = { "rcvtimeo", SOL_SOCKET, SO_RCVTIMEO, OPTION_TIME, { 0, 4, 4 } },
	[NUMBER_SNDTIMEO] = { "sndtimeo", SOL_SOCKET, SO_SNDTIMEO, OPTION_TIME, { 0, 4, 4 } },
	[NUMBER_FASTOPEN_CONNECT] = { "fastopen_connect", IPPROTO_TCP, TCP_FASTOPEN_CONNECT, OPTION_INT,
				      { 1, 1, 0 } },
	[NUMBER_MARK] = { "mark", SOL_SOCKET, SO_MARK, OPTION_INT, { 0, 7, 9 } },
	[NUMBER_RCVBUF] = { "rcvbuf", SOL_SOCKET, SO_RCVBUF, OPTION_INT, { 20000, 30000, 9000 } },
	[NUMBER_SNDBUF] = { "sndbuf", SOL_SOCKET, SO_SNDBUF, OPTION_INT, { 20000, 30000, 9000 } },
	[NUMBER_MORE] =
	{ "type", SOL_SOCKET, SO_TYPE, OPTION_READ, { 0, 0, 0 } },
	{ "domain", SOL_SOCKET, SO_DOMAIN, OPTION_READ, { 0, 0, 0 } },
	{ "protocol", SOL_SOCKET, SO_PROTOCOL, OPTION_READ, { 0, 0, 0 } },
	{ "acceptconn", SOL_SOCKET, SO_ACCEPTCONN, OPTION_READ, { 0, 0, 0 } },
	{ "keepalive", SOL_SOCKET, SO_KEEPALIVE, OPTION_INT, { 1, 1, 0 } },
	{ "linger", SOL_SOCKET, SO_LINGER, OPTION_LINGER, { -1, 0, 1 } },
	{ "oobinline", SOL_SOCKET, SO_OOBINLINE, OPTION_INT, { 1, 1, 0 } },
	{ "rcvlowat", SOL_SOCKET, SO_RCVLOWAT, OPTION_INT, { 1, 4, 9 } },
	{ "priority", SOL_SOCKET, SO_PRIORITY, OPTION_INT, { 0, 3, 6 } },
	{ "nodelay", IPPROTO_TCP, TCP_NODELAY, OPTION_INT, { 1, 1, 0 } },
	{ "cork", IPPROTO_TCP, TCP_CORK, OPTION_INT, { 1, 0, 0 } },
	{ "keepidle", IPPROTO_TCP, TCP_KEEPIDLE, OPTION_INT, { 30, 60, 0 } },
	{ "keepintvl", IPPROTO_TCP, TCP_KEEPINTVL, OPTION_INT, { 30, 60, 0 } },
	{ "keepcnt", IPPROTO_TCP, TCP_KEEPCNT, OPTION_INT, { 3, 6, 0 } },
	{ "syncnt", IPPROTO_TCP, TCP_SYNCNT, OPTION_INT, { 2, 3, 0 } },
	{ "linger2", IPPROTO_TCP, TCP_LINGER2, OPTION_INT, { 5, 7, -1 } },
	{ "user_timeout", IPPROTO_TCP, TCP_USER_TIMEOUT, OPTION_INT, { 0, 7000, 9000 } },
	{ "tos", IPPROTO_IP, IP_TOS, OPTION_INT, { 0, 16, 32 } },
	{ "ttl", IPPROTO_IP, IP_TTL, OPTION_INT, { 60, 61, 300 } },
};

const int options_num = sizeof(options) / sizeof(options[0]);

int option_find(const char *word)
{
	for (int i = 0; i < options_num; i++)
		if (!strcmp(options[i].word, word))
			return i;
	return -1;
}
