/* SPDX-License-Identifier: MIT */
/* link_request.c - one question or order to rtnetlink, and its answer */
#include "link_request.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "endpoint.h"

#define RECEIVE_BUFFER	32768	/* the kernel makes no longer datagrams */

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

/* 0, or the error that a dump's last message or an answer carries */
static int error_of(const struct nlmsghdr *nlh)
{
	int error = 0;

	if (nlmsg_datalen(nlh) >= (int)sizeof(error))
		memcpy(&error, nlmsg_data(nlh), sizeof(error));
	return error;
}

/*
 * Reads until question @seq is answered. A dump ends with NLMSG_DONE, all else with an
 * acknowledgement or an error. What still comes of an earlier question, whose answer was not
 * read to its end, is left out. Needs no memory: what the kernel has done, it has done.
 */
static int receive(int fd, uint32_t seq, bool (*each)(struct nlmsghdr *nlh, void *data),
		   void *data)
{
	union {
		struct nlmsghdr nlh;
		char bytes[RECEIVE_BUFFER];
	} buffer;

	for (;;) {
		struct nlmsghdr *nlh = &buffer.nlh;
		int len = (int)recv(fd, &buffer, sizeof(buffer), 0);

		if (len < 0 && errno != EINTR)
			return -errno;
		for (; nlmsg_ok(nlh, len); nlh = nlmsg_next(nlh, &len)) {
			if (nlh->nlmsg_seq != seq)
				continue;
			if (nlh->nlmsg_type == NLMSG_DONE || nlh->nlmsg_type == NLMSG_ERROR)
				return error_of(nlh);
			if (each && !each(nlh, data))
				each = NULL;
		}
	}
}

int link_query(struct nl_sock *sock, struct nl_msg *msg,
	       bool (*each)(struct nlmsghdr *nlh, void *data), void *data)
{
	uint32_t seq;
	int err;

	if (!msg)
		return -ENOMEM;
	errno = 0;
	err = nl_send_auto(sock, msg);
	seq = nlmsg_hdr(msg)->nlmsg_seq;
	nlmsg_free(msg);
	if (err < 0)
		return errno ? -errno : -EIO;
	return receive(nl_socket_get_fd(sock), seq, each, data);
}

int link_request(struct nl_sock *sock, struct nl_msg *msg)
{
	return link_query(sock, msg, NULL, NULL);
}
