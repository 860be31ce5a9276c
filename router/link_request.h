/* SPDX-License-Identifier: MIT */
/*
 * link_request.h - one question or order to rtnetlink, and its answer
 *
 * Messages are built on libnl's. They are short and of bounded size, so that only
 * allocating one can fail: the functions that fill it pass a NULL on, and
 * link_request() says -ENOMEM at the end.
 */
#ifndef LINK_REQUEST_H
#define LINK_REQUEST_H

#include <netinet/in.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* In the calling thread's network namespace; nl_socket_free() ends it. NULL: errno. */
struct nl_sock *link_socket(void);

/* @header: the fixed part, struct ifinfomsg and the like */
struct nl_msg *link_message(int type, int flags, const void *header, size_t len);

void link_put(struct nl_msg *msg, int attr, const void *data, size_t len);
void link_put_string(struct nl_msg *msg, int attr, const char *text);
void link_put_u8(struct nl_msg *msg, int attr, uint8_t value);
void link_put_u32(struct nl_msg *msg, int attr, uint32_t value);
/* 4 bytes for a mapped address, 16 for others */
void link_put_addr(struct nl_msg *msg, int attr, const struct in6_addr *addr);
struct nlattr *link_nest(struct nl_msg *msg, int attr);
void link_nest_end(struct nl_msg *msg, struct nlattr *nest);

/* Sends, frees @msg, waits for the kernel's verdict: 0 or its -errno. */
int link_request(struct nl_sock *sock, struct nl_msg *msg);

/*
 * The same, with what is answered given to @each, one call a message, until it
 * returns false: the rest is left out.
 */
int link_query(struct nl_sock *sock, struct nl_msg *msg,
	       bool (*each)(struct nlmsghdr *nlh, void *data), void *data);

#endif
