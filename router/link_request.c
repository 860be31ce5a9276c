/* SPDX-License-Identifier: MIT */
/* link_request.c - one question or order to rtnetlink, and its answer */
#include "link_request.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "endpoint.h"

struct answer {
	bool (*each)(struct nlmsghdr *nlh, void *data);
	void *data;
	int err;
};

struct nl_sock *link_socket(void)
{
	struct nl_sock *sock = nl_socket_alloc();

	if (!sock) {
		errno = ENOMEM;
		return NULL;
	}
	if (nl_connect(sock, NETLINK_ROUTE) < 0) {
		nl_socket_free(sock);
		return NULL;
	}
	return sock;
}

struct nl_msg *link_message(int type, int flags, const void *header, size_t len)
{
	struct nl_msg *msg = nlmsg_alloc_simple(type, flags);

	if (msg)
		nlmsg_append(msg, (void *)header, len, NLMSG_ALIGNTO);
	return msg;
}

void link_put(struct nl_msg *msg, int attr, const void *data, size_t len)
{
	if (msg)
		nla_put(msg, attr, (int)len, data);
}

void link_put_string(struct nl_msg *msg, int attr, const char *text)
{
	link_put(msg, attr, text, strlen(text) + 1);
}

void link_put_u8(struct nl_msg *msg, int attr, uint8_t value)
{
	link_put(msg, attr, &value, sizeof(value));
}

void link_put_u32(struct nl_msg *msg, int attr, uint32_t value)
{
	link_put(msg, attr, &value, sizeof(value));
}

void link_put_addr(struct nl_msg *msg, int attr, const struct in6_addr *addr)
{
	uint32_t v4 = addr_get4(addr);

	if (addr_is4(addr))
		link_put(msg, attr, &v4, sizeof(v4));
	else
		link_put(msg, attr, addr, sizeof(*addr));
}

struct nlattr *link_nest(struct nl_msg *msg, int attr)
{
	return msg ? nla_nest_start(msg, attr) : NULL;
}

void link_nest_end(struct nl_msg *msg, struct nlattr *nest)
{
	if (msg)
		nla_nest_end(msg, nest);
}

static int error_cb(struct sockaddr_nl *from, struct nlmsgerr *err, void *arg)
{
	struct answer *answer = arg;

	(void)from;
	answer->err = err->error;
	return NL_STOP;
}

static int ack_cb(struct nl_msg *msg, void *arg)
{
	struct answer *answer = arg;

	(void)msg;
	answer->err = 0;
	return NL_STOP;
}

static int valid_cb(struct nl_msg *msg, void *arg)
{
	struct answer *answer = arg;

	if (!answer->each || answer->each(nlmsg_hdr(msg), answer->data))
		return NL_OK;
	answer->err = 0;
	return NL_STOP;
}

/* A dump ends with NLMSG_DONE, all else with an acknowledgement or an error. */
static int receive(struct nl_sock *sock, struct answer *answer)
{
	struct nl_cb *cb = nl_cb_alloc(NL_CB_DEFAULT);
	int err;

	if (!cb)
		return -ENOMEM;
	nl_cb_err(cb, NL_CB_CUSTOM, error_cb, answer);
	nl_cb_set(cb, NL_CB_ACK, NL_CB_CUSTOM, ack_cb, answer);
	nl_cb_set(cb, NL_CB_FINISH, NL_CB_CUSTOM, ack_cb, answer);
	nl_cb_set(cb, NL_CB_VALID, NL_CB_CUSTOM, valid_cb, answer);
	answer->err = 1;
	errno = 0;
	do {
		err = nl_recvmsgs(sock, cb);
	} while (err >= 0 && answer->err > 0);
	nl_cb_put(cb);
	if (answer->err <= 0)
		return answer->err;
	return errno ? -errno : -EIO;
}

int link_query(struct nl_sock *sock, struct nl_msg *msg,
	       bool (*each)(struct nlmsghdr *nlh, void *data), void *data)
{
	struct answer answer = { .each = each, .data = data };
	int err;

	if (!msg)
		return -ENOMEM;
	err = nl_send_auto(sock, msg);
	nlmsg_free(msg);
	if (err < 0)
		return errno ? -errno : -EIO;
	return receive(sock, &answer);
}

int link_request(struct nl_sock *sock, struct nl_msg *msg)
{
	return link_query(sock, msg, NULL, NULL);
}
