/* SPDX-License-Identifier: MIT */
/* link_route.c - routes, and the rules that lead to them */
#include "link_route.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>

#include "endpoint.h"
#include "link_request.h"

/* Before the main table's rule, after everything that hosts commonly add. */
#define RULE_PRIORITY	32000

#define TENANT_MASK	0xffffffu

int link_route_add(struct nl_sock *sock, const struct link_route *route)
{
	bool v4 = addr_is4(&route->addr);
	struct rtmsg info = {
		.rtm_family = v4 ? AF_INET : AF_INET6,
		.rtm_dst_len = (unsigned char)(v4 ? route->len - 96 : route->len),
		.rtm_protocol = RTPROT_STATIC,
		.rtm_scope = v4 && !route->gateway ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE,
		.rtm_type = RTN_UNICAST,
	};
	struct nl_msg *msg = link_message(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE,
					  &info, sizeof(info));

	if (info.rtm_dst_len)
		link_put_addr(msg, RTA_DST, &route->addr);
	if (route->gateway)
		link_put_addr(msg, RTA_GATEWAY, route->gateway);
	link_put_u32(msg, RTA_OIF, (uint32_t)route->ifindex);
	link_put_u32(msg, RTA_TABLE, route->table);
	return link_request(sock, msg);
}

static bool device_found(struct nlmsghdr *nlh, void *data)
{
	struct nlattr *attr = nlmsg_find_attr(nlh, sizeof(struct rtmsg), RTA_OIF);

	if (attr)
		*(int *)data = (int)nla_get_u32(attr);
	return true;
}

int link_route_device(struct nl_sock *sock, const struct in6_addr *addr)
{
	bool v4 = addr_is4(addr);
	struct rtmsg info = {
		.rtm_family = v4 ? AF_INET : AF_INET6,
		.rtm_dst_len = v4 ? 32 : 128,
	};
	struct nl_msg *msg = link_message(RTM_GETROUTE, 0, &info, sizeof(info));
	int ifindex = 0;

	link_put_addr(msg, RTA_DST, addr);
	return link_query(sock, msg, device_found, &ifindex) ? 0 : ifindex;
}

struct defaults {
	void (*each)(int ifindex, void *data);
	void *data;
};

static bool default_found(struct nlmsghdr *nlh, void *data)
{
	const struct rtmsg *info = nlmsg_data(nlh);
	const struct defaults *defaults = data;
	int ifindex = 0;

	if (info->rtm_dst_len || info->rtm_table != RT_TABLE_MAIN || info->rtm_type != RTN_UNICAST)
		return true;
	device_found(nlh, &ifindex);
	if (ifindex)
		defaults->each(ifindex, defaults->data);
	return true;
}

int link_route_defaults(struct nl_sock *sock, int family, void (*each)(int ifindex, void *data),
			void *data)
{
	struct rtmsg info = { .rtm_family = (unsigned char)family };
	struct defaults defaults = { each, data };

	return link_query(sock, link_message(RTM_GETROUTE, NLM_F_DUMP, &info, sizeof(info)),
			  default_found, &defaults);
}

static struct nl_msg *rule_message(int type, int flags, int family, uint32_t mark)
{
	struct fib_rule_hdr info = {
		.family = (uint8_t)family,
		.action = FR_ACT_TO_TBL,
	};
	struct nl_msg *msg = link_message(type, flags, &info, sizeof(info));

	link_put_u32(msg, FRA_PRIORITY, RULE_PRIORITY);
	link_put_u32(msg, FRA_FWMARK, mark);
	link_put_u32(msg, FRA_FWMASK, UINT32_MAX);
	link_put_u32(msg, FRA_TABLE, mark);
	return msg;
}

int link_rule_add(struct nl_sock *sock, int family, uint32_t mark)
{
	int err = link_request(sock, rule_message(RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL,
						  family, mark));

	return err == -EEXIST ? 0 : err;
}

int link_rule_remove(struct nl_sock *sock, int family, uint32_t mark)
{
	return link_request(sock, rule_message(RTM_DELRULE, 0, family, mark));
}

struct found {
	uint32_t base;
	uint32_t *marks;
	size_t num;
	int err;
};

static bool rule_found(struct nlmsghdr *nlh, void *data)
{
	struct nlattr *attr = nlmsg_find_attr(nlh, sizeof(struct fib_rule_hdr), FRA_TABLE);
	struct found *found = data;
	uint32_t *grown;

	if (!attr || (nla_get_u32(attr) & ~TENANT_MASK) != found->base)
		return true;
	grown = reallocarray(found->marks, found->num + 1, sizeof(*grown));
	if (!grown) {
		found->err = -ENOMEM;
		return true;
	}
	found->marks = grown;
	found->marks[found->num++] = nla_get_u32(attr);
	return true;
}

static int rules_flush_family(struct nl_sock *sock, int family, uint32_t base)
{
	struct fib_rule_hdr info = { .family = (uint8_t)family };
	struct found found = { .base = base };
	int err;

	err = link_query(sock, link_message(RTM_GETRULE, NLM_F_DUMP, &info, sizeof(info)),
			 rule_found, &found);
	if (!err)
		err = found.err;
	for (size_t i = 0; i < found.num && !err; i++)
		err = link_rule_remove(sock, family, found.marks[i]);
	free(found.marks);
	return err;
}

int link_rules_flush(struct nl_sock *sock, uint32_t base)
{
	int err = rules_flush_family(sock, AF_INET, base);
	int err6 = rules_flush_family(sock, AF_INET6, base);

	if (err6 == -EAFNOSUPPORT || err6 == -EOPNOTSUPP)
		err6 = 0;	/* a kernel without IPv6 */
	return err ? err : err6;
}
