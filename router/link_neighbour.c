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

struct holder {
	const uint8_t *mac;
	bool same;
};

static bool holder_found(struct nlmsghdr *nlh, void *data)
{
	struct nlattr *attr = nlmsg_find_attr(nlh, sizeof(struct ndmsg), NDA_LLADDR);
	struct holder *holder = data;

	holder->same = attr && nla_len(attr) == LINK_MAC_LEN &&
		       !memcmp(nla_data(attr), holder->mac, LINK_MAC_LEN);
	return true;
}

int link_neighbour_remove(struct nl_sock *sock, int ifindex, const struct in6_addr *addr,
			  const uint8_t *mac)
{
	struct holder holder = { .mac = mac };
	int err;

	err = link_query(sock, neighbour_message(RTM_GETNEIGH, 0, ifindex, addr),
			 holder_found, &holder);
	if (err)
		return err;
	if (!holder.same)
		return -ENOENT;
	return link_request(sock, neighbour_message(RTM_DELNEIGH, 0, ifindex, addr));
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
	struct nl_msg *msg = link_message(type, flags, &info, sizeof(info));

	link_put(msg, NDA_LLADDR, mac, LINK_MAC_LEN);
	return msg;
}

int link_fdb_port_add(struct nl_sock *sock, int ifindex, const uint8_t *mac)
{
	return link_request(sock, fdb_message(RTM_NEWNEIGH, REPLACE, ifindex, mac, NTF_MASTER));
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

int link_fdb_host_remove(struct nl_sock *sock, int ifindex, const uint8_t *mac,
			 const struct in6_addr *host)
{
	struct nl_msg *msg = fdb_message(RTM_DELNEIGH, 0, ifindex, mac, NTF_SELF);

	link_put_addr(msg, NDA_DST, host);
	return link_request(sock, msg);
}
