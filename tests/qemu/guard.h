/* SPDX-License-Identifier: MIT */
/*
 * guard.h - what tests say to slim.ko: sealing, and messages of <linux/slim.h>, right ones and wrong ones
 */
#ifndef TESTS_QEMU_GUARD_H
#define TESTS_QEMU_GUARD_H

#include <arpa/inet.h>
#include <errno.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <linux/slim.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define NUM(array)	(sizeof(array) / sizeof((array)[0]))

/* How many times longer what depends on the kernel may take than on an ordinary one (tests/qemu/run) */
static inline int slowness(void)
{
	const char *text = getenv("TEST_SLOWNESS");

	return text ? atoi(text) : 1;
}

/* --- saying how it went: tests/qemu/run reads that --- */

static inline bool check(bool good, const char *format, ...)
{
	va_list args;

	printf(good ? "ok       " : "FAILED   ");
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
	return good;
}

/* A value that is to be another one, said with what it is */
#define equal(is, wanted, ...)	equal_(is, wanted, __FILE__, __LINE__, __VA_ARGS__)

static inline bool equal_(long is, long wanted, const char *file, int line, const char *format, ...)
{
	char what[256];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	if (is == wanted)
		return check(true, "%s", what);
	return check(false, "%s: %ld, not %ld (%s:%d)", what, is, wanted, file, line);
}

/* What cannot be gone on without */
static inline long must(long result, const char *what)
{
	if (result < 0) {
		printf("FAILED   %s: %s\n", what, strerror(errno));
		fflush(stdout);
		_exit(1);
	}
	return result;
}

/* --- messages --- */

#define MESSAGE_MAX	65536

/* A request, and afterwards the reply to it */
struct message {
	uint32_t len;
	_Alignas(8) char data[MESSAGE_MAX];
};

struct guard {
	int fd;
	uint16_t family;
	uint32_t events, sockets, gone;		/* groups */
	uint32_t seq;
};

static inline struct nlmsghdr *message_head(struct message *message)
{
	return (struct nlmsghdr *)message->data;
}

static inline void message_begin(struct guard *guard, struct message *message, int command, int flags)
{
	struct nlmsghdr *head = message_head(message);
	struct genlmsghdr *genl = NLMSG_DATA(head);

	memset(message->data, 0, NLMSG_HDRLEN + GENL_HDRLEN);
	head->nlmsg_type = guard->family;
	head->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	head->nlmsg_seq = ++guard->seq;
	genl->cmd = (uint8_t)command;
	genl->version = SLIM_GENL_VERSION;
	message->len = NLMSG_HDRLEN + GENL_HDRLEN;
}

static inline void *message_put(struct message *message, int type, const void *value, size_t size)
{
	struct nlattr *attr = (struct nlattr *)(message->data + message->len);

	attr->nla_type = (uint16_t)type;
	attr->nla_len = (uint16_t)(NLA_HDRLEN + size);
	memset((char *)attr + NLA_HDRLEN, 0, NLA_ALIGN(size));
	if (value)
		memcpy((char *)attr + NLA_HDRLEN, value, size);
	message->len += NLA_HDRLEN + NLA_ALIGN(size);
	return (char *)attr + NLA_HDRLEN;
}

static inline void message_put32(struct message *message, int type, uint32_t value)
{
	message_put(message, type, &value, sizeof(value));
}

static inline void message_put64(struct message *message, int type, uint64_t value)
{
	message_put(message, type, &value, sizeof(value));
}

/* An attribute among @len bytes from @from on, or NULL */
static inline const struct nlattr *attr_find(const void *from, size_t len, int type)
{
	const char *at = from, *end = at + len;

	while (at + NLA_HDRLEN <= end) {
		const struct nlattr *attr = (const struct nlattr *)at;

		if (attr->nla_len < NLA_HDRLEN || at + attr->nla_len > end)
			return NULL;
		if ((attr->nla_type & NLA_TYPE_MASK) == type)
			return attr;
		at += NLA_ALIGN(attr->nla_len);
	}
	return NULL;
}

static inline const void *attr_value(const struct nlattr *attr)
{
	return (const char *)attr + NLA_HDRLEN;
}

static inline const struct nlattr *nlmsg_find(const struct nlmsghdr *head, int type)
{
	const char *attrs = (const char *)NLMSG_DATA(head) + GENL_HDRLEN;

	return attr_find(attrs, head->nlmsg_len - NLMSG_HDRLEN - GENL_HDRLEN, type);
}

static inline uint64_t attr_u64(const struct nlattr *attr)
{
	uint64_t value = 0;
	size_t size;

	if (!attr)
		return UINT64_MAX;
	size = attr->nla_len - NLA_HDRLEN;
	memcpy(&value, attr_value(attr), size < sizeof(value) ? size : sizeof(value));
	return value;
}

/* Of the reply in @message: its number, or all ones where it is not there */
static inline uint64_t message_u64(struct message *message, int type)
{
	return attr_u64(nlmsg_find(message_head(message), type));
}

/* Sends it as it is: 0 or -errno. */
static inline int message_send(struct guard *guard, struct message *message)
{
	message_head(message)->nlmsg_len = message->len;
	return send(guard->fd, message->data, message->len, 0) < 0 ? -errno : 0;
}

/*
 * Reads what comes for it, until the end: 0 or -errno. @visit: for each message of the reply, or NULL: @message becomes the
 * last one.
 */
static inline int message_answer(struct guard *guard, struct message *message,
				 void (*visit)(const struct nlmsghdr *head, void *data), void *data)
{
	static __thread _Alignas(8) char buffer[MESSAGE_MAX];

	for (;;) {
		ssize_t len = recv(guard->fd, buffer, sizeof(buffer), 0);
		const struct nlmsghdr *head = (const struct nlmsghdr *)buffer;

		if (len < 0)
			return -errno;
		for (; NLMSG_OK(head, (size_t)len); head = NLMSG_NEXT(head, len)) {
			if (head->nlmsg_type == NLMSG_ERROR || head->nlmsg_type == NLMSG_DONE)
				return *(const int *)NLMSG_DATA(head);
			if (visit)
				visit(head, data);
			else
				memcpy(message->data, head, head->nlmsg_len);
		}
	}
}

/* A request to the end: 0 or -errno; @message becomes the reply, where there is one. */
static inline int message_talk(struct guard *guard, struct message *message)
{
	int err;

	if (!(message_head(message)->nlmsg_flags & NLM_F_DUMP))
		message_head(message)->nlmsg_flags |= NLM_F_ACK;
	err = message_send(guard, message);
	return err ? err : message_answer(guard, message, NULL, NULL);
}

/* --- the family --- */

/* A group's number among those of the family */
static inline uint32_t group_find(const struct nlattr *groups, const char *name)
{
	const char *at = groups ? attr_value(groups) : NULL, *end = groups ? (const char *)groups + groups->nla_len : NULL;

	while (at < end) {
		const struct nlattr *group = (const struct nlattr *)at;
		size_t len = group->nla_len - NLA_HDRLEN;
		const struct nlattr *called = attr_find(attr_value(group), len, CTRL_ATTR_MCAST_GRP_NAME);

		if (called && !strcmp(attr_value(called), name))
			return (uint32_t)attr_u64(attr_find(attr_value(group), len, CTRL_ATTR_MCAST_GRP_ID));
		at += NLA_ALIGN(group->nla_len);
	}
	return 0;
}

/* 0 or -errno */
static inline int guard_join(const struct guard *guard, uint32_t group)
{
	return setsockopt(guard->fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) ? -errno : 0;
}

/* 0 or -errno: the family cannot be seen */
static inline int guard_open(struct guard *guard)
{
	struct sockaddr_nl addr = { .nl_family = AF_NETLINK };
	static __thread struct message message;
	const struct nlattr *groups;
	int err;

	*guard = (struct guard){ .family = GENL_ID_CTRL };
	guard->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	if (guard->fd < 0 || bind(guard->fd, (void *)&addr, sizeof(addr)))
		return -errno;
	message_begin(guard, &message, CTRL_CMD_GETFAMILY, 0);
	message_put(&message, CTRL_ATTR_FAMILY_NAME, SLIM_GENL_NAME, sizeof(SLIM_GENL_NAME));
	err = message_talk(guard, &message);
	if (err)
		return err;
	guard->family = (uint16_t)message_u64(&message, CTRL_ATTR_FAMILY_ID);
	groups = nlmsg_find(message_head(&message), CTRL_ATTR_MCAST_GROUPS);
	guard->events = group_find(groups, SLIM_GENL_EVENTS);
	guard->sockets = group_find(groups, SLIM_GENL_SOCKETS);
	guard->gone = group_find(groups, SLIM_GENL_GONE);
	return 0;
}

static inline int guard_command(struct guard *guard, struct message *message, int command)
{
	message_begin(guard, message, command, 0);
	return message_talk(guard, message);
}

/* Makes the socket the owner: 0 or -errno. @host_fd: -1: of the initial namespace */
static inline int guard_own(struct guard *guard, int host_fd)
{
	static __thread struct message message;

	message_begin(guard, &message, SLIM_CMD_OWN, 0);
	if (host_fd >= 0)
		message_put(&message, SLIM_A_HOST_FD, &host_fd, sizeof(host_fd));
	message_put32(&message, SLIM_A_VERSION, SLIM_GUARD_VERSION);
	return message_talk(guard, &message);
}

/* A number of STATS */
static inline uint64_t guard_stat(struct guard *guard, int attr)
{
	static __thread struct message message;

	return guard_command(guard, &message, SLIM_CMD_STATS) ? UINT64_MAX : message_u64(&message, attr);
}

/* --- sealing --- */

static inline struct slim_address name4(const char *text, uint16_t port)
{
	struct slim_address name = { .port = port, .addr = { [10] = 0xff, [11] = 0xff } };

	inet_pton(AF_INET, text, name.addr + 12);
	return name;
}

#define LOCAL_NAME	"10.32.1.2"
#define PEER_NAME	"10.32.2.7"

static inline struct slim_seal seal_default(void)
{
	return (struct slim_seal){
		.size = sizeof(struct slim_seal), .flags = SLIM_SEAL_IPV4, .container = 5, .vni = 7, .peer_vni = 7,
		.local = name4(LOCAL_NAME, 40000), .peer = name4(PEER_NAME, 80),
	};
}

static inline uint64_t cookie_of(int fd)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len);
	return cookie;
}

/* 0 or -errno */
static inline int seal_socket(int fd, const struct slim_seal *seal)
{
	cookie_of(fd);
	if (setsockopt(fd, IPPROTO_TCP, TCP_ULP, SLIM_ULP_NAME, sizeof(SLIM_ULP_NAME) - 1))
		return -errno;
	return setsockopt(fd, SOL_SLIM, SLIM_SEAL, seal, sizeof(*seal)) ? -errno : 0;
}

/* --- connections of the host's --- */

#define HOST_ADDRESS	"192.0.2.1"	/* of the host */
#define NOBODY		"192.0.2.99"	/* of its network */

static inline struct sockaddr_in address4(const char *text, uint16_t port)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons(port) };

	inet_pton(AF_INET, text, &addr.sin_addr);
	return addr;
}

/* A listener at HOST_ADDRESS; @port: set to its port */
static inline int host_listen(uint16_t *port)
{
	struct sockaddr_in addr = address4(HOST_ADDRESS, 0);
	socklen_t len = sizeof(addr);
	int fd = (int)must(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");

	must(bind(fd, (void *)&addr, sizeof(addr)), "bind (is " HOST_ADDRESS " there?)");
	must(listen(fd, 1000), "listen");
	getsockname(fd, (void *)&addr, &len);
	*port = ntohs(addr.sin_port);
	return fd;
}

/* A connection to it, as a router makes it: AF_INET6 with a mapped address, or AF_INET. @fds: its two ends */
static inline void host_connect(int listener, uint16_t port, int domain, int fds[2])
{
	struct sockaddr_in addr = address4(HOST_ADDRESS, port);
	struct sockaddr_in6 addr6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };

	fds[0] = (int)must(socket(domain, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
	inet_pton(AF_INET6, "::ffff:" HOST_ADDRESS, &addr6.sin6_addr);
	if (domain == AF_INET)
		must(connect(fds[0], (void *)&addr, sizeof(addr)), "connect");
	else
		must(connect(fds[0], (void *)&addr6, sizeof(addr6)), "connect");
	fds[1] = (int)must(accept4(listener, NULL, NULL, SOCK_CLOEXEC), "accept");
}

/* --- calls --- */

/* As a 32-bit program does it: @value lies below 4 GB. */
static inline long ioctl32(int fd, unsigned long command, void *value)
{
	long result;

	asm volatile("int $0x80"
		     : "=a"(result)
		     : "a"(54L), "b"((long)fd), "c"(command), "d"(value)
		     : "memory", "cc", "r8", "r9", "r10", "r11");
	return (int)result;
}

#endif
