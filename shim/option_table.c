/* SPDX-License-Identifier: MIT */
/*
 * option_table.c - which socket options there are, and how each follows a socket
 *
 * An option that is in none of these tables keeps its socket on the packet path, and a listener from
 * being announced: what nobody here has thought of is the kernel's own.
 *
 * The common table's order is the order of the bits that shims put into LISTEN and read from
 * CLAIM_REPLY: append only. Bit 63 stands for all options that came later than
 * the table of an older shim, so it is never used.
 */
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/tcp.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "option_table.h"

/* Those that headers of some years ago lack, by their numbers. */
#define SO_TIMESTAMP_OLD_	29
#define SO_TIMESTAMPNS_OLD_	35
#define SO_TIMESTAMPING_OLD_	37
#define SO_ZEROCOPY_		60
#define SO_TXTIME_		61
#define SO_BINDTOIFINDEX_	62
#define SO_TIMESTAMP_NEW_	63
#define SO_TIMESTAMPNS_NEW_	64
#define SO_TIMESTAMPING_NEW_	65
#define SO_RCVTIMEO_NEW_	66
#define SO_SNDTIMEO_NEW_	67
#define SO_PREFER_BUSY_POLL_	69
#define SO_BUSY_POLL_BUDGET_	70
#define SO_BUF_LOCK_		72
#define SO_RESERVE_MEM_		73
#define SO_TXREHASH_		74
#define SO_RCVMARK_		75
#define SO_PASSPIDFD_		76
#define SO_DEVMEM_DONTNEED_	80
#define SO_RCVPRIORITY_		82
#define SO_PASSRIGHTS_		83
#define SO_INQ_			84
#define TCP_RTO_MAX_MS_		44
#define TCP_RTO_MIN_US_		45
#define TCP_DELACK_MAX_US_	46
#define IP_LOCAL_PORT_RANGE_	51
#define IPV6_ROUTER_ALERT_ISOLATE_	30
#define IPV6_RECVERR_RFC4884_	31
#define IP_RECVERR_RFC4884_	26

#define TXTIME_SIZE		8	/* struct sock_txtime */
#define TIMESTAMPING_SIZE	8	/* struct so_timestamping */

#define CARRY		OPTION_CARRY
#define CARRY_KNOWN	OPTION_CARRY_KNOWN
#define CARRY_HALF	OPTION_CARRY_HALF
#define PACKET		OPTION_PACKET
#define NUM(table)	(sizeof(table) / sizeof((table)[0]))

const struct option option_common[] = {
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
	{ SOL_SOCKET, SO_PREFER_BUSY_POLL_, CARRY, 4 },
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

const unsigned int option_common_num = NUM(option_common);

_Static_assert(NUM(option_common) <= OPTION_COMMON_MAX, "bits of a word");

/* In any order; SO_BUF_LOCK says less than what the common table has set before. */
const struct option option_rare[] = {
	{ SOL_SOCKET, SO_DEBUG, CARRY, 4 },
	{ SOL_SOCKET, SO_DONTROUTE, PACKET, 4 },
	{ SOL_SOCKET, SO_BROADCAST, CARRY, 4 },
	{ SOL_SOCKET, SO_NO_CHECK, CARRY, 4 },
	{ SOL_SOCKET, SO_PASSCRED, CARRY, 4 },
	{ SOL_SOCKET, SO_PASSSEC, CARRY, 4 },
	{ SOL_SOCKET, SO_RXQ_OVFL, CARRY, 4 },
	{ SOL_SOCKET, SO_WIFI_STATUS, CARRY, 4 },
	{ SOL_SOCKET, SO_PEEK_OFF, CARRY, 4 },
	{ SOL_SOCKET, SO_NOFCS, CARRY, 4 },
	{ SOL_SOCKET, SO_LOCK_FILTER, CARRY, 4 },
	{ SOL_SOCKET, SO_SELECT_ERR_QUEUE, CARRY, 4 },
	{ SOL_SOCKET, SO_TXTIME_, CARRY, TXTIME_SIZE },
	{ SOL_SOCKET, SO_TIMESTAMP_NEW_, CARRY, 4 },
	{ SOL_SOCKET, SO_TIMESTAMPNS_NEW_, CARRY, 4 },
	{ SOL_SOCKET, SO_TIMESTAMPING_NEW_, CARRY, TIMESTAMPING_SIZE },
	{ SOL_SOCKET, SO_BUSY_POLL_BUDGET_, CARRY, 4 },
	{ SOL_SOCKET, SO_BUF_LOCK_, CARRY, 4 },
	{ SOL_SOCKET, SO_RESERVE_MEM_, CARRY, 4 },
	{ SOL_SOCKET, SO_TXREHASH_, CARRY, 4 },
	{ SOL_SOCKET, SO_RCVMARK_, CARRY, 4 },
	{ SOL_SOCKET, SO_PASSPIDFD_, CARRY, 4 },
	{ SOL_SOCKET, SO_RCVPRIORITY_, CARRY, 4 },
	{ SOL_SOCKET, SO_PASSRIGHTS_, CARRY, 4 },
	{ SOL_SOCKET, SO_INQ_, CARRY, 4 },
	{ IPPROTO_TCP, TCP_SAVE_SYN, PACKET, 4 },
	{ IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, PACKET, 4 },
	{ IPPROTO_TCP, TCP_RTO_MAX_MS_, CARRY, 4 },
	{ IPPROTO_TCP, TCP_RTO_MIN_US_, CARRY, 4 },
	{ IPPROTO_TCP, TCP_DELACK_MAX_US_, CARRY, 4 },
	{ IPPROTO_IP, IP_OPTIONS, PACKET, 40 },
	{ IPPROTO_IP, IP_RECVOPTS, CARRY, 4 },
	{ IPPROTO_IP, IP_RETOPTS, CARRY, 4 },
	{ IPPROTO_IP, IP_PKTINFO, CARRY, 4 },
	{ IPPROTO_IP, IP_RECVTTL, CARRY, 4 },
	{ IPPROTO_IP, IP_PASSSEC, CARRY, 4 },
	{ IPPROTO_IP, IP_RECVORIGDSTADDR, CARRY, 4 },
	{ IPPROTO_IP, IP_CHECKSUM, CARRY, 4 },
	{ IPPROTO_IP, IP_RECVFRAGSIZE, CARRY, 4 },
	{ IPPROTO_IP, IP_RECVERR_RFC4884_, CARRY, 4 },
	{ IPPROTO_IP, IP_MULTICAST_LOOP, CARRY, 4 },
	{ IPPROTO_IP, IP_MULTICAST_ALL, CARRY, 4 },
	{ IPPROTO_IP, IP_UNICAST_IF, PACKET, 4 },
	{ IPPROTO_IP, IP_LOCAL_PORT_RANGE_, PACKET, 4 },
	{ IPPROTO_IPV6, IPV6_2292PKTINFO, CARRY, 4 },
	{ IPPROTO_IPV6, IPV6_2292HOPOPTS, CARRY, 4 },
	{ IPPROTO_IPV6, IPV6_2292DSTOPTS, CARRY, 4 },
	{ IPPROTO_IPV6, IPV6_2292RTHDR, CARRY, 4 },
	{ IPPROTO_IPV6, IPV6_2292HOPLIMIT, CARRY, 4 },
	{ IPPROTO_IPV6, IPV6_FLOWINFO, CARRY, 4 },
	{ IPPROTO_IPV6, IPV6_MULTICAST_LOOP, CARRY, 4 },
	{ IPPROTO_IPV6, IPV6_MULTICAST_ALL, CARRY, 4 },
	{ IPPROTO_IPV6, IPV6_ROUTER_ALERT_ISOLATE_, CARRY, 4 },
	{ IPPROTO_IPV6, IPV6_RECVERR_RFC4884_, CARRY, 4 },
	{ IPPROTO_IPV6, IPV6_FLOWINFO_SEND, PACKET, 4 },
	{ IPPROTO_IPV6, IPV6_RECVPKTINFO, CARRY, 4 },
	{ IPPROTO_IPV6, IPV6_RECVHOPLIMIT, CARRY, 4 },
	{ IPPROTO_IPV6, IPV6_RECVHOPOPTS, CARRY, 4 },
	{ IPPROTO_IPV6, IPV6_RECVRTHDR, CARRY, 4 },
	{ IPPROTO_IPV6, IPV6_RECVDSTOPTS, CARRY, 4 },
	{ IPPROTO_IPV6, IPV6_RECVPATHMTU, CARRY, 4 },
	{ IPPROTO_IPV6, IPV6_DONTFRAG, CARRY, 4 },
	{ IPPROTO_IPV6, IPV6_AUTOFLOWLABEL, CARRY, 4 },
	{ IPPROTO_IPV6, IPV6_RECVORIGDSTADDR, CARRY, 4 },
	{ IPPROTO_IPV6, IPV6_TRANSPARENT, PACKET, 4 },
	{ IPPROTO_IPV6, IPV6_UNICAST_IF, PACKET, 4 },
	{ IPPROTO_IPV6, IPV6_RECVFRAGSIZE, CARRY, 4 },
	{ IPPROTO_IPV6, IPV6_FREEBIND, CARRY, 4 },
};

const unsigned int option_rare_num = NUM(option_rare);

/* Other ways to set one of the above */
static const struct {
	int level, name, as;
} also[] = {
	{ SOL_SOCKET, SO_RCVBUFFORCE, SO_RCVBUF },
	{ SOL_SOCKET, SO_SNDBUFFORCE, SO_SNDBUF },
	{ SOL_SOCKET, SO_RCVTIMEO_NEW_, SO_RCVTIMEO },
	{ SOL_SOCKET, SO_SNDTIMEO_NEW_, SO_SNDTIMEO },
	{ SOL_SOCKET, SO_BINDTOIFINDEX_, SO_BINDTODEVICE },
};

struct name {
	int level, name;
};

/*
 * Of listeners alone: what they do with what comes. (Programs that choose which of them gets it are in no table:
 * they choose by the segment that opens a connection, and must not see a ticket's in the place of a client's.)
 */
static const struct name listening[] = {
	{ IPPROTO_TCP, TCP_FASTOPEN },
	{ IPPROTO_TCP, TCP_FASTOPEN_KEY },
};

/* Without any trace, or of the name that a socket takes */
static const struct name traceless[] = {
	{ SOL_SOCKET, SO_BSDCOMPAT },
	{ SOL_SOCKET, SO_DETACH_FILTER },
	{ SOL_SOCKET, SO_CNX_ADVICE },
	{ SOL_SOCKET, SO_DEVMEM_DONTNEED_ },
	{ IPPROTO_TCP, TCP_THIN_DUPACK },
	{ IPPROTO_IPV6, IPV6_V6ONLY },
};

static bool is_in(const struct name *names, size_t num, int level, int name)
{
	for (size_t i = 0; i < num; i++)
		if (names[i].level == level && names[i].name == name)
			return true;
	return false;
}

uint64_t options_bit(int level, int name)
{
	for (size_t i = 0; i < NUM(also); i++)
		if (also[i].level == level && also[i].name == name)
			name = also[i].as;
	for (unsigned int i = 0; i < NUM(option_common); i++)
		if (option_common[i].level == level && option_common[i].name == name)
			return 1ull << i;
	for (unsigned int i = 0; i < NUM(option_rare); i++)
		if (option_rare[i].level == level && option_rare[i].name == name)
			return OPTIONS_RARE;
	if (is_in(traceless, NUM(traceless), level, name))
		return 0;
	return is_in(listening, NUM(listening), level, name) ? OPTIONS_LISTENING : OPTIONS_STRANGE;
}
