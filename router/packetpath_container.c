/* SPDX-License-Identifier: MIT */
/*
 * packetpath_container.c - what an attachment sets inside a container's namespace
 *
 * The whole of each of the tenant's prefixes is on-link: ARP and ND are answered on
 * the host, from the directory. The gateway's MAC never changes and is entered for good,
 * so that the way out does not hang on the host's rp_filter (which would look at the
 * sender of an ARP request without knowing the tenant).
 */
#include "packetpath_container.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "../include/slim/channel.h"
#include "endpoint.h"
#include "link.h"
#include "link_neighbour.h"
#include "link_request.h"
#include "link_route.h"
#include "log.h"
#include "namespace.h"
#include "packetpath_tenant.h"
#include "port_mac.h"
#include "sysctl.h"

#define LOOPBACK_INDEX	1	/* in every namespace */
#define LINK_LOCAL_LEN	64

struct container {
	const struct config_tenant *tenant;
	const struct packetpath_port *port;
	struct nl_sock *sock;
	int ifindex;
	const char *step;		/* for the log */
};

static const struct in6_addr ticket_addr6 = { .s6_addr = SLIM_TICKET_ADDR6 };

static bool has_family(const struct packetpath_port *port, bool v4)
{
	for (size_t i = 0; i < port->addresses_num; i++) {
		if (addr_is4(&port->addresses[i]) == v4)
			return true;
	}
	return false;
}

static bool prefix_has_address(const struct config_prefix *prefix,
			       const struct packetpath_port *port)
{
	for (size_t i = 0; i < port->addresses_num; i++) {
		if (config_prefix_covers(prefix, &port->addresses[i]))
			return true;
	}
	return false;
}

static const struct config_prefix *prefix_of(const struct config_tenant *tenant,
					     const struct in6_addr *addr)
{
	for (size_t i = 0; i < tenant->prefixes_num; i++) {
		if (config_prefix_covers(&tenant->prefixes[i], addr))
			return &tenant->prefixes[i];
	}
	return NULL;
}

/*
 * Docker and podman turn IPv6 off in containers that they gave no IPv6 address: the kernel
 * says EACCES then. (To look first would take the longer the more namespaces there are:
 * sysctls of one name lie in one chain of the kernel's cache of file names.)
 */
static int address_add(const struct container *container, const char *ifname, int ifindex,
		       const struct in6_addr *addr, unsigned int len)
{
	int err = link_address_add(container->sock, ifindex, addr, len, IFA_F_NODAD);
	char path[96];

	if (err != -EACCES)
		return err;
	snprintf(path, sizeof(path), "net/ipv6/conf/%s/disable_ipv6", ifname);
	err = sysctl_write(path, 0);
	return err ? err : link_address_add(container->sock, ifindex, addr, len, IFA_F_NODAD);
}

static int loopback_setup(struct container *container)
{
	bool need6 = has_family(container->port, false);
	int err;

	container->step = "bring its loopback device up";
	err = link_up(container->sock, LOOPBACK_INDEX);
	if (err)
		return err;
	container->step = "add the reserved IPv6 address to its loopback device";
	if (need6)
		err = address_add(container, "lo", LOOPBACK_INDEX, &ticket_addr6, 128);
	else
		link_address_add(container->sock, LOOPBACK_INDEX, &ticket_addr6, 128, IFA_F_NODAD);
	return err == -EEXIST ? 0 : err;
}

/*
 * The one that the pinning knows, whatever the namespace's default is; nobody else can have
 * it, so that nobody needs to be asked.
 */
static int link_local_add(struct container *container)
{
	struct in6_addr addr = port_mac_link_local(container->port->mac);

	return address_add(container, container->port->container_ifname, container->ifindex,
			   &addr, LINK_LOCAL_LEN);
}

static int addresses_add(struct container *container)
{
	const struct packetpath_port *port = container->port;
	int err = link_addrgen_off(container->sock, container->ifindex);

	container->step = "add its addresses (is IPv6 disabled there?)";
	if (!err && has_family(port, false))
		err = link_local_add(container);
	for (size_t i = 0; i < port->addresses_num && !err; i++) {
		const struct in6_addr *addr = &port->addresses[i];

		err = address_add(container, port->container_ifname, container->ifindex, addr,
				  prefix_of(container->tenant, addr)->len);
	}
	return err;
}

/* The tenant's prefixes that no address of the container's own brings along. */
static int prefixes_route(struct container *container)
{
	const struct config_tenant *tenant = container->tenant;
	int err = 0;

	container->step = "add routes to the tenant's prefixes";
	for (size_t i = 0; i < tenant->prefixes_num && !err; i++) {
		struct link_route route = {
			.addr = tenant->prefixes[i].addr,
			.len = tenant->prefixes[i].len,
			.ifindex = container->ifindex,
			.table = LINK_TABLE_MAIN,
		};

		if (has_family(container->port, addr_is4(&route.addr)) &&
		    !prefix_has_address(&tenant->prefixes[i], container->port))
			err = link_route_add(container->sock, &route);
	}
	return err;
}

/* The first address of a family whose prefix has a gateway says where it is. */
static bool gateway_find(const struct container *container, bool v4, struct in6_addr *gateway)
{
	const struct packetpath_port *port = container->port;

	for (size_t i = 0; i < port->addresses_num; i++) {
		if (addr_is4(&port->addresses[i]) == v4 &&
		    packetpath_gateway(prefix_of(container->tenant, &port->addresses[i]), gateway))
			return true;
	}
	return false;
}

static int default_route(struct container *container, bool v4, bool egress, const uint8_t *mac)
{
	struct in6_addr gateway;
	struct link_route route = {
		.len = v4 ? 96 : 0,
		.gateway = &gateway,
		.ifindex = container->ifindex,
		.table = LINK_TABLE_MAIN,
	};
	int err;

	if (!gateway_find(container, v4, &gateway))
		return 0;
	container->step = "add its default route";
	if (v4)
		route.addr = addr_map4(0);
	err = link_neighbour_add(container->sock, container->ifindex, &gateway, mac);
	if (!err && egress)
		err = link_route_add(container->sock, &route);
	return err;
}

static int setup_inside(struct container *container, const uint8_t *gateway_mac, bool egress)
{
	int err = loopback_setup(container);

	if (!err)
		err = addresses_add(container);
	if (err)
		return err;
	container->step = "bring its device up";
	err = link_up(container->sock, container->ifindex);
	if (!err)
		err = prefixes_route(container);
	if (!err)
		err = default_route(container, true, egress, gateway_mac);
	if (!err)
		err = default_route(container, false, egress, gateway_mac);
	return err;
}

int packetpath_container_setup(const struct config_tenant *tenant,
			       const struct packetpath_port *port,
			       const uint8_t *gateway_mac, bool egress)
{
	struct container container = { .tenant = tenant, .port = port, .step = "enter it" };
	int err = namespace_enter(port->netns_fd);

	if (err)
		goto log;
	container.step = "talk to its rtnetlink";
	container.sock = link_socket();
	container.ifindex = (int)if_nametoindex(port->container_ifname);
	if (container.sock && container.ifindex)
		err = setup_inside(&container, gateway_mac, egress);
	else
		err = -errno;
	nl_socket_free(container.sock);
	namespace_leave();
log:
	if (err)
		log_error("container's %s: cannot %s: %s", port->container_ifname,
			  container.step, strerror(-err));
	return err;
}

void packetpath_container_clean(const struct packetpath_port *port)
{
	struct nl_sock *sock;

	if (port->netns_fd < 0 || namespace_enter(port->netns_fd))
		return;
	sock = link_socket();
	if (sock)
		link_address_remove(sock, LOOPBACK_INDEX, &ticket_addr6, 128);
	nl_socket_free(sock);
	namespace_leave();
}
