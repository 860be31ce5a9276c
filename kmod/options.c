// SPDX-License-Identifier: GPL-2.0-only
/* options.c - which socket options, control messages and ioctls the holder of a sealed socket may use */
#include "options.h"

#include <linux/kernel.h>
#include <linux/fcntl.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/ipv6.h>
#include <linux/limits.h>
#include <linux/nospec.h>
#include <linux/socket.h>
#include <linux/sockios.h>
#include <linux/tcp.h>

#include <asm/ioctls.h>

#define GET	BIT(0)
#define SET	BIT(1)
#define ZERO	BIT(2)
#define EMPTY	BIT(3)
#define FAMILY	BIT(4)
#define AIMED	BIT(5)	/* who sets it is after another connection, or the host's network */

/*
 * Left out on purpose, and why. What acts on the host's network or names something of it: SO_BINDTODEVICE,
 * SO_BINDTOIFINDEX, SO_MARK, SO_DONTROUTE, SO_CNX_ADVICE, SO_TXTIME, SO_BUSY_POLL and its like, SO_NETNS_COOKIE,
 * SO_RCVMARK. Programs that see packets with their headers: SO_ATTACH_FILTER, SO_ATTACH_BPF. What lifts
 * limits: SO_SNDBUFFORCE, SO_RCVBUFFORCE (which no kernel lets read, either), SO_RESERVE_MEM.
 *
 * Many that cannot be set can be read, on this level as on the others: they say what somebody has asked for, which
 * here is nothing. The shim reads them all where one socket takes another's place.
 */
static const u8 of_socket[] = {
	[SO_DEBUG] = GET,
	[SO_REUSEADDR] = GET | SET,
	[SO_TYPE] = GET,
	[SO_ERROR] = GET,
	[SO_DONTROUTE] = GET | AIMED,
	[SO_BROADCAST] = GET | SET,
	[SO_SNDBUF] = GET | SET,
	[SO_RCVBUF] = GET | SET,
	[SO_KEEPALIVE] = GET | SET,
	[SO_OOBINLINE] = GET | SET,
	[SO_NO_CHECK] = GET,
	[SO_PRIORITY] = GET | SET,
	[SO_LINGER] = GET | SET,
	[SO_REUSEPORT] = GET | SET,
	[SO_PASSCRED] = GET,
	[SO_PEERCRED] = GET,
	[SO_RCVLOWAT] = GET | SET,
	[SO_SNDLOWAT] = GET,
	[SO_RCVTIMEO_OLD] = GET | SET,
	[SO_SNDTIMEO_OLD] = GET | SET,
	[SO_BINDTODEVICE] = EMPTY,
	[SO_PEERNAME] = GET,
	[SO_TIMESTAMP_OLD] = GET | SET,
	[SO_ACCEPTCONN] = GET,
	[SO_TIMESTAMPNS_OLD] = GET | SET,
	[SO_SNDBUFFORCE] = GET,
	[SO_RCVBUFFORCE] = GET,
	[SO_PASSSEC] = GET,
	[SO_MARK] = ZERO,
	[SO_TIMESTAMPING_OLD] = GET | SET,
	[SO_PROTOCOL] = GET,
	[SO_DOMAIN] = FAMILY,
	[SO_RXQ_OVFL] = GET | SET,
	[SO_WIFI_STATUS] = GET,
	[SO_PEEK_OFF] = GET | SET,
	[SO_NOFCS] = GET,
	[SO_LOCK_FILTER] = GET,
	[SO_SELECT_ERR_QUEUE] = GET | SET,
	[SO_BUSY_POLL] = GET,
	[SO_MAX_PACING_RATE] = GET | SET,
	[SO_BPF_EXTENSIONS] = GET,
	[SO_INCOMING_CPU] = GET | SET,
	[SO_MEMINFO] = GET,
	[SO_INCOMING_NAPI_ID] = ZERO,
	[SO_COOKIE] = GET,
	[SO_ZEROCOPY] = GET | SET,
	[SO_TXTIME] = GET,
	[SO_BINDTOIFINDEX] = ZERO,
	[SO_TIMESTAMP_NEW] = GET | SET,
	[SO_TIMESTAMPNS_NEW] = GET | SET,
	[SO_TIMESTAMPING_NEW] = GET | SET,
	[SO_RCVTIMEO_NEW] = GET | SET,
	[SO_SNDTIMEO_NEW] = GET | SET,
	[SO_PREFER_BUSY_POLL] = GET,
	[SO_BUF_LOCK] = GET | SET,
	[SO_RESERVE_MEM] = GET,
	[SO_TXREHASH] = GET,
	[SO_RCVMARK] = GET,
	[SO_BUSY_POLL_BUDGET] = GET,	/* (which no kernel has yet) */
	/* Of newer kernels, and not in all headers */
	[76 /* SO_PASSPIDFD */] = GET,
	[82 /* SO_RCVPRIORITY */] = GET,
	[83 /* SO_PASSRIGHTS */] = GET,
	[84 /* SO_INQ */] = GET,
};

/*
 * Left out on purpose: the state of the connection itself (TCP_REPAIR and its like), keys (TCP_MD5SIG, TCP_AO_*,
 * TCP_FASTOPEN_KEY), SYNs with their addresses (TCP_SAVED_SYN), another ULP, and TCP_TX_DELAY, which costs every
 * socket of the host something.
 */
static const u8 of_tcp[] = {
	[TCP_NODELAY] = GET | SET,
	[TCP_MAXSEG] = GET | SET,
	[TCP_CORK] = GET | SET,
	[TCP_KEEPIDLE] = GET | SET,
	[TCP_KEEPINTVL] = GET | SET,
	[TCP_KEEPCNT] = GET | SET,
	[TCP_SYNCNT] = GET | SET,
	[TCP_LINGER2] = GET | SET,
	[TCP_DEFER_ACCEPT] = GET | SET,
	[TCP_WINDOW_CLAMP] = GET | SET,
	[TCP_INFO] = GET,
	[TCP_QUICKACK] = GET | SET,
	[TCP_CONGESTION] = GET | SET,
	[TCP_THIN_LINEAR_TIMEOUTS] = GET | SET,
	[TCP_THIN_DUPACK] = GET | SET,
	[TCP_USER_TIMEOUT] = GET | SET,
	[TCP_NOTSENT_LOWAT] = GET | SET,
	[TCP_CC_INFO] = GET,
	[TCP_FASTOPEN_CONNECT] = GET | AIMED,
	[TCP_ULP] = EMPTY,
	[TCP_ZEROCOPY_RECEIVE] = GET,
	[TCP_INQ] = GET | SET,
	[TCP_TX_DELAY] = GET,
	/* Not in all headers; the last three of kernels from 6.15 on */
	[43 /* TCP_IS_MPTCP */] = GET,
	[44 /* TCP_RTO_MAX_MS */] = GET,
	[45 /* TCP_RTO_MIN_US */] = GET,
	[46 /* TCP_DELACK_MAX_US */] = GET,
};

/*
 * Left out on purpose: options and addresses of packets (IP_OPTIONS, IP_PKTOPTIONS and their like), what
 * chooses the way (IP_UNICAST_IF, IP_TRANSPARENT), and netfilter's, from 64 on (SO_ORIGINAL_DST tells
 * addresses).
 */
static const u8 of_ip[] = {
	[IP_TOS] = GET | SET,
	[IP_TTL] = GET | SET,
	[IP_RECVOPTS] = GET,
	[IP_RETOPTS] = GET,
	[IP_PKTINFO] = GET,
	[IP_MTU_DISCOVER] = GET | SET,
	[IP_RECVERR] = GET | SET,
	[IP_RECVTTL] = GET | SET,
	[IP_RECVTOS] = GET | SET,
	[IP_MTU] = GET,
	[IP_FREEBIND] = GET | SET,
	[IP_PASSSEC] = GET,
	[IP_TRANSPARENT] = GET | AIMED,
	[IP_RECVORIGDSTADDR] = GET,
	[IP_MINTTL] = GET,
	[IP_CHECKSUM] = GET,
	[IP_BIND_ADDRESS_NO_PORT] = GET | SET,
	[IP_RECVFRAGSIZE] = GET,
	[IP_RECVERR_RFC4884] = GET,
	[IP_MULTICAST_LOOP] = GET,
	[IP_MULTICAST_ALL] = GET,
};

/* The same. IPV6_ADDRFORM would give the socket other operations than ours. */
static const u8 of_ipv6[] = {
	[IPV6_2292PKTINFO] = GET,
	[IPV6_2292HOPOPTS] = GET,
	[IPV6_2292DSTOPTS] = GET,
	[IPV6_2292RTHDR] = GET,
	[IPV6_2292HOPLIMIT] = GET,
	[IPV6_FLOWINFO] = GET,
	[IPV6_UNICAST_HOPS] = GET | SET,
	[IPV6_MULTICAST_LOOP] = GET,
	[IPV6_MTU_DISCOVER] = GET | SET,
	[IPV6_MTU] = GET,
	[IPV6_RECVERR] = GET | SET,
	[IPV6_V6ONLY] = GET,
	[IPV6_MULTICAST_ALL] = GET,
	[IPV6_ROUTER_ALERT_ISOLATE] = GET,
	[IPV6_RECVERR_RFC4884] = GET,
	[IPV6_RECVPKTINFO] = GET,
	[IPV6_RECVHOPLIMIT] = GET,
	[IPV6_RECVHOPOPTS] = GET,
	[IPV6_RECVRTHDR] = GET,
	[IPV6_RECVDSTOPTS] = GET,
	[IPV6_RECVPATHMTU] = GET,
	[IPV6_DONTFRAG] = GET,
	[IPV6_RECVTCLASS] = GET | SET,
	[IPV6_TCLASS] = GET | SET,
	[IPV6_AUTOFLOWLABEL] = GET,
	[IPV6_MINHOPCOUNT] = GET,
	[IPV6_RECVORIGDSTADDR] = GET,
	[IPV6_TRANSPARENT] = GET | AIMED,
	[IPV6_RECVFRAGSIZE] = GET,
	[IPV6_FREEBIND] = GET,
};

static const struct {
	int level;
	const u8 *options;
	int num;
} levels[] = {
	{ SOL_SOCKET, of_socket, ARRAY_SIZE(of_socket) },
	{ SOL_TCP, of_tcp, ARRAY_SIZE(of_tcp) },
	{ SOL_IP, of_ip, ARRAY_SIZE(of_ip) },
	{ SOL_IPV6, of_ipv6, ARRAY_SIZE(of_ipv6) },
};

static u8 find(int level, int name)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(levels); i++)
		if (levels[i].level == level)
			return name >= 0 && name < levels[i].num ?
				       levels[i].options[array_index_nospec(name, levels[i].num)] : 0;
	return 0;
}

enum option_reading option_reading(int level, int name)
{
	u8 found = find(level, name);

	if (found & ZERO)
		return OPTION_ZERO;
	if (found & EMPTY)
		return OPTION_EMPTY;
	if (found & FAMILY)
		return OPTION_FAMILY;
	return found & GET ? OPTION_READ : OPTION_REFUSED;
}

/* What a shape holds fast. To set the one sets the other, too: TOS and priority are not to be told apart. */
static const struct {
	int level, name;
	u32 flags;
} shaped[] = {
	{ SOL_SOCKET, SO_MAX_PACING_RATE, SLIM_SHAPE_RATE },
	{ SOL_SOCKET, SO_PRIORITY, SLIM_SHAPE_PRIORITY },
	{ SOL_IP, IP_TOS, SLIM_SHAPE_TOS | SLIM_SHAPE_PRIORITY },
	{ SOL_IPV6, IPV6_TCLASS, SLIM_SHAPE_TOS },
};

/*
 * With CAP_NET_RAW in the host's user namespace, which containers mostly have, a priority names any class of the host's
 * queueing disciplines. Without SO_REUSEADDR, a connection of a slim port keeps the next router from binding it.
 */
static const struct {
	int level, name;
	int least, most;
} limits[] = {
	{ SOL_SOCKET, SO_PRIORITY, 0, SLIM_PRIORITY_MAX },
	{ SOL_SOCKET, SO_REUSEADDR, 1, INT_MAX },
	{ SOL_SOCKET, SO_REUSEPORT, 1, INT_MAX },
};

u32 option_shape(int level, int name)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(shaped); i++)
		if (shaped[i].level == level && shaped[i].name == name)
			return shaped[i].flags;
	return 0;
}

bool option_may_be_set(const struct slim_shape *shape, int level, int name, int *least, int *most)
{
	unsigned int i;

	*least = INT_MIN;
	*most = INT_MAX;
	for (i = 0; i < ARRAY_SIZE(limits); i++) {
		if (limits[i].level != level || limits[i].name != name)
			continue;
		*least = limits[i].least;
		*most = limits[i].most;
	}
	return find(level, name) & SET && !(shape->flags & option_shape(level, name));
}

bool option_is_harmless(int level, int name)
{
	u8 found = find(level, name);

	if (level == SOL_TLS || (level == SOL_TCP && name == TCP_ULP))
		return true;
	return found & (GET | SET) && !(found & AIMED);
}

/* --- control messages --- */

/* Of other levels than SOL_SOCKET TCP takes no notice; what is malformed it refuses itself. */
bool control_may_be_sent(struct msghdr *msg, int *type)
{
	struct cmsghdr *cmsg;

	for_each_cmsghdr(cmsg, msg) {
		if (!CMSG_OK(msg, cmsg))
			return true;
		if (cmsg->cmsg_level != SOL_SOCKET)
			continue;
		switch (cmsg->cmsg_type) {
		case SCM_RIGHTS:
		case SCM_CREDENTIALS:
		case SO_TIMESTAMPING_OLD:
		case SO_TIMESTAMPING_NEW:
			continue;
		default:
			*type = cmsg->cmsg_type;
			return false;
		}
	}
	return true;
}

/* --- ioctls --- */

static const unsigned int ioctls[] = {
	SIOCINQ,	  SIOCOUTQ,	    SIOCOUTQNSD,      SIOCATMARK,
	SIOCGSTAMP_OLD,	  SIOCGSTAMP_NEW,   SIOCGSTAMPNS_OLD, SIOCGSTAMPNS_NEW,
	FIOSETOWN,	  SIOCSPGRP,	    FIOGETOWN,	      SIOCGPGRP,
};

bool ioctl_is_allowed(unsigned int command)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ioctls); i++)
		if (ioctls[i] == command)
			return true;
	return false;
}

bool ioctl_is_of_sockets(unsigned int command)
{
	return _IOC_TYPE(command) == SOCK_IOC_TYPE;
}
