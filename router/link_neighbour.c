/* SPDX-License-Identifier: MIT */
/* link_neighbour.c - who has an address, and behind which port or host a MAC is */
#include "link_neighbour.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "endpoint.h"
#include "link.h"
#include "link_request.h"

#define REPLACE	(NLM_F_CREATE | NLM_F_REPLACE)

static struct nl_msg *neighbour_message(int type, int flags, int ifindex,
					const struct in6_addr *addr)
{
	struct ndmsg info = {
		.ndm_family = addr_is4(addr) ? AF_INET : AF_INET6,
		.ndm_ifindex = ifindex,
		.ndm_state = NUD_PERMANENT,
	};
	struct nl_msg *msg;

	if (type == RTM_GETNEIGH)
		info.ndm_state = 0;
	msg = link_message(type, flags, &info, sizeof(info));
	link_put_addr(msg, NDA_DST, addr);
	return msg;
}

int link_neighbour_add(struct nl_sock *sock, int ifindex, const struct in6_addr *addr,
		       const uint8_t *mac)
{
	struct nl_msg *msg = neighbour_message(RTM_NEWNEIGH, REPLACE, ifindex, addr);

	link_put(msg, NDA_LLADDR, mac, LINK_MAC_LEN);
	return link_request(sock, msg);
}

/* Whether the entry asked for has this attribute with this value. */
struct match {
	int attr;
	const void *value;
	int len;
	bool same;
};

static bool entry_found(struct nlmsghdr *nlh, void *data)
{
	struct match *match = data;
	struct nlattr *attr = nlmsg_find_attr(nlh, sizeof(struct ndmsg), match->attr);

	match->same = attr && nla_len(attr) == match->len &&
		      !memcmp(nla_data(attr), match->value, (size_t)match->len);
	return true;
}

/* @msg asks for one entry. 0, -ENOENT where there is none or another. */
static int entry_check(struct nl_sock *sock, struct nl_msg *msg, struct match *match)
{
	int err = link_query(sock, msg, entry_found, match);

	if (err)
		return err;
	return match->same ? 0 : -ENOENT;
}

int link_neighbour_remove(struct nl_sock *sock, int ifindex, const struct in6_addr *addr,
			  const uint8_t *mac)
{
	struct match match = { .attr = NDA_LLADDR, .value = mac, .len = LINK_MAC_LEN };
	int err = entry_check(sock, neighbour_message(RTM_GETNEIGH, 0, ifindex, addr), &match);

	if (err)
		return err;
	return link_request(sock, neighbour_message(RTM_DELNEIGH, 0, ifindex, addr));
}

struct neighbours {
	int ifindex;
	void (*each)(const struct in6_addr *addr, const uint8_t *mac, void *data);
	void *data;
};

static bool neighbour_found(struct nlmsghdr *nlh, void *data)
{
	const struct neighbours *neighbours = data;
	const struct ndmsg *info = nlmsg_data(nlh);
	struct nlattr *dst = nlmsg_find_attr(nlh, sizeof(*info), NDA_DST);
	struct nlattr *mac = nlmsg_find_attr(nlh, sizeof(*info), NDA_LLADDR);
	struct in6_addr addr;
	uint32_t v4;

	if (info->ndm_ifindex != neighbours->ifindex || !(info->ndm_state & NUD_PERMANENT) ||
	    !dst || !mac || nla_len(mac) != LINK_MAC_LEN)
		return true;
	if (nla_len(dst) == sizeof(addr)) {
		memcpy(&addr, nla_data(dst), sizeof(addr));
	} else if (nla_len(dst) == sizeof(v4)) {
		memcpy(&v4, nla_data(dst), sizeof(v4));
		addr = addr_map4(v4);
	} else {
		return true;
	}
	neighbours->each(&addr, nla_data(mac), neighbours->data);
	return true;
}

int link_neighbour_each(struct nl_sock *sock, int ifindex,
			void (*each)(const struct in6_addr *addr, const uint8_t *mac, void *data),
			void *data)
{
	struct neighbours neighbours = { ifindex, each, data };
	struct ndmsg info = { .ndm_family = AF_UNSPEC };

	return link_query(sock, link_message(RTM_GETNEIGH, NLM_F_DUMP, &info, sizeof(info)),
			  neighbour_found, &neighbours);
}

/*
 * One message cannot serve bridge and VXLAN: to the bridge "permanent" means that
 * the MAC is its own, the VXLAN device accepts nothing less.
 */
static struct nl_msg *fdb_message(int type, int flags, int ifindex, const uint8_t *mac,
				  uint8_t owner)
{
	struct ndmsg info = {
		.ndm_family = PF_BRIDGE,
		.ndm_ifindex = ifindex,
		.ndm_state = NUD_NOARP | (owner == NTF_SELF ? NUD_PERMANENT : 0),
		.ndm_flags = owner,
	};
	struct nl_msg *msg;

	if (type == RTM_GETNEIGH)
		info.ndm_state = 0;
	msg = link_message(type, flags, &info, sizeof(info));
	link_put(msg, NDA_LLADDR, mac, LINK_MAC_LEN);
	return msg;
}

/* As learnt elsewhere, which lasts as long as a static one: those of a bridge are gone through for each new port. */
int link_fdb_port_add(struct nl_sock *sock, int ifindex, const uint8_t *mac)
{
	return link_request(sock, fdb_message(RTM_NEWNEIGH, REPLACE, ifindex, mac,
					      NTF_MASTER | NTF_EXT_LEARNED));
}

int link_fdb_port_remove(struct nl_sock *sock, int ifindex, const uint8_t *mac)
{
	return link_request(sock, fdb_message(RTM_DELNEIGH, 0, ifindex, mac, NTF_MASTER));
}

int link_fdb_host_add(struct nl_sock *sock, int ifindex, const uint8_t *mac,
		      const struct in6_addr *host)
{
	struct nl_msg *msg = fdb_message(RTM_NEWNEIGH, REPLACE, ifindex, mac, NTF_SELF);

	link_put_addr(msg, NDA_DST, host);
	return link_request(sock, msg);
}

/* The kernel says 0 when asked to remove an entry with another host. */
int link_fdb_host_remove(struct nl_sock *sock, int ifindex, const uint8_t *mac,
			 const struct in6_addr *host)
{
	uint32_t v4 = addr_get4(host);
	struct match match = { .attr = NDA_DST, .value = host, .len = sizeof(*host) };
	int err;

	if (addr_is4(host)) {
		match.value = &v4;
		match.len = sizeof(v4);
	}
	err = entry_check(sock, fdb_message(RTM_GETNEIGH, 0, ifindex, mac, NTF_SELF), &match);
	if (err)
		return err;
	return link_request(sock, fdb_message(RTM_DELNEIGH, 0, ifindex, mac, NTF_SELF));
}
