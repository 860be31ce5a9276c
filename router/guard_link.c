/* SPDX-License-Identifier: MIT */
/* guard_link.c - what the router and slim.ko say to each other over generic netlink */
#include "guard_link.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/genetlink.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "link_request.h"
#include "namespace.h"

#define INITIAL_NETNS	"/proc/1/ns/net"
#define OWN_NETNS	"/proc/self/ns/net"
#define PART_MAX	60000		/* bytes of an attribute that a message carries */
#define HEADERS_MAX	512		/* ... and of all else in it */
#define MESSAGE_MAX	65536
#define MESSAGES_TURN	64		/* datagrams that are read in one go */

struct guard_link {
	struct nl_sock *sock;
	int family;
	int netns_fd;			/* of this host */
	pthread_mutex_t lock;		/* one question at a time */
};

/* --- messages --- */

static struct nl_msg *message(const struct guard_link *link, enum slim_cmd cmd, int flags, size_t size)
{
	const struct genlmsghdr header = { .cmd = (uint8_t)cmd, .version = SLIM_GENL_VERSION };
	int32_t netns_fd = link->netns_fd;
	struct nl_msg *msg = nlmsg_alloc_size(size + HEADERS_MAX);

	if (!msg)
		return NULL;
	if (!nlmsg_put(msg, NL_AUTO_PORT, NL_AUTO_SEQ, link->family, 0, flags) ||
	    nlmsg_append(msg, (void *)(uintptr_t)&header, sizeof(header), NLMSG_ALIGNTO) < 0) {
		nlmsg_free(msg);
		return NULL;
	}
	link_put(msg, SLIM_A_HOST_FD, &netns_fd, sizeof(netns_fd));
	return msg;
}

static struct nl_msg *order(const struct guard_link *link, enum slim_cmd cmd)
{
	return message(link, cmd, NLM_F_REQUEST | NLM_F_ACK, 0);
}

static int ask(struct guard_link *link, struct nl_msg *msg,
	       bool (*each)(struct nlmsghdr *nlh, void *data), void *data)
{
	int err;

	pthread_mutex_lock(&link->lock);
	err = link_query(link->sock, msg, each, data);
	pthread_mutex_unlock(&link->lock);
	return err;
}

/* Fills @attrs from a reply; false: it is none */
static bool parse(struct nlmsghdr *nlh, struct nlattr **attrs)
{
	return genlmsg_parse(nlh, 0, attrs, SLIM_A_MAX, NULL) >= 0;
}

static uint32_t get_u32(struct nlattr **attrs, int attr)
{
	return attrs[attr] && nla_len(attrs[attr]) >= (int)sizeof(uint32_t) ? nla_get_u32(attrs[attr]) : 0;
}

static uint64_t get_u64(struct nlattr **attrs, int attr)
{
	return attrs[attr] && nla_len(attrs[attr]) >= (int)sizeof(uint64_t) ? nla_get_u64(attrs[attr]) : 0;
}

static unsigned int get_u8(struct nlattr **attrs, int attr)
{
	return attrs[attr] && nla_len(attrs[attr]) >= 1 ? nla_get_u8(attrs[attr]) : 0;
}

/* --- opening --- */

static bool is_own(int netns_fd)
{
	struct stat own, other;

	return stat(OWN_NETNS, &own) == 0 && fstat(netns_fd, &other) == 0 &&
	       own.st_ino == other.st_ino && own.st_dev == other.st_dev;
}

/* Opened once: later we have no right to. */
static int initial_netns(void)
{
	static int fd = -1;

	if (fd < 0)
		fd = open(INITIAL_NETNS, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* A netlink socket belongs to the namespace that it was made in. */
static int connect_initial(struct nl_sock *sock)
{
	int fd = initial_netns();
	int err;

	if (fd < 0)
		return fd;
	if (is_own(fd))
		return genl_connect(sock) < 0 ? -EPROTONOSUPPORT : 0;
	err = namespace_enter(fd);
	if (err)
		return err;
	err = genl_connect(sock) < 0 ? -EPROTONOSUPPORT : 0;
	namespace_leave();
	return err;
}

static int connect_family(struct guard_link *link)
{
	int err = connect_initial(link->sock);

	if (err)
		return err;
	link->family = genl_ctrl_resolve(link->sock, SLIM_GENL_NAME);
	if (link->family < 0)
		return -ENOENT;
	/* Answers of the past are left out by their numbers, which libnl would refuse to see. */
	nl_socket_disable_seq_check(link->sock);
	return 0;
}

int guard_link_open(struct guard_link **out)
{
	struct guard_link *link = calloc(1, sizeof(*link));
	int err = -ENOMEM;

	*out = NULL;
	if (!link)
		return err;
	pthread_mutex_init(&link->lock, NULL);
	link->netns_fd = open(OWN_NETNS, O_RDONLY | O_CLOEXEC);
	link->sock = nl_socket_alloc();
	if (link->netns_fd < 0)
		err = -errno;
	else if (link->sock)
		err = connect_family(link);
	if (err)
		guard_link_close(link);
	else
		*out = link;
	return err;
}

void guard_link_close(struct guard_link *link)
{
	if (!link)
		return;
	nl_socket_free(link->sock);
	if (link->netns_fd >= 0)
		close(link->netns_fd);
	pthread_mutex_destroy(&link->lock);
	free(link);
}

/* --- what it is, and whose --- */

static void add_reason(struct guard_facts *facts, const struct nlattr *attr)
{
	size_t len = strlen(facts->reason);

	snprintf(facts->reason + len, sizeof(facts->reason) - len, "%s%.*s", len ? "; " : "",
		 nla_len(attr), (const char *)nla_data(attr));
}

static bool take_facts(struct nlmsghdr *nlh, void *data)
{
	struct nlattr *attrs[SLIM_A_MAX + 1], *attr;
	struct guard_facts *facts = data;
	int rest;

	if (!parse(nlh, attrs))
		return true;
	facts->version = get_u32(attrs, SLIM_A_VERSION);
	facts->features = get_u32(attrs, SLIM_A_FEATURES);
	facts->missing = get_u32(attrs, SLIM_A_MISSING);
	facts->owned = get_u8(attrs, SLIM_A_OWNED);
	facts->draining = get_u8(attrs, SLIM_A_DRAINING);
	facts->generation = get_u64(attrs, SLIM_A_GENERATION);
	facts->live = get_u64(attrs, SLIM_A_LIVE);
	nlmsg_for_each_attr(attr, nlh, GENL_HDRLEN, rest)
		if (nla_type(attr) == SLIM_A_REASON)
			add_reason(facts, attr);
	return true;
}

int guard_link_get(struct guard_link *link, struct guard_facts *facts)
{
	memset(facts, 0, sizeof(*facts));
	return ask(link, order(link, SLIM_CMD_GET), take_facts, facts);
}

int guard_link_own(struct guard_link *link)
{
	struct nl_msg *msg = order(link, SLIM_CMD_OWN);

	link_put_u32(msg, SLIM_A_VERSION, SLIM_GUARD_VERSION);
	return ask(link, msg, NULL, NULL);
}

/* --- a policy --- */

static struct nl_msg *stage(const struct guard_link *link, enum slim_stage what, size_t size)
{
	struct nl_msg *msg = message(link, SLIM_CMD_STAGE, NLM_F_REQUEST | NLM_F_ACK, size);

	link_put_u32(msg, SLIM_A_STAGE, (uint32_t)what);
	return msg;
}

int guard_link_begin(struct guard_link *link, uint64_t generation,
		     const struct slim_policy_counts *counts, uint32_t flags)
{
	struct nl_msg *msg = stage(link, SLIM_STAGE_BEGIN, 0);

	link_put(msg, SLIM_A_GENERATION, &generation, sizeof(generation));
	link_put(msg, SLIM_A_COUNTS, counts, sizeof(*counts));
	if (flags)
		link_put_u32(msg, SLIM_A_FLAGS, flags);
	return ask(link, msg, NULL, NULL);
}

int guard_link_part(struct guard_link *link, enum slim_part part, const void *data, size_t num,
		    size_t size)
{
	const size_t most = PART_MAX / size;
	const uint8_t *at = data;
	int err = 0;

	while (num && !err) {
		size_t now = num < most ? num : most;
		struct nl_msg *msg = stage(link, SLIM_STAGE_PART, now * size);

		link_put_u32(msg, SLIM_A_PART, (uint32_t)part);
		link_put(msg, SLIM_A_DATA, at, now * size);
		err = ask(link, msg, NULL, NULL);
		at += now * size;
		num -= now;
	}
	return err;
}

int guard_link_end(struct guard_link *link)
{
	return ask(link, stage(link, SLIM_STAGE_END, 0), NULL, NULL);
}

struct counted {
	uint64_t live, cut;
};

static bool take_counted(struct nlmsghdr *nlh, void *data)
{
	struct nlattr *attrs[SLIM_A_MAX + 1];
	struct counted *counted = data;

	if (parse(nlh, attrs)) {
		counted->live = get_u64(attrs, SLIM_A_LIVE);
		counted->cut = get_u64(attrs, SLIM_A_CUT);
	}
	return true;
}

int guard_link_commit(struct guard_link *link, uint64_t generation, uint64_t *cut)
{
	struct nl_msg *msg = order(link, SLIM_CMD_COMMIT);
	struct counted counted = { 0 };
	int err;

	link_put(msg, SLIM_A_GENERATION, &generation, sizeof(generation));
	err = ask(link, msg, take_counted, &counted);
	*cut = counted.cut;
	return err;
}

int guard_link_abort(struct guard_link *link)
{
	return ask(link, order(link, SLIM_CMD_ABORT), NULL, NULL);
}

int guard_link_drain(struct guard_link *link, enum slim_drain drain, uint64_t *live, uint64_t *cut)
{
	struct nl_msg *msg = order(link, SLIM_CMD_DRAIN);
	struct counted counted = { 0 };
	int err;

	link_put_u32(msg, SLIM_A_DRAIN, (uint32_t)drain);
	err = ask(link, msg, take_counted, &counted);
	*live = counted.live;
	*cut = counted.cut;
	return err;
}

/* --- sockets --- */

struct walk {
	void (*each)(const struct guard_socket *socket, void *data);
	void *data;
};

static void get_name(struct nlattr **attrs, int attr, struct slim_address *name)
{
	memset(name, 0, sizeof(*name));
	if (attrs[attr] && nla_len(attrs[attr]) >= (int)sizeof(*name))
		memcpy(name, nla_data(attrs[attr]), sizeof(*name));
}

static bool take_socket(struct nlmsghdr *nlh, void *data)
{
	struct nlattr *outer[SLIM_A_MAX + 1], *attrs[SLIM_A_MAX + 1];
	const struct walk *walk = data;
	struct guard_socket socket;

	if (!parse(nlh, outer) || !outer[SLIM_A_SOCKET] ||
	    nla_parse_nested(attrs, SLIM_A_MAX, outer[SLIM_A_SOCKET], NULL) < 0)
		return true;
	socket = (struct guard_socket){
		.cookie = get_u64(attrs, SLIM_A_COOKIE),
		.container = get_u32(attrs, SLIM_A_CONTAINER),
		.vni = get_u32(attrs, SLIM_A_VNI),
		.peer_vni = get_u32(attrs, SLIM_A_PEER_VNI),
		.flags = get_u32(attrs, SLIM_A_SEAL_FLAGS),
	};
	get_name(attrs, SLIM_A_LOCAL, &socket.local);
	get_name(attrs, SLIM_A_PEER, &socket.peer);
	walk->each(&socket, walk->data);
	return true;
}

int guard_link_each(struct guard_link *link, void (*each)(const struct guard_socket *socket, void *data),
		    void *data)
{
	struct walk walk = { each, data };

	return ask(link, message(link, SLIM_CMD_SOCKET, NLM_F_REQUEST | NLM_F_DUMP, 0), take_socket,
		   &walk);
}

/* --- events --- */

static int join(struct nl_sock *sock, const char *name)
{
	int group = genl_ctrl_resolve_grp(sock, SLIM_GENL_NAME, name);

	return group < 0 || nl_socket_add_membership(sock, group) < 0 ? -ENOENT : 0;
}

int guard_link_listen(struct nl_sock **out)
{
	struct nl_sock *sock = nl_socket_alloc();
	int err = -ENOMEM;

	*out = NULL;
	if (sock)
		err = connect_initial(sock);
	if (!err)
		err = join(sock, SLIM_GENL_EVENTS);
	if (!err)
		err = join(sock, SLIM_GENL_GONE);
	if (err) {
		nl_socket_free(sock);
		return err;
	}
	*out = sock;
	return 0;
}

static uint64_t own_inode(void)
{
	struct stat own;

	return stat(OWN_NETNS, &own) < 0 ? 0 : own.st_ino;
}

static void take_gone(struct nlattr *cookies, void (*each)(const struct guard_event *event))
{
	struct guard_event event = { .event = SLIM_EVENT_GONE };
	const char *at = nla_data(cookies);

	for (int left = nla_len(cookies); left >= (int)sizeof(event.cookie); left -= (int)sizeof(event.cookie)) {
		memcpy(&event.cookie, at, sizeof(event.cookie));
		at += sizeof(event.cookie);
		each(&event);
	}
}

static void take_event(struct nlmsghdr *nlh, uint64_t inode,
		       void (*each)(const struct guard_event *event))
{
	struct nlattr *outer[SLIM_A_MAX + 1], *attrs[SLIM_A_MAX + 1];
	struct guard_event event;

	if (!parse(nlh, outer))
		return;
	if (outer[SLIM_A_COOKIES])
		take_gone(outer[SLIM_A_COOKIES], each);
	if (get_u64(outer, SLIM_A_HOST_INO) != inode || !outer[SLIM_A_SOCKET] ||
	    nla_parse_nested(attrs, SLIM_A_MAX, outer[SLIM_A_SOCKET], NULL) < 0)
		return;
	event = (struct guard_event){
		.event = (enum slim_event)get_u32(outer, SLIM_A_EVENT),
		.cookie = get_u64(attrs, SLIM_A_COOKIE),
		.container = get_u32(attrs, SLIM_A_CONTAINER),
		.operation = (enum slim_operation)get_u32(outer, SLIM_A_OPERATION),
		.level = get_u32(outer, SLIM_A_LEVEL),
		.number = get_u32(outer, SLIM_A_NUMBER),
		.pid = get_u32(outer, SLIM_A_PID),
		.missed = get_u32(outer, SLIM_A_MISSED),
	};
	each(&event);
}

void guard_link_read(struct nl_sock *sock, void (*each)(const struct guard_event *event))
{
	static char buffer[MESSAGE_MAX] __attribute__((aligned(NLMSG_ALIGNTO)));
	static uint64_t inode;

	if (!inode)
		inode = own_inode();
	for (int i = 0; i < MESSAGES_TURN; i++) {
		struct sockaddr_nl from = { 0 };
		socklen_t from_len = sizeof(from);
		int left = (int)recvfrom(nl_socket_get_fd(sock), buffer, sizeof(buffer), MSG_DONTWAIT,
					 (struct sockaddr *)&from, &from_len);

		if (left < 0 && errno == EAGAIN)
			return;
		/* Else some were lost (ENOBUFS), or somebody else has sent it. */
		if (left < 0 || from.nl_pid)
			continue;
		for (struct nlmsghdr *nlh = (void *)buffer; nlmsg_ok(nlh, left);
		     nlh = nlmsg_next(nlh, &left))
			take_event(nlh, inode, each);
	}
}
