/* SPDX-License-Identifier: MIT */
/* diag.c - questions to the kernel about TCP sockets */
#include "diag.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <stdlib.h>

#include "diag_info.h"
#include "endpoint.h"
#include "namespace.h"

#define DIAG_BUFFER	(64 * 1024)
#define PORT_FILTER_OPS	9

/* @sock: NULL where the last exchange failed: nobody knows what would still come on that one */
struct diag {
	struct nl_sock *sock;
	int netns_fd;
};

struct dump {
	void (*each)(const struct diag_socket *socket, void *data);
	void *data;
	bool interrupted;
};

static struct nl_sock *connect_here(void)
{
	struct nl_sock *sock = nl_socket_alloc();

	if (!sock)
		return NULL;
	if (nl_connect(sock, NETLINK_SOCK_DIAG) < 0) {
		nl_socket_free(sock);
		return NULL;
	}
	nl_socket_set_buffer_size(sock, DIAG_BUFFER * 4, 0);
	nl_socket_set_msg_buf_size(sock, DIAG_BUFFER);
	nl_socket_disable_auto_ack(sock);
	nl_socket_disable_seq_check(sock);
	return sock;
}

static int open_socket(struct diag *diag)
{
	int err = diag->netns_fd >= 0 ? namespace_enter(diag->netns_fd) : 0;

	if (err)
		return err;
	errno = 0;
	diag->sock = connect_here();
	if (!diag->sock)
		err = errno ? -errno : -ENOMEM;
	if (diag->netns_fd >= 0)
		namespace_leave();
	return err;
}

struct diag *diag_open(int netns_fd)
{
	struct diag *diag = calloc(1, sizeof(*diag));
	int err;

	if (!diag)
		return NULL;
	diag->netns_fd = netns_fd;
	err = open_socket(diag);
	if (!err)
		return diag;
	free(diag);
	errno = -err;
	return NULL;
}

void diag_close(struct diag *diag)
{
	if (!diag)
		return;
	nl_socket_free(diag->sock);
	free(diag);
}

static struct slim_endpoint endpoint_of(int family, const __be32 *addr, __be16 port)
{
	struct in6_addr in6;

	if (family == AF_INET)
		in6 = addr_map4(addr[0]);
	else
		memcpy(&in6, addr, sizeof(in6));
	return endpoint_make(&in6, ntohs(port));
}

/* Of what is being set up the state tells, and info may be missing. */
static enum diag_opener opener_by_state(int state)
{
	if (state == BPF_TCP_SYN_SENT)
		return DIAG_OPENER_LOCAL;
	return state == BPF_TCP_SYN_RECV ? DIAG_OPENER_PEER : DIAG_OPENER_UNKNOWN;
}

static void parse(struct nlmsghdr *nlh, struct diag_socket *out)
{
	struct inet_diag_msg *msg = nlmsg_data(nlh);
	struct nlattr *attr;

	*out = (struct diag_socket){
		.family = msg->idiag_family,
		.state = msg->idiag_state,
		.opener = opener_by_state(msg->idiag_state),
		.cookie = (uint64_t)msg->id.idiag_cookie[1] << 32 | msg->id.idiag_cookie[0],
		.inode = msg->idiag_inode,
		.bound_ifindex = msg->id.idiag_if,
		.rqueue = msg->idiag_rqueue,
		.wqueue = msg->idiag_wqueue,
		.local = endpoint_of(msg->idiag_family, msg->id.idiag_src,
				     msg->id.idiag_sport),
		.peer = endpoint_of(msg->idiag_family, msg->id.idiag_dst,
				    msg->id.idiag_dport),
	};
	attr = nlmsg_find_attr(nlh, sizeof(*msg), INET_DIAG_SKV6ONLY);
	if (attr && nla_len(attr) >= 1)
		out->v6only = *(uint8_t *)nla_data(attr);
	attr = nlmsg_find_attr(nlh, sizeof(*msg), INET_DIAG_INFO);
	if (attr)
		diag_info_parse(nla_data(attr), (size_t)nla_len(attr), out);
}

static int valid_cb(struct nl_msg *msg, void *arg)
{
	struct nlmsghdr *nlh = nlmsg_hdr(msg);
	struct diag_socket socket;
	struct dump *dump = arg;

	if ((nlh->nlmsg_type != SOCK_DIAG_BY_FAMILY && nlh->nlmsg_type != TCPDIAG_GETSOCK) ||
	    !nlmsg_valid_hdr(nlh, sizeof(struct inet_diag_msg)))
		return NL_SKIP;
	if (nlh->nlmsg_flags & NLM_F_DUMP_INTR)
		dump->interrupted = true;
	parse(nlh, &socket);
	dump->each(&socket, dump->data);
	return NL_OK;
}

static int error_cb(struct sockaddr_nl *from, struct nlmsgerr *err, void *arg)
{
	(void)from;
	*(int *)arg = err->error;
	return NL_STOP;
}

/* 0, or -errno of the kernel's in *@error, or -EIO: what comes next is not known. */
static int exchange(struct diag *diag, struct nl_msg *msg, struct dump *dump, int *error)
{
	struct nl_cb *cb = nl_cb_alloc(NL_CB_DEFAULT);
	int ret;

	if (!cb)
		return -ENOMEM;
	nl_cb_set(cb, NL_CB_VALID, NL_CB_CUSTOM, valid_cb, dump);
	nl_cb_err(cb, NL_CB_CUSTOM, error_cb, error);
	ret = nl_send_auto(diag->sock, msg);
	if (ret >= 0)
		ret = nl_recvmsgs(diag->sock, cb);
	nl_cb_put(cb);
	return ret < 0 && !*error ? -EIO : 0;
}

/* Sends @msg and handles what comes back until it is over. */
static int ask(struct diag *diag, struct nl_msg *msg, struct dump *dump)
{
	int error = 0, err = diag->sock ? 0 : open_socket(diag);

	if (err)
		return err;
	err = exchange(diag, msg, dump, &error);
	if (err == -EIO) {
		nl_socket_free(diag->sock);
		diag->sock = NULL;
	}
	return err ? err : error;
}

/*
 * A program for the kernel's filter: source or destination port within the
 * range. After a match it goes `yes` bytes on, else `no` bytes; to accept is to
 * arrive exactly at the end, to refuse is to go 4 bytes farther. A comparison is two
 * operations, the second one holding the port.
 */
static void port_filter(struct inet_diag_bc_op op[PORT_FILTER_OPS], uint16_t first,
			uint16_t last)
{
	const struct inet_diag_bc_op program[PORT_FILTER_OPS] = {
		{ INET_DIAG_BC_S_GE, 8, 20 }, { 0, 0, first },
		{ INET_DIAG_BC_S_LE, 8, 12 }, { 0, 0, last },
		{ INET_DIAG_BC_JMP, 4, 20 },
		{ INET_DIAG_BC_D_GE, 8, 20 }, { 0, 0, first },
		{ INET_DIAG_BC_D_LE, 8, 12 }, { 0, 0, last },
	};

	memcpy(op, program, sizeof(program));
}

/* With the question in @body, of @size bytes. NULL: no memory */
static struct nl_msg *request(int type, int flags, const void *body, size_t size)
{
	struct nl_msg *msg = nlmsg_alloc_simple(type, flags);

	if (msg && nlmsg_append(msg, (void *)body, size, NLMSG_ALIGNTO) < 0) {
		nlmsg_free(msg);
		return NULL;
	}
	return msg;
}

/* About one socket */
static struct nl_msg *request_one(int type, int flags, int family, const struct inet_diag_sockid *id,
				  bool info)
{
	const struct inet_diag_req_v2 req = {
		.sdiag_family = (uint8_t)family,
		.sdiag_protocol = IPPROTO_TCP,
		.idiag_states = ~0u,
		.idiag_ext = info ? 1 << (INET_DIAG_INFO - 1) : 0,
		.id = *id,
	};

	return request(type, flags, &req, sizeof(req));
}

/*
 * About those of both families at once: the older one of the two requests can ask for that (what is given as
 * family does not count, inet_diag_dump_compat() of net/ipv4/inet_diag.c), and each time that the
 * kernel goes through its table, it looks at the sockets of all namespaces.
 */
static struct nl_msg *request_all(unsigned int states, bool info)
{
	const struct inet_diag_req req = {
		.idiag_family = AF_INET,
		.idiag_states = states,
		.idiag_ext = info ? 1 << (INET_DIAG_INFO - 1) : 0,
	};

	return request(TCPDIAG_GETSOCK, NLM_F_DUMP, &req, sizeof(req));
}

int diag_dump(struct diag *diag, unsigned int states, uint16_t port_first,
	      uint16_t port_last, bool info,
	      void (*each)(const struct diag_socket *socket, void *data), void *data)
{
	struct dump dump = { .each = each, .data = data };
	struct inet_diag_bc_op filter[PORT_FILTER_OPS];
	struct nl_msg *msg = request_all(states, info);
	int err;

	if (!msg)
		return -ENOMEM;
	if (port_first) {
		port_filter(filter, port_first, port_last);
		nla_put(msg, INET_DIAG_REQ_BYTECODE, sizeof(filter), filter);
	}
	err = ask(diag, msg, &dump);
	nlmsg_free(msg);
	return !err && dump.interrupted ? -EINTR : err;
}

static void fill_id(struct inet_diag_sockid *id, int family,
		    const struct slim_endpoint *local, const struct slim_endpoint *peer)
{
	size_t skip = family == AF_INET ? 12 : 0;

	memcpy(id->idiag_src, local->addr + skip, 16 - skip);
	memcpy(id->idiag_dst, peer->addr + skip, 16 - skip);
	id->idiag_sport = htons(local->port);
	id->idiag_dport = htons(peer->port);
	id->idiag_cookie[0] = INET_DIAG_NOCOOKIE;
	id->idiag_cookie[1] = INET_DIAG_NOCOOKIE;
}

static void found(const struct diag_socket *socket, void *data)
{
	*(struct diag_socket *)data = *socket;
}

int diag_find(struct diag *diag, int family, const struct slim_endpoint *local,
	      const struct slim_endpoint *peer, struct diag_socket *out)
{
	struct dump dump = { .each = found, .data = out };
	struct inet_diag_sockid id = { 0 };
	struct nl_msg *msg;
	int err;

	fill_id(&id, family, local, peer);
	msg = request_one(SOCK_DIAG_BY_FAMILY, 0, family, &id, false);
	if (!msg)
		return -ENOMEM;
	out->family = 0;
	err = ask(diag, msg, &dump);
	nlmsg_free(msg);
	if (err)
		return err;
	/* The look-up falls back to a listener where there is no such connection. */
	return out->family && out->state != 10 && out->peer.port == peer->port ? 0 : -ENOENT;
}

int diag_find_live(struct diag *diag, uint64_t cookie, const struct slim_endpoint *local,
		   const struct slim_endpoint *peer, struct diag_socket *out)
{
	struct in6_addr addr = endpoint_addr(peer);
	int err = diag_find(diag, addr_is4(&addr) ? AF_INET : AF_INET6, local, peer, out);

	if (err)
		return err;
	return out->cookie == cookie && DIAG_LIVE & 1u << out->state ? 0 : -ENOENT;
}

/* Of this very socket, and of none that has its names by now */
static void fill_exact(struct inet_diag_sockid *id, const struct diag_socket *socket)
{
	fill_id(id, socket->family, &socket->local, &socket->peer);
	id->idiag_cookie[0] = (uint32_t)socket->cookie;
	id->idiag_cookie[1] = (uint32_t)(socket->cookie >> 32);
	id->idiag_if = socket->bound_ifindex;
}

int diag_examine(struct diag *diag, struct diag_socket *socket)
{
	struct dump dump = { .each = found, .data = socket };
	struct inet_diag_sockid id = { 0 };
	struct nl_msg *msg;
	int err;

	fill_exact(&id, socket);
	msg = request_one(SOCK_DIAG_BY_FAMILY, 0, socket->family, &id, true);
	if (!msg)
		return -ENOMEM;
	err = ask(diag, msg, &dump);
	nlmsg_free(msg);
	return err;
}

int diag_destroy(struct diag *diag, const struct diag_socket *socket)
{
	struct dump dump = { .each = found };
	struct inet_diag_sockid id = { 0 };
	struct nl_msg *msg;
	int err;

	fill_exact(&id, socket);
	msg = request_one(SOCK_DESTROY, NLM_F_ACK, socket->family, &id, false);
	if (!msg)
		return -ENOMEM;
	err = ask(diag, msg, &dump);
	nlmsg_free(msg);
	return err;
}
