/* SPDX-License-Identifier: MIT */
/*
 * attacks.c - what a container could do with a host's socket that it holds, and that it cannot when it is sealed
 *
 * Rows of one table, each with all credentials, states of the connection, and holders. Each row is first tried on a socket that
 * is not sealed: there it must come off for somebody, or it would show nothing. On a sealed one each must end
 * with the row's error, and the connection must go on.
 *
 *	attacks [WORD]		those rows whose name has the word; all of them, and all numbers of options
 *
 * In the short form (TEST_SHORT) a row has each credential once, in another state and by another holder each time.
 */
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/errqueue.h>
#include <linux/filter.h>
#include <linux/kcm.h>
#include <linux/net_tstamp.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <time.h>

#include "guard.h"

#include "executor.h"

#ifndef SIOCGSKNS
#define SIOCGSKNS	0x894C
#endif
#define SO_NETNS_COOKIE_	71
#define SO_RESERVE_MEM_		73
#define SO_RCVMARK_		75
#define HOST_PORT		7777	/* of a listener that attacks are aimed at */
#define HOST_MARK		0x54000005

enum credential { CONTAINER, NET_ADMIN, USER_ROOT, UNPRIVILEGED, PRIVILEGED, CREDENTIAL_NUM };
enum state { CONNECTING, ESTABLISHED, HALF_CLOSED, ABORTED, STATE_NUM };
enum holder { HOLDER, CHILD, RECEIVER, PIDFD, TRACER, URING, COMPAT, HOLDER_NUM };

static const char *const credentials[] = { "container", "net_admin", "user root", "unprivileged", "privileged" };
static const char *const states[] = { "connecting", "established", "half-closed", "aborted" };
static const char *const holders[] = { "holder", "child", "receiver", "pidfd", "tracer", "io_uring", "32-bit" };

/* Where calls find what they are given, and leave what they find */
static struct shared {
	char out[4096];
	char in[4096];
	char more[4096];
	int length;
	int domain;		/* of the host's socket, whatever the holder is told */
	long result;
	unsigned int came_off[128];	/* of each row, unguarded: a bit for each credential */
	unsigned int refused[128];
	unsigned int failed;
	struct {
		int row, credential, state, holder;
	} now;			/* for who waits in vain */
} *shared;

static int target;		/* the descriptor that attacks are aimed at */

/* --- pieces of attacks: results are 0 and more, or -errno --- */

static long set(int level, int name, const void *value, int len)
{
	memcpy(shared->in, value, (size_t)len);
	return CALL(SYS_setsockopt, target, level, name, shared->in, len);
}

static long set_int(int level, int name, int value)
{
	return set(level, name, &value, sizeof(value));
}

static long get(int level, int name, int len)
{
	memset(shared->out, 0, sizeof(shared->out));
	shared->length = len;
	return CALL(SYS_getsockopt, target, level, name, shared->out, &shared->length);
}

/* -ENODATA, as long as nothing of the host is in what was told */
static long leaks(long result)
{
	static const char address[3] = { (char)192, 0, 2 };

	if (result < 0)
		return result;
	if (memmem(shared->out, sizeof(shared->out), address, sizeof(address)) ||
	    memmem(shared->out, sizeof(shared->out), "host0", 5))
		return 1;
	return -ENODATA;
}

static long not_zero(long result)
{
	int value;

	memcpy(&value, shared->out, sizeof(value));
	return result < 0 ? result : value ? 1 : -ENODATA;
}

static long control(unsigned long command)
{
	return CALL(SYS_ioctl, target, command, shared->out);
}

static size_t address_size(void)
{
	return shared->domain == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
}

/* The host's listener, as the socket takes addresses; of so many bytes */
static size_t put_aim(void)
{
	struct sockaddr_in6 *in6 = (void *)shared->in;

	if (shared->domain == AF_INET) {
		*(struct sockaddr_in *)shared->in = address4(HOST_ADDRESS, HOST_PORT);
	} else {
		*in6 = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = htons(HOST_PORT) };
		inet_pton(AF_INET6, "::ffff:" HOST_ADDRESS, &in6->sin6_addr);
	}
	return address_size();
}

static long dissolve(void)
{
	memset(shared->in, 0, sizeof(struct sockaddr_in));
	return CALL(SYS_connect, target, shared->in, sizeof(struct sockaddr_in));
}

static long bind_to(uint16_t port)
{
	struct sockaddr_in6 *in6 = (void *)shared->in;

	memset(in6, 0, sizeof(*in6));
	in6->sin6_family = (sa_family_t)shared->domain;
	in6->sin6_port = htons(port);
	return CALL(SYS_bind, target, in6, address_size());
}

/* --- the attacks --- */

static long rebind(void) { return bind_to(0); }

static long reuse(void)
{
	long result = dissolve();
	size_t len = put_aim();

	if (result != NOT_APPLICABLE)
		result = CALL(SYS_connect, target, shared->in, len);
	return result == -EINPROGRESS ? 0 : result;
}

static long rebind_dissolved(void)
{
	long result = dissolve();

	return result == NOT_APPLICABLE ? result : bind_to(0);
}

static long serve(void)
{
	long result = dissolve();

	return result == NOT_APPLICABLE ? result : CALL(SYS_listen, target, 5);
}

static struct msghdr *message_in(size_t room)
{
	struct msghdr *message = (void *)shared->more;
	struct iovec *vec = (void *)(shared->more + 512);

	memset(shared->out, 0, sizeof(shared->out));
	memset(shared->more, 0, 1024);
	*vec = (struct iovec){ shared->out, room };
	*message = (struct msghdr){ .msg_iov = vec, .msg_iovlen = 1 };
	return message;
}

static long fast_open(void)
{
	struct msghdr *message;
	long result = dissolve();

	if (result == NOT_APPLICABLE)
		return result;
	message = message_in(1);
	message->msg_name = shared->in;
	message->msg_namelen = (socklen_t)put_aim();
	result = CALL(SYS_sendmsg, target, message, MSG_FASTOPEN | MSG_NOSIGNAL);
	return result == -EINPROGRESS ? 0 : result;
}

static long fast_open_connect(void)
{
	dissolve();
	return set_int(IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1);
}

static long bind_to_device(void) { return set(SOL_SOCKET, SO_BINDTODEVICE, "host0", 6); }
static long bind_to_index(void) { return set_int(SOL_SOCKET, SO_BINDTOIFINDEX, 1); }
static long mark(void) { return set_int(SOL_SOCKET, SO_MARK, 5); }
static long high_priority(void) { return set_int(SOL_SOCKET, SO_PRIORITY, 0x10001); }
static long negative_priority(void) { return set_int(SOL_SOCKET, SO_PRIORITY, -1); }
static long no_route(void) { return set_int(SOL_SOCKET, SO_DONTROUTE, 1); }
static long no_reuse(void) { return set_int(SOL_SOCKET, SO_REUSEADDR, 0); }
static long no_reuse_port(void) { return set_int(SOL_SOCKET, SO_REUSEPORT, 0); }
static long big_send(void) { return set_int(SOL_SOCKET, SO_SNDBUFFORCE, 1 << 28); }
static long big_receive(void) { return set_int(SOL_SOCKET, SO_RCVBUFFORCE, 1 << 28); }
static long busy_poll(void) { return set_int(SOL_SOCKET, SO_BUSY_POLL, 100); }
static long receive_mark(void) { return set_int(SOL_SOCKET, SO_RCVMARK_, 1); }
static long lock_filter(void) { return set_int(SOL_SOCKET, SO_LOCK_FILTER, 1); }
static long pace(void) { return set_int(SOL_SOCKET, SO_MAX_PACING_RATE, 1 << 30); }
static long tos(void) { return set_int(IPPROTO_IP, IP_TOS, 0x10); }
static long traffic_class(void) { return set_int(IPPROTO_IPV6, IPV6_TCLASS, 0x10); }
static long priority(void) { return set_int(SOL_SOCKET, SO_PRIORITY, 4); }
static long ip_options(void) { return set(IPPROTO_IP, IP_OPTIONS, "\1\1\1\1", 4); }
static long transparent(void) { return set_int(IPPROTO_IP, IP_TRANSPARENT, 1); }
static long unicast_if(void) { return set_int(IPPROTO_IP, IP_UNICAST_IF, (int)htonl(1)); }
static long addrform(void) { return set_int(IPPROTO_IPV6, IPV6_ADDRFORM, AF_INET); }
static long repair(void) { return set_int(IPPROTO_TCP, TCP_REPAIR, 1); }
static long ulp(void) { return set(IPPROTO_TCP, TCP_ULP, "tls", 4); }
static long tx_delay(void) { return set_int(IPPROTO_TCP, TCP_TX_DELAY, 1000); }
static long save_syn(void) { return set_int(IPPROTO_TCP, TCP_SAVE_SYN, 1); }

static long signature(void)
{
	struct tcp_md5sig sig = { .tcpm_keylen = 4 };

	*(struct sockaddr_in *)&sig.tcpm_addr = address4(HOST_ADDRESS, 0);
	return set(IPPROTO_TCP, TCP_MD5SIG, &sig, sizeof(sig));
}

/* A program of one instruction */
static long attach(int option)
{
	struct sock_filter *all = (void *)shared->more;
	struct {
		uint16_t len;
		uint64_t filter;
	} program = { 1, (uint64_t)(uintptr_t)all };
	struct {
		uint16_t len;
		uint32_t filter;
	} program32 = { 1, (uint32_t)(uintptr_t)all };

	*all = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 0xffffffff);
	return is_compat() ? set(SOL_SOCKET, option, &program32, sizeof(program32)) :
			     set(SOL_SOCKET, option, &program, sizeof(program));
}

static long filter(void) { return attach(SO_ATTACH_FILTER); }

/* In an area that @message does not use, and in the caller's format */
static void add_control(struct msghdr *message, int level, int type, const void *value, size_t len)
{
	struct cmsghdr *head = (void *)(shared->more + 1024);
	struct {
		uint32_t len;
		int32_t level, type;
		char data[];
	} *head32 = (void *)head;

	memset(head, 0, 256);
	if (is_compat()) {
		head32->len = (uint32_t)(sizeof(*head32) + len);
		head32->level = level;
		head32->type = type;
		memcpy(head32->data, value, len);
		message->msg_controllen = (head32->len + 3) & ~3u;
	} else {
		head->cmsg_len = CMSG_LEN(len);
		head->cmsg_level = level;
		head->cmsg_type = type;
		memcpy(CMSG_DATA(head), value, len);
		message->msg_controllen = CMSG_SPACE(len);
	}
	message->msg_control = head;
}

static long send_control(int level, int type, const void *value, size_t len)
{
	struct msghdr *message = message_in(1);

	add_control(message, level, type, value, len);
	return CALL(SYS_sendmsg, target, message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static long send_mark(void)
{
	return send_control(SOL_SOCKET, SO_MARK, &(uint32_t){ 5 }, 4);
}

static long send_time(void)
{
	const struct sock_txtime clock = { .clockid = CLOCK_MONOTONIC };

	set(SOL_SOCKET, SO_TXTIME, &clock, sizeof(clock));
	return send_control(SOL_SOCKET, SCM_TXTIME, &(uint64_t){ 1 }, 8);
}

static long own_name(void)
{
	memset(shared->out, 0, sizeof(shared->out));
	shared->length = 64;
	return leaks(CALL(SYS_getsockname, target, shared->out, &shared->length));
}

static long peer_name(void)
{
	memset(shared->out, 0, sizeof(shared->out));
	shared->length = 64;
	return leaks(CALL(SYS_getpeername, target, shared->out, &shared->length));
}

static long so_peername(void) { return leaks(get(SOL_SOCKET, SO_PEERNAME, 16)); }
static long read_mark(void) { return not_zero(get(SOL_SOCKET, SO_MARK, 4)); }
static long netns_cookie(void) { return get(SOL_SOCKET, SO_NETNS_COOKIE_, 8); }

/* Addresses of the last packet, for who asks afterwards */
static long packet_options(void)
{
	set_int(IPPROTO_IP, IP_PKTINFO, 1);
	return leaks(get(IPPROTO_IP, IP_PKTOPTIONS, 512));
}

static long packet_options6(void)
{
	long result = set_int(IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);

	if (result < 0)
		return result;
	return get(IPPROTO_IPV6, IPV6_2292PKTOPTIONS, 512);
}

/* A packet comes back with its time stamp, and its headers; by MSG_ERRQUEUE names come, too. */
static long receive_error(int flags)
{
	struct pollfd poll_for = { .fd = target };
	struct msghdr *message;
	long result;

	result = set_int(SOL_SOCKET, SO_TIMESTAMPING,
			 SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE | flags);
	if (result < 0)
		return result;
	message = message_in(1);
	result = CALL(SYS_sendmsg, target, message, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (result < 0)
		return result == NOT_APPLICABLE ? result : -ENODATA;
	poll(&poll_for, 1, 1000);
	message = message_in(1024);
	message->msg_name = shared->out + 1024;
	message->msg_namelen = 128;
	message->msg_control = shared->out + 2048;
	message->msg_controllen = 1024;
	result = CALL(SYS_recvmsg, target, message, MSG_ERRQUEUE | MSG_DONTWAIT);
	return result < 0 ? (result == -EAGAIN ? -ENODATA : result) : leaks(result);
}

static long error_queue(void) { return receive_error(0); }

/* With its device and addresses as a control message */
static long error_info(void)
{
	long result;

	set_int(IPPROTO_IP, IP_PKTINFO, 1);
	result = receive_error(SOF_TIMESTAMPING_OPT_CMSG);
	if (result < 0)
		return result;
	memset(shared->out, 0, 2048);
	return leaks(0);
}

/* --- by its file (EINVAL: to a user whom the caller's user namespace does not have) --- */

static long change_owner(void)
{
	return CALL(SYS_fchown, target, 12345, -1);
}

/* Its name in /proc, where all processes of the test are, as the way there may be closed to some */
static char *file_name(void)
{
	snprintf(shared->in, sizeof(shared->in), "self/fd/%d", target);
	return shared->in;
}

static long change_owner_by_name(void)
{
	return CALL(SYS_chown, file_name(), 12345, -1);
}

static long open_again(void)
{
	return CALL(SYS_open, file_name(), O_RDWR);
}

/* --- into a group of the host's that shares a port --- */

static long share_port(void)
{
	long result = dissolve();

	if (result == NOT_APPLICABLE)
		return result;
	set_int(SOL_SOCKET, SO_REUSEPORT, 1);
	result = bind_to(HOST_PORT);
	return result < 0 ? result : CALL(SYS_listen, target, 5);
}

static long choose_for_group(void)
{
	dissolve();
	set_int(SOL_SOCKET, SO_REUSEPORT, 1);
	return attach(SO_ATTACH_REUSEPORT_CBPF);
}

static long interfaces(void)
{
	struct ifconf conf = { .ifc_len = 2048, .ifc_buf = shared->out };
	uint32_t conf32[2] = { 2048, (uint32_t)(uintptr_t)shared->out };

	memset(shared->out, 0, sizeof(shared->out));
	if (is_compat())
		memcpy(shared->in, conf32, sizeof(conf32));
	else
		memcpy(shared->in, &conf, sizeof(conf));
	return leaks(CALL(SYS_ioctl, target, SIOCGIFCONF, shared->in));
}

static long interface(unsigned long command)
{
	struct ifreq request = { .ifr_name = "host0" };

	memset(shared->out, 0, sizeof(shared->out));
	memcpy(shared->out, &request, sizeof(request));
	request.ifr_mtu = 1500;
	if (command == SIOCSIFMTU)
		memcpy(shared->out, &request, sizeof(request));
	return control(command);
}

static long interface_address(void) { return interface(SIOCGIFADDR); }
static long interface_index(void) { return interface(SIOCGIFINDEX); }
static long interface_hardware(void) { return interface(SIOCGIFHWADDR); }
static long interface_flags(void) { return interface(SIOCGIFFLAGS); }
static long interface_mtu(void) { return interface(SIOCSIFMTU); }

static long namespace(void)
{
	long fd = control(SIOCGSKNS);

	if (fd > 0)
		CALL(SYS_close, fd);
	return fd;
}

static long bpf(int command, union bpf_attr *attr)
{
	memcpy(shared->in, attr, sizeof(*attr));
	return CALL(SYS_bpf, command, shared->in, sizeof(*attr));
}

/* In a map of sockets, others' programs pass on what comes. */
static long socket_map(uint32_t type)
{
	union bpf_attr attr = { .map_type = type, .key_size = 4, .value_size = 4, .max_entries = 1 };
	uint32_t *key = (void *)shared->more;
	long map = bpf(BPF_MAP_CREATE, &attr), result;

	if (map < 0)
		return map == NOT_APPLICABLE ? map : -EPERM;
	key[0] = 0;
	key[1] = (uint32_t)target;
	memset(&attr, 0, sizeof(attr));
	attr.map_fd = (uint32_t)map;
	attr.key = (uint64_t)(uintptr_t)&key[0];
	attr.value = (uint64_t)(uintptr_t)&key[1];
	result = bpf(BPF_MAP_UPDATE_ELEM, &attr);
	CALL(SYS_close, map);
	return result;
}

static long sockmap(void) { return socket_map(BPF_MAP_TYPE_SOCKMAP); }
static long sockhash(void) { return socket_map(BPF_MAP_TYPE_SOCKHASH); }

static long reuseport_array(void)
{
	long result = share_port();

	return result == NOT_APPLICABLE ? result : socket_map(BPF_MAP_TYPE_REUSEPORT_SOCKARRAY);
}

static long load_program(void)
{
	struct bpf_insn *program = (void *)shared->more;
	union bpf_attr attr = { .prog_type = BPF_PROG_TYPE_SOCKET_FILTER, .insn_cnt = 2 };

	memset(program, 0, 2 * sizeof(*program));
	program[0].code = BPF_ALU64 | BPF_MOV | BPF_K;
	program[1].code = BPF_JMP | BPF_EXIT;
	strcpy(shared->more + 512, "GPL");
	attr.insns = (uint64_t)(uintptr_t)program;
	attr.license = (uint64_t)(uintptr_t)(shared->more + 512);
	return bpf(BPF_PROG_LOAD, &attr);
}

/*
 * Its packets go through a program that sees them with their headers. One that has ended is not taken by anybody; there
 * is no such ioctl of 32-bit programs.
 */
static long multiplexor(void)
{
	struct kcm_attach *attach = (void *)shared->in;
	long program = load_program(), kcm, result;

	if (program < 0)
		return program == NOT_APPLICABLE ? program : -EPERM;
	if (is_compat()) {
		CALL(SYS_close, program);
		return NOT_APPLICABLE;
	}
	kcm = CALL(SYS_socket, AF_KCM, SOCK_SEQPACKET, KCMPROTO_CONNECTED);
	*attach = (struct kcm_attach){ .fd = target, .bpf_fd = (int)program };
	result = CALL(SYS_ioctl, kcm, SIOCKCMATTACH, attach);
	CALL(SYS_close, kcm);
	CALL(SYS_close, program);
	return result == -EOPNOTSUPP ? -EPERM : result;
}

/*
 * @error:	when it is refused; @other: or this
 * @anyway:	it is refused so whether the socket is sealed or not
 * @dissolves:	it takes the connection along, as close() does
 * @shaped:	the socket's shape is locked
 */
static const struct row {
	const char *name;
	long (*attack)(void);
	int error, other;
	bool anyway, dissolves, shaped;
} rows[] = {
	{ .name = "bind", .attack = rebind, .error = EINVAL },
	{ .name = "dissolve, connect elsewhere", .attack = reuse, .error = EINVAL, .other = EISCONN, .dissolves = true },
	{ .name = "dissolve, bind", .attack = rebind_dissolved, .error = EINVAL, .dissolves = true },
	{ .name = "dissolve, listen", .attack = serve, .error = EINVAL, .dissolves = true },
	{ .name = "dissolve, MSG_FASTOPEN", .attack = fast_open, .error = EOPNOTSUPP, .dissolves = true },
	{ .name = "dissolve, TCP_FASTOPEN_CONNECT", .attack = fast_open_connect, .error = ENOPROTOOPT, .dissolves = true },
	{ .name = "SO_BINDTODEVICE", .attack = bind_to_device, .error = ENOPROTOOPT },
	{ .name = "SO_BINDTOIFINDEX", .attack = bind_to_index, .error = ENOPROTOOPT },
	{ .name = "SO_MARK", .attack = mark, .error = ENOPROTOOPT },
	{ .name = "SO_PRIORITY, a class of the host's", .attack = high_priority, .error = ENOPROTOOPT },
	{ .name = "SO_PRIORITY, a negative one", .attack = negative_priority, .error = ENOPROTOOPT },
	{ .name = "SO_DONTROUTE", .attack = no_route, .error = ENOPROTOOPT },
	{ .name = "SO_REUSEADDR, off", .attack = no_reuse, .error = ENOPROTOOPT },
	{ .name = "SO_REUSEPORT, off", .attack = no_reuse_port, .error = ENOPROTOOPT },
	{ .name = "SO_SNDBUFFORCE", .attack = big_send, .error = ENOPROTOOPT },
	{ .name = "SO_RCVBUFFORCE", .attack = big_receive, .error = ENOPROTOOPT },
	{ .name = "SO_BUSY_POLL", .attack = busy_poll, .error = ENOPROTOOPT },
	{ .name = "SO_RCVMARK", .attack = receive_mark, .error = ENOPROTOOPT },
	{ .name = "SO_LOCK_FILTER", .attack = lock_filter, .error = ENOPROTOOPT },
	{ .name = "SO_ATTACH_FILTER", .attack = filter, .error = ENOPROTOOPT },
	{ .name = "SO_MAX_PACING_RATE, locked", .attack = pace, .error = ENOPROTOOPT, .shaped = true },
	{ .name = "IP_TOS, locked", .attack = tos, .error = ENOPROTOOPT, .shaped = true },
	{ .name = "IPV6_TCLASS, locked", .attack = traffic_class, .error = ENOPROTOOPT, .shaped = true },
	{ .name = "SO_PRIORITY, locked", .attack = priority, .error = ENOPROTOOPT, .shaped = true },
	{ .name = "IP_OPTIONS", .attack = ip_options, .error = ENOPROTOOPT },
	{ .name = "IP_TRANSPARENT", .attack = transparent, .error = ENOPROTOOPT },
	{ .name = "IP_UNICAST_IF", .attack = unicast_if, .error = ENOPROTOOPT },
	{ .name = "IPV6_ADDRFORM", .attack = addrform, .error = ENOPROTOOPT },
	{ .name = "TCP_REPAIR", .attack = repair, .error = ENOPROTOOPT },
	{ .name = "TCP_ULP", .attack = ulp, .error = ENOENT },
	{ .name = "TCP_TX_DELAY", .attack = tx_delay, .error = ENOPROTOOPT },
	{ .name = "TCP_SAVE_SYN", .attack = save_syn, .error = ENOPROTOOPT },
	{ .name = "TCP_MD5SIG", .attack = signature, .error = ENOPROTOOPT },
	{ .name = "getsockname", .attack = own_name, .error = ENODATA },
	{ .name = "getpeername", .attack = peer_name, .error = ENODATA, .other = ENOTCONN },
	{ .name = "SO_PEERNAME", .attack = so_peername, .error = ENODATA, .other = ENOTCONN },
	{ .name = "SO_MARK, read", .attack = read_mark, .error = ENODATA },
	{ .name = "SO_NETNS_COOKIE", .attack = netns_cookie, .error = ENOPROTOOPT },
	{ .name = "IP_PKTOPTIONS", .attack = packet_options, .error = ENOPROTOOPT },
	{ .name = "IPV6_2292PKTOPTIONS", .attack = packet_options6, .error = ENOPROTOOPT },
	{ .name = "error queue", .attack = error_queue, .error = ENODATA },
	{ .name = "error queue, IP_PKTINFO", .attack = error_info, .error = ENODATA },
	{ .name = "SO_MARK, control message", .attack = send_mark, .error = EINVAL },
	{ .name = "SCM_TXTIME", .attack = send_time, .error = EINVAL },
	{ .name = "fchown", .attack = change_owner, .error = EPERM, .other = EINVAL },
	{ .name = "/proc, chown", .attack = change_owner_by_name, .error = EPERM, .other = EINVAL },
	{ .name = "/proc, open", .attack = open_again, .error = ENXIO, .anyway = true },
	{ .name = "dissolve, share a port", .attack = share_port, .error = EINVAL, .dissolves = true },
	{ .name = "dissolve, SO_ATTACH_REUSEPORT_CBPF", .attack = choose_for_group, .error = ENOPROTOOPT,
	  .dissolves = true },
	{ .name = "SIOCGIFCONF", .attack = interfaces, .error = ENOTTY },
	{ .name = "SIOCGIFADDR", .attack = interface_address, .error = ENOTTY },
	{ .name = "SIOCGIFINDEX", .attack = interface_index, .error = ENOTTY },
	{ .name = "SIOCGIFHWADDR", .attack = interface_hardware, .error = ENOTTY },
	{ .name = "SIOCGIFFLAGS", .attack = interface_flags, .error = ENOTTY },
	{ .name = "SIOCSIFMTU", .attack = interface_mtu, .error = ENOTTY },
	{ .name = "SIOCGSKNS", .attack = namespace, .error = ENOTTY },
	{ .name = "BPF sockmap", .attack = sockmap, .error = EOPNOTSUPP, .other = EPERM },
	{ .name = "BPF sockhash", .attack = sockhash, .error = EOPNOTSUPP, .other = EPERM },
	{ .name = "KCM", .attack = multiplexor, .error = EALREADY, .other = EPERM },
	{ .name = "dissolve, BPF reuseport array", .attack = reuseport_array, .error = EINVAL, .other = EPERM,
	  .dissolves = true },
};

/* --- the host's side: it makes sockets, and looks at what is left of them --- */

enum question { MAKE, VERIFY, DROP };

struct request {
	enum question question;
	enum state state;
	int domain;
	bool guarded, shaped;
};

static struct {
	int listener;
	uint16_t port;
	int fds[2];
} host;

static void make_connecting(int domain)
{
	struct sockaddr_in addr = address4(NOBODY, 9);
	struct sockaddr_in6 addr6 = { .sin6_family = AF_INET6, .sin6_port = htons(9) };

	host.fds[0] = (int)must(socket(domain, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket");
	host.fds[1] = -1;
	inet_pton(AF_INET6, "::ffff:" NOBODY, &addr6.sin6_addr);
	if (domain == AF_INET)
		connect(host.fds[0], (void *)&addr, sizeof(addr));
	else
		connect(host.fds[0], (void *)&addr6, sizeof(addr6));
}

static void abort_peer(void)
{
	struct pollfd hup = { .fd = host.fds[0] };
	struct linger linger = { 1, 0 };

	setsockopt(host.fds[1], SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	close(host.fds[1]);
	host.fds[1] = -1;
	poll(&hup, 1, 1000);
}

static void make(const struct request *request)
{
	struct slim_seal seal = seal_default();

	if (request->state == CONNECTING)
		make_connecting(request->domain);
	else
		host_connect(host.listener, host.port, request->domain, host.fds);
	setsockopt(host.fds[0], SOL_SOCKET, SO_MARK, &(int){ HOST_MARK }, sizeof(int));
	setsockopt(host.fds[0], SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
	setsockopt(host.fds[0], SOL_SOCKET, SO_REUSEPORT, &(int){ 1 }, sizeof(int));
	fcntl(host.fds[0], F_SETFL, O_NONBLOCK);
	if (request->state == HALF_CLOSED)
		shutdown(host.fds[0], SHUT_WR);
	if (request->shaped)
		seal.shape = (struct slim_shape){ .flags = SLIM_SHAPE_ALL, .rate = 1 << 20, .tos = 0x28, .priority = 2 };
	if (request->guarded)
		must(seal_socket(host.fds[0], &seal), "seal");
	if (request->state == ABORTED)
		abort_peer();
}

static void drop(void)
{
	close(host.fds[0]);
	if (host.fds[1] >= 0)
		close(host.fds[1]);
}

static int state_of(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len);
	return info.tcpi_state;
}

/* Time stamps of what it has sent, which an attack has asked for, are no data, but poll(2) returns for them. */
static bool is_readable(int fd)
{
	struct pollfd in = { .fd = fd, .events = POLLIN };
	char data[64];

	while (poll(&in, 1, 5000) == 1) {
		if (in.revents & POLLIN)
			return true;
		if (recv(fd, data, sizeof(data), MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
			return false;
	}
	return false;
}

static bool passes(int from, int to)
{
	char data[64] = "y";

	if (send(from, data, 1, MSG_NOSIGNAL) != 1)
		return false;
	do {
		if (!is_readable(to) || recv(to, data, 1, 0) != 1)
			return false;
	} while (data[0] != 'y');
	return true;
}

/* Is the connection what it was, and does it carry data? */
static bool is_unharmed(enum state state)
{
	switch (state) {
	case CONNECTING:
		return state_of(host.fds[0]) == TCP_SYN_SENT;
	case ESTABLISHED:
		return passes(host.fds[0], host.fds[1]) && passes(host.fds[1], host.fds[0]);
	case HALF_CLOSED:
		return passes(host.fds[1], host.fds[0]);
	default:
		return state_of(host.fds[0]) == TCP_CLOSE;
	}
}

static void send_fd(int channel, int fd, long value)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { .head = { CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS } };
	struct iovec vec = { &value, sizeof(value) };
	struct msghdr message = { .msg_iov = &vec, .msg_iovlen = 1 };

	memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
	if (fd >= 0) {
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
	}
	must(sendmsg(channel, &message, MSG_NOSIGNAL), "sendmsg");
}

/* -1: it has ended. *@fd: -1 where none came */
static int receive_fd(int channel, int *fd, long *value)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec vec = { value, sizeof(*value) };
	struct msghdr message = { .msg_iov = &vec, .msg_iovlen = 1, .msg_control = &control,
				  .msg_controllen = sizeof(control) };

	*fd = -1;
	if (recvmsg(channel, &message, 0) <= 0)
		return -1;
	if (message.msg_controllen)
		memcpy(fd, CMSG_DATA(&control.head), sizeof(*fd));
	return 0;
}

static void host_serve(int channel)
{
	struct request request;

	while (recv(channel, &request, sizeof(request), 0) == sizeof(request)) {
		alarm(20);
		if (request.question == MAKE)
			make(&request);
		else if (request.question == DROP)
			drop();
		send_fd(channel, request.question == MAKE ? host.fds[0] : -1,
			request.question == VERIFY ? is_unharmed(request.state) : 0);
	}
}

/* --- the container's side --- */

static int channel;		/* to the host */
static int other;		/* to another process of the container, which holds nothing */

static long ask(struct request request, int *fd)
{
	long value;

	must(send(channel, &request, sizeof(request), 0), "send");
	must(receive_fd(channel, fd, &value), "the host");
	return value;
}

struct task {
	int row;
	enum holder holder;
	pid_t pid;
	int fd;
};

static void trace(pid_t pid)
{
	int status;

	traced = pid;
	must(ptrace(PTRACE_ATTACH, pid, NULL, NULL), "ptrace");
	waitpid(pid, &status, 0);
	execute = execute_traced;
}

/* The other process: tries what it is told to, with a descriptor that it is given or takes */
static void other_serve(int from)
{
	struct task task;
	int fd;

	/* Numbers of the container's descriptors are used here as well. */
	from = fcntl(from, F_DUPFD_CLOEXEC, 100);
	while (recv(from, &task, sizeof(task), 0) == sizeof(task)) {
		long value;

		execute = execute_directly;
		must(receive_fd(from, &fd, &value), "descriptor");
		if (task.holder == PIDFD) {
			int pidfd = (int)must(syscall(SYS_pidfd_open, task.pid, 0), "pidfd_open");

			fd = (int)must(syscall(SYS_pidfd_getfd, pidfd, task.fd, 0), "pidfd_getfd");
			close(pidfd);
		} else if (task.holder == TRACER) {
			trace(task.pid);
		}
		/* The number is the traced one's; poll(2) asks here, of the same socket. */
		target = task.holder == TRACER ? task.fd : fd;
		if (task.holder == TRACER && fd != task.fd)
			dup2(fd, task.fd);
		shared->result = rows[task.row].attack();
		if (task.holder == TRACER) {
			ptrace(PTRACE_DETACH, task.pid, NULL, NULL);
			close(task.fd);
		}
		if (fd >= 0 && (task.holder != TRACER || fd != task.fd))
			close(fd);
		send_fd(from, -1, 0);
	}
	_exit(0);
}

static void run_other(int row, enum holder holder, int fd)
{
	struct task task = { row, holder, getpid(), fd };
	long value;
	int none;

	if (holder == TRACER) {
		task.pid = fork();
		if (!task.pid)
			for (;;)
				pause();
	}
	must(send(other, &task, sizeof(task), 0), "send");
	send_fd(other, holder == PIDFD ? -1 : fd, 0);
	must(receive_fd(other, &none, &value), "other");
	if (holder == TRACER) {
		kill(task.pid, SIGKILL);
		waitpid(task.pid, NULL, 0);
	}
}

static long run_as(int row, enum holder holder, int fd)
{
	pid_t pid;

	target = fd;
	shared->result = NOT_APPLICABLE;
	execute = holder == URING ? execute_uring : holder == COMPAT ? execute_compat : execute_directly;
	switch (holder) {
	case CHILD:
		pid = fork();
		if (!pid) {
			shared->result = rows[row].attack();
			_exit(0);
		}
		waitpid(pid, NULL, 0);
		break;
	case RECEIVER:
	case PIDFD:
	case TRACER:
		run_other(row, holder, fd);
		break;
	default:
		shared->result = rows[row].attack();
	}
	return shared->result;
}

static void complain(int row, enum credential credential, enum state state, enum holder holder, const char *what,
		     long result)
{
	if (shared->failed++ < 40)
		check(false, "%s, %s, %s, %s: %s (%ld)", rows[row].name, credentials[credential], states[state],
		      holders[holder], what, result);
}

static void try_unguarded(int row, enum credential credential, enum state state, int domain)
{
	struct request request = { MAKE, state, domain, false, rows[row].shaped };
	int fd, none;

	shared->now = (typeof(shared->now)){ row, (int)credential, (int)state, -1 };
	shared->domain = domain;
	ask(request, &fd);
	if (run_as(row, HOLDER, fd) >= 0)
		shared->came_off[row] |= 1u << credential;
	close(fd);
	request.question = DROP;
	ask(request, &none);
}

/* Returns false where this holder cannot try it. */
static bool try_guarded(int row, enum credential credential, enum state state, enum holder holder)
{
	int domain = (row + (int)credential + (int)state + (int)holder) % 2 ? AF_INET6 : AF_INET;
	struct request request = { MAKE, state, domain, true, rows[row].shaped };
	int fd, none;
	long result;

	shared->now = (typeof(shared->now)){ row, (int)credential, (int)state, (int)holder };
	shared->domain = domain;
	ask(request, &fd);
	result = run_as(row, holder, fd);
	if (result != NOT_APPLICABLE) {
		if (result == -rows[row].error || (rows[row].other && result == -rows[row].other))
			shared->refused[row]++;
		else
			complain(row, credential, state, holder, "not refused as it should be", result);
		request.question = VERIFY;
		if (!rows[row].dissolves && !ask(request, &none))
			complain(row, credential, state, holder, "the connection is harmed", 0);
	}
	close(fd);
	request.question = DROP;
	ask(request, &none);
	return result != NOT_APPLICABLE;
}

/* --- options by number --- */

#include "options.h"

/* --- credentials --- */

static const uint64_t default_capabilities =
	1ull << CAP_CHOWN | 1ull << CAP_DAC_OVERRIDE | 1ull << CAP_FOWNER | 1ull << CAP_FSETID | 1ull << CAP_KILL |
	1ull << CAP_SETGID | 1ull << CAP_SETUID | 1ull << CAP_SETPCAP | 1ull << CAP_NET_BIND_SERVICE |
	1ull << CAP_NET_RAW | 1ull << CAP_SYS_CHROOT | 1ull << CAP_MKNOD | 1ull << CAP_AUDIT_WRITE |
	1ull << CAP_SETFCAP;

static void set_capabilities(uint64_t capabilities)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	for (int i = 0; i < 2; i++) {
		data[i].effective = data[i].permitted = (uint32_t)(capabilities >> 32 * i);
		data[i].inheritable = 0;
	}
	must(syscall(SYS_capset, &head, data), "capset");
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		check(false, "write to %s: %s", path, strerror(errno));
	close(fd);
}

static void become(enum credential credential)
{
	must(chdir("/proc"), "chdir");
	must(unshare(CLONE_NEWNET | (credential == USER_ROOT ? CLONE_NEWUSER : 0)), "unshare");
	switch (credential) {
	case USER_ROOT:
		write_file("/proc/self/setgroups", "deny");
		write_file("/proc/self/uid_map", "0 0 1");
		write_file("/proc/self/gid_map", "0 0 1");
		break;
	case CONTAINER:
		set_capabilities(default_capabilities);
		break;
	case NET_ADMIN:
		set_capabilities(default_capabilities | 1ull << CAP_NET_ADMIN);
		break;
	case UNPRIVILEGED:
		must(setgid(65534), "setgid");
		must(setuid(65534), "setuid");
		break;
	default:
		break;
	}
	prctl(PR_SET_DUMPABLE, 1);
}

/* Nothing here takes long. */
static void give_up(int signal)
{
	(void)signal;
	check(false, "stuck: %s, %s, %s, %s", rows[shared->now.row].name, credentials[shared->now.credential],
	      states[shared->now.state], shared->now.holder < 0 ? "not sealed" : holders[shared->now.holder]);
	_exit(1);
}

static void try_row(int row, enum credential credential)
{
	for (enum state state = 0; state < STATE_NUM; state++) {
		try_unguarded(row, credential, state, AF_INET);
		try_unguarded(row, credential, state, AF_INET6);
		for (enum holder holder = 0; holder < HOLDER_NUM; holder++)
			try_guarded(row, credential, state, holder);
	}
}

/* Not sealed, until it comes off; sealed, by the first holder who can try it of those from one on that differs */
static void try_row_once(int row, enum credential credential)
{
	enum state state = (enum state)((row + (int)credential) % STATE_NUM);
	int holder = row + row / STATE_NUM + (int)credential;

	for (enum state any = 0; any < STATE_NUM && !shared->came_off[row]; any++) {
		try_unguarded(row, credential, any, AF_INET);
		try_unguarded(row, credential, any, AF_INET6);
	}
	while (!try_guarded(row, credential, state, (enum holder)(holder % HOLDER_NUM)))
		holder++;
}

static void container(enum credential credential, const char *word)
{
	void (*try_some)(int row, enum credential credential) = getenv("TEST_SHORT") ? try_row_once : try_row;
	int pair[2];

	become(credential);
	must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), "socketpair");
	if (!fork()) {
		close(pair[0]);
		close(channel);
		other_serve(pair[1]);
	}
	other = pair[0];
	close(pair[1]);
	for (size_t row = 0; row < NUM(rows); row++)
		if (strstr(rows[row].name, word))
			try_some((int)row, credential);
	if (!*word)
		try_options(credential);
	_exit(0);
}

int main(int argc, char **argv)
{
	const char *word = argc > 1 ? argv[1] : "";
	struct guard guard;
	struct sockaddr_in addr = address4(HOST_ADDRESS, HOST_PORT);
	int aim = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	signal(SIGPIPE, SIG_IGN);
	signal(SIGALRM, give_up);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	must(guard_open(&guard), "the family");
	must(guard_own(&guard, -1), "own");
	host.listener = host_listen(&host.port);
	must(setsockopt(aim, SOL_SOCKET, SO_REUSEPORT, &(int){ 1 }, sizeof(int)), "SO_REUSEPORT");
	must(bind(aim, (void *)&addr, sizeof(addr)), "bind");
	must(listen(aim, 1000), "listen");
	fcntl(guard.fd, F_SETFD, FD_CLOEXEC);
	for (enum credential credential = 0; credential < CREDENTIAL_NUM; credential++) {
		int pair[2], status;
		pid_t pid;

		must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), "socketpair");
		pid = fork();
		if (!pid) {
			close(pair[0]);
			channel = pair[1];
			container(credential, word);
		}
		close(pair[1]);
		host_serve(pair[0]);
		close(pair[0]);
		waitpid(pid, &status, 0);
		check(!status, "all was tried with the credentials of: %s", credentials[credential]);
	}
	for (size_t row = 0; row < NUM(rows); row++) {
		if (!strstr(rows[row].name, word))
			continue;
		check(!shared->came_off[row] == rows[row].anyway, "%s %s on a socket that is not sealed", rows[row].name,
		      rows[row].anyway ? "does not even come off" : "comes off");
		check(shared->refused[row] > 0, "%s: refused %u times", rows[row].name, shared->refused[row]);
	}
	equal(shared->failed, 0, "attacks that were not refused, or did harm");
	return 0;
}
