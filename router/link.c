/* SPDX-License-Identifier: MIT */
/* link.c - network devices: bridge, VXLAN, veth; their addresses */
#include "link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <string.h>

#include "endpoint.h"
#include "link_request.h"

#define CREATE	(NLM_F_CREATE | NLM_F_EXCL)

static struct nl_msg *link_new(const char *name, unsigned int mtu, const uint8_t *mac)
{
	struct ifinfomsg info = { .ifi_family = AF_UNSPEC };
	struct nl_msg *msg = link_message(RTM_NEWLINK, CREATE, &info, sizeof(info));

	link_put_string(msg, IFLA_IFNAME, name);
	link_put_u32(msg, IFLA_MTU, mtu);
	link_put_u32(msg, IFLA_GROUP, LINK_GROUP);
	if (mac)
		link_put(msg, IFLA_ADDRESS, mac, LINK_MAC_LEN);
	return msg;
}

static struct nl_msg *link_change(int ifindex, unsigned int flags)
{
	struct ifinfomsg info = {
		.ifi_family = AF_UNSPEC,
		.ifi_index = ifindex,
		.ifi_flags = flags,
		.ifi_change = flags,
	};

	return link_message(RTM_NEWLINK, 0, &info, sizeof(info));
}

int link_bridge_add(struct nl_sock *sock, const char *name, const uint8_t *mac,
		    unsigned int mtu)
{
	struct nl_msg *msg = link_new(name, mtu, mac);
	struct nlattr *info, *data;

	info = link_nest(msg, IFLA_LINKINFO);
	link_put_string(msg, IFLA_INFO_KIND, "bridge");
	data = link_nest(msg, IFLA_INFO_DATA);
	link_put_u32(msg, IFLA_BR_STP_STATE, 0);
	link_put_u32(msg, IFLA_BR_FORWARD_DELAY, 0);
	link_put_u8(msg, IFLA_BR_MCAST_SNOOPING, 0);
	link_nest_end(msg, data);
	link_nest_end(msg, info);
	return link_request(sock, msg);
}

int link_vxlan_add(struct nl_sock *sock, const char *name, const struct link_vxlan *vxlan)
{
	struct nl_msg *msg = link_new(name, vxlan->mtu, NULL);
	uint16_t port = htons(vxlan->port);
	struct nlattr *info, *data;

	info = link_nest(msg, IFLA_LINKINFO);
	link_put_string(msg, IFLA_INFO_KIND, "vxlan");
	data = link_nest(msg, IFLA_INFO_DATA);
	link_put_u32(msg, IFLA_VXLAN_ID, vxlan->vni);
	link_put_addr(msg, addr_is4(&vxlan->local) ? IFLA_VXLAN_LOCAL : IFLA_VXLAN_LOCAL6,
		      &vxlan->local);
	link_put(msg, IFLA_VXLAN_PORT, &port, sizeof(port));
	link_put_u8(msg, IFLA_VXLAN_LEARNING, 0);
	link_put_u8(msg, IFLA_VXLAN_PROXY, 1);
	link_nest_end(msg, data);
	link_nest_end(msg, info);
	return link_request(sock, msg);
}

/* The peer's name, MAC and namespace come in a message within the message. */
static void put_peer(struct nl_msg *msg, const struct link_veth *veth)
{
	struct ifinfomsg info = { .ifi_family = AF_UNSPEC };
	struct nlattr *peer = link_nest(msg, VETH_INFO_PEER);

	if (msg)
		nlmsg_append(msg, &info, sizeof(info), NLMSG_ALIGNTO);
	link_put_string(msg, IFLA_IFNAME, veth->peer_name);
	link_put_u32(msg, IFLA_MTU, veth->mtu);
	link_put(msg, IFLA_ADDRESS, veth->peer_mac, LINK_MAC_LEN);
	link_put_u32(msg, IFLA_NET_NS_FD, (uint32_t)veth->peer_netns);
	link_nest_end(msg, peer);
}

int link_veth_add(struct nl_sock *sock, const struct link_veth *veth)
{
	struct nl_msg *msg = link_new(veth->name, veth->mtu, NULL);
	struct nlattr *info, *data;

	info = link_nest(msg, IFLA_LINKINFO);
	link_put_string(msg, IFLA_INFO_KIND, "veth");
	data = link_nest(msg, IFLA_INFO_DATA);
	put_peer(msg, veth);
	link_nest_end(msg, data);
	link_nest_end(msg, info);
	return link_request(sock, msg);
}

static int port_configure(struct nl_sock *sock, int ifindex, bool locked)
{
	struct nl_msg *msg = link_change(ifindex, 0);
	struct nlattr *info, *data;

	info = link_nest(msg, IFLA_LINKINFO);
	link_put_string(msg, IFLA_INFO_SLAVE_KIND, "bridge");
	data = link_nest(msg, IFLA_INFO_SLAVE_DATA);
	link_put_u8(msg, IFLA_BRPORT_LEARNING, 0);
	link_put_u8(msg, IFLA_BRPORT_UNICAST_FLOOD, 0);
	link_put_u8(msg, IFLA_BRPORT_LOCKED, locked);
	link_nest_end(msg, data);
	link_nest_end(msg, info);
	return link_request(sock, msg);
}

int link_enslave(struct nl_sock *sock, int ifindex, int master, bool locked)
{
	struct nl_msg *msg = link_change(ifindex, 0);
	int err;

	link_put_u32(msg, IFLA_MASTER, (uint32_t)master);
	err = link_request(sock, msg);
	return err ? err : port_configure(sock, ifindex, locked);
}

static int addrgen_set(struct nl_sock *sock, int ifindex, uint8_t mode)
{
	struct nl_msg *msg = link_change(ifindex, 0);
	struct nlattr *spec = link_nest(msg, IFLA_AF_SPEC);
	struct nlattr *inet6 = link_nest(msg, AF_INET6);

	link_put_u8(msg, IFLA_INET6_ADDR_GEN_MODE, mode);
	link_nest_end(msg, inet6);
	link_nest_end(msg, spec);
	return link_request(sock, msg);
}

/* A kernel without IPv6, or a device too small for it, has nothing to turn off. */
int link_addrgen_off(struct nl_sock *sock, int ifindex)
{
	int err = addrgen_set(sock, ifindex, IN6_ADDR_GEN_MODE_NONE);

	return err == -EAFNOSUPPORT || err == -EINVAL ? 0 : err;
}

int link_up(struct nl_sock *sock, int ifindex)
{
	return link_request(sock, link_change(ifindex, IFF_UP));
}

int link_remove(struct nl_sock *sock, const char *name)
{
	struct ifinfomsg info = { .ifi_family = AF_UNSPEC };
	struct nl_msg *msg = link_message(RTM_DELLINK, 0, &info, sizeof(info));

	link_put_string(msg, IFLA_IFNAME, name);
	return link_request(sock, msg);
}

int link_group_set(struct nl_sock *sock, int ifindex, uint32_t group)
{
	struct nl_msg *msg = link_change(ifindex, 0);

	link_put_u32(msg, IFLA_GROUP, group);
	return link_request(sock, msg);
}

int link_remove_group(struct nl_sock *sock, uint32_t group)
{
	struct ifinfomsg info = { .ifi_family = AF_UNSPEC };
	struct nl_msg *msg = link_message(RTM_DELLINK, 0, &info, sizeof(info));
	int err;

	link_put_u32(msg, IFLA_GROUP, group);
	err = link_request(sock, msg);
	return err == -ENODEV ? 0 : err;
}

static bool mtu_found(struct nlmsghdr *nlh, void *data)
{
	struct nlattr *attr = nlmsg_find_attr(nlh, sizeof(struct ifinfomsg), IFLA_MTU);

	if (attr)
		*(unsigned int *)data = nla_get_u32(attr);
	return true;
}

unsigned int link_mtu(struct nl_sock *sock, int ifindex)
{
	struct ifinfomsg info = { .ifi_family = AF_UNSPEC, .ifi_index = ifindex };
	unsigned int mtu = 0;

	(void)link_query(sock, link_message(RTM_GETLINK, 0, &info, sizeof(info)), mtu_found,
			 &mtu);
	return mtu;
}

bool link_no_ipv6(const struct in6_addr *addr, int err)
{
	return !addr_is4(addr) && (err == -EAFNOSUPPORT || err == -EOPNOTSUPP);
}

static int address_request(struct nl_sock *sock, int type, int flags, int ifindex,
			   const struct in6_addr *addr, unsigned int len, uint32_t ifa_flags)
{
	bool v4 = addr_is4(addr);
	struct ifaddrmsg info = {
		.ifa_family = v4 ? AF_INET : AF_INET6,
		.ifa_prefixlen = (uint8_t)(v4 ? len - 96 : len),
		.ifa_index = (unsigned int)ifindex,
	};
	struct nl_msg *msg = link_message(type, flags, &info, sizeof(info));

	link_put_addr(msg, IFA_LOCAL, addr);
	link_put_addr(msg, IFA_ADDRESS, addr);
	if (ifa_flags)
		link_put_u32(msg, IFA_FLAGS, ifa_flags);
	return link_request(sock, msg);
}

int link_address_add(struct nl_sock *sock, int ifindex, const struct in6_addr *addr,
		     unsigned int len, uint32_t flags)
{
	return address_request(sock, RTM_NEWADDR, CREATE, ifindex, addr, len, flags);
}

int link_address_remove(struct nl_sock *sock, int ifindex, const struct in6_addr *addr,
			unsigned int len)
{
	return address_request(sock, RTM_DELADDR, 0, ifindex, addr, len, 0);
}
