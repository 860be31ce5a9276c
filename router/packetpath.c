/* SPDX-License-Identifier: MIT */
/*
 * packetpath.c - veth, bridge, VXLAN and the rules around them
 *
 * Theory of operation
 *
 * The kernel holds the state; kept here are the tenants that have containers on
 * this host, and which MACs and addresses those have, so that no peer's word about
 * them is heeded. A port is made from the host outwards: device, pinning, bridge,
 * forwarding entry, and at last the container's side, so that nothing the container
 * sends can come before its pinning. Undoing is removing the veth (which takes the port, its
 * forwarding entry and the container's end along), and then its nftables table: until
 * the device is gone, nothing passes it but what its pinning lets through. What cannot be
 * removed, for want of memory, is left to packetpath_sweep(): it needs to remember nothing of it.
 */
#include "packetpath.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "endpoint.h"
#include "link.h"
#include "link_neighbour.h"
#include "link_request.h"
#include "link_route.h"
#include "log.h"
#include "netfilter_probe.h"
#include "packetpath_container.h"
#include "packetpath_host.h"
#include "packetpath_tenant.h"
#include "port_mac.h"
#include "ruleset.h"
#include "sysctl.h"
#include "want.h"

#define STALE_BATCH	64		/* neighbours that are removed at a time */

static struct {
	const struct config *config;
	struct nl_sock *sock;
	struct packetpath_tenant *tenants;
	unsigned int veth_last;		/* the number in the last veth's name */
	bool keep;			/* what an earlier router made, and we do */
	bool unfinished;		/* see packetpath_is_unfinished() */
	bool (*judged)(uint32_t vni);
} path;

static struct packetpath_tenant *tenant_find(uint32_t vni)
{
	struct packetpath_tenant *tenant = path.tenants;

	while (tenant && tenant->config->vni != vni)
		tenant = tenant->next;
	return tenant;
}

static bool zone_used(uint16_t zone)
{
	for (struct packetpath_tenant *tenant = path.tenants; tenant; tenant = tenant->next) {
		if (tenant->zone == zone)
			return true;
	}
	return false;
}

/* Zone 0 is the host's own. */
static uint16_t zone_pick(void)
{
	uint16_t zone = 1;

	while (zone && zone_used(zone))
		zone++;
	return zone;
}

/* @zone: what it had in an earlier router, whose devices are taken over; 0: a new one */
static struct packetpath_tenant *tenant_get(const struct config_tenant *config, uint16_t zone)
{
	struct packetpath_tenant *tenant = tenant_find(config->vni);
	bool adopt = zone != 0;

	if (tenant)
		return tenant;
	if (!zone || zone_used(zone))
		zone = zone_pick();
	if (!zone) {
		log_error("tenant %s: this host has 65535 tenants already", config->name);
		errno = ENOSPC;
		return NULL;
	}
	tenant = packetpath_tenant_new(path.sock, path.config, config, zone, adopt);
	if (!tenant)
		return NULL;
	tenant->next = path.tenants;
	path.tenants = tenant;
	return tenant;
}

/* Removed, or refused for @err, which is passed on */
static int removed(int err)
{
	if (want_is(err))
		path.unfinished = true;
	return err;
}

/* Is it gone? */
static bool device_remove(const char *ifname)
{
	int err = removed(link_remove(path.sock, ifname));

	return !err || err == -ENODEV;
}

/* Removes the tenant's devices with its last container. */
static void tenant_put(struct packetpath_tenant *tenant)
{
	struct packetpath_tenant **link = &path.tenants;

	if (tenant->locals.num)
		return;
	while (*link != tenant)
		link = &(*link)->next;
	*link = tenant->next;
	removed(packetpath_tenant_down(path.sock, tenant));
	packetpath_tenant_free(tenant);
}

int packetpath_init(const struct config *config, bool keep)
{
	int err, others;

	path.config = config;
	path.sock = link_socket();
	if (!path.sock) {
		err = -errno;
		log_error("cannot open a rtnetlink socket: %s", strerror(-err));
		return err;
	}
	err = ruleset_open();
	if (err) {
		log_error("cannot talk to nftables: %s", strerror(-err));
		goto close;
	}
	path.keep = keep;
	err = keep ? link_rules_flush(path.sock, RULESET_MARK) : packetpath_host_clean(path.sock);
	if (err)
		goto close_ruleset;
	others = netfilter_probe(RULESET_TABLE);
	if (others < 0)
		log_warning("cannot tell whether this host has netfilter rules: %s",
			    strerror(-others));
	packetpath_host_sysctls(config, others == 0);
	err = ruleset_init(config, others == 0);
	if (!err)
		return 0;
close_ruleset:
	ruleset_close();
close:
	nl_socket_free(path.sock);
	path.sock = NULL;
	return err;
}

void packetpath_set_judged(bool (*judged)(uint32_t vni))
{
	path.judged = judged;
}

void packetpath_exit(void)
{
	if (!path.sock)
		return;
	if (!path.keep) {
		packetpath_host_clean(path.sock);
		ruleset_exit();
	}
	ruleset_close();
	while (path.tenants) {
		struct packetpath_tenant *tenant = path.tenants;

		path.tenants = tenant->next;
		packetpath_tenant_free(tenant);
	}
	nl_socket_free(path.sock);
	path.sock = NULL;
}

/* A prefix's own address is nobody's in IPv4, and the routers' in IPv6 (RFC 4291). */
static bool is_network(const struct config_tenant *tenant, const struct in6_addr *addr)
{
	for (size_t i = 0; i < tenant->prefixes_num; i++) {
		if (tenant->prefixes[i].len < 127 &&
		    IN6_ARE_ADDR_EQUAL(addr, &tenant->prefixes[i].addr))
			return true;
	}
	return false;
}

/* An IPv4 prefix's last address: the kernels of all who have it on-link take it for a broadcast. */
static bool is_broadcast(const struct config_tenant *tenant, const struct in6_addr *addr)
{
	for (size_t i = 0; i < tenant->prefixes_num; i++) {
		const struct config_prefix *prefix = &tenant->prefixes[i];
		uint32_t host;

		if (prefix->len >= 127 || !addr_is4(&prefix->addr) ||
		    !config_prefix_covers(prefix, addr))
			continue;
		host = UINT32_MAX >> (prefix->len - 96);
		if ((ntohl(addr_get4(addr)) & host) == host)
			return true;
	}
	return false;
}

static int port_check(const struct config_tenant *tenant, const struct packetpath_port *port)
{
	char text[INET6_ADDRSTRLEN];

	if (!port->addresses_num || port->addresses_num > PACKETPATH_ADDRESSES) {
		log_error("a container needs 1 to %d addresses, this one has %zu",
			  PACKETPATH_ADDRESSES, port->addresses_num);
		return -EINVAL;
	}
	for (size_t i = 0; i < port->addresses_num; i++) {
		addr_format(&port->addresses[i], text, sizeof(text));
		if (!config_tenant_covers(tenant, &port->addresses[i])) {
			log_error("%s lies in none of tenant %s's prefixes", text, tenant->name);
			return -EINVAL;
		}
		if (is_network(tenant, &port->addresses[i])) {
			log_error("%s is the number of a prefix of tenant %s, choose another",
				  text, tenant->name);
			return -EINVAL;
		}
		if (is_broadcast(tenant, &port->addresses[i])) {
			log_error("%s is the broadcast address of a prefix of tenant %s, choose "
				  "another", text, tenant->name);
			return -EINVAL;
		}
	}
	return 0;
}

static int veth_make(struct packetpath_port *port)
{
	struct link_veth veth = {
		.name = port->host_ifname,
		.peer_name = port->container_ifname,
		.peer_mac = port->mac,
		.peer_netns = port->netns_fd,
		.mtu = packetpath_mtu(path.config),
	};
	int err;

	/* After a restart containers that are not adopted yet have the next ones. */
	do {
		snprintf(port->host_ifname, sizeof(port->host_ifname),
			 PACKETPATH_VETH_PREFIX "%06x", ++path.veth_last);
		err = link_veth_add(path.sock, &veth);
	} while (err == -EEXIST && if_nametoindex(port->host_ifname));
	if (err == -EEXIST)
		log_error("the container has a device %s already: choose another name for "
			  "this one, or remove that", port->container_ifname);
	else if (err)
		log_error("cannot make the devices %s and %s: %s", port->host_ifname,
			  port->container_ifname, strerror(-err));
	return err;
}

/* The gateway knows its containers, as they know it: see packetpath_container.c. */
static int neighbours_add(const struct packetpath_tenant *tenant,
			  const struct packetpath_port *port)
{
	int err = 0;

	for (size_t i = 0; i < port->addresses_num && !err; i++)
		err = link_neighbour_add(path.sock, tenant->bridge_index,
					 &port->addresses[i], port->mac);
	return err;
}

static void neighbours_remove(const struct packetpath_tenant *tenant,
			      const struct packetpath_port *port)
{
	for (size_t i = 0; i < port->addresses_num; i++)
		removed(link_neighbour_remove(path.sock, tenant->bridge_index,
					      &port->addresses[i], port->mac));
}

static int port_connect(const struct packetpath_tenant *tenant,
			const struct packetpath_port *port)
{
	int ifindex = (int)if_nametoindex(port->host_ifname);
	char sysctl[96];
	int err = 0;

	/*
	 * The bridge has what IPv6 there is; else each port has a route, and the kernel goes through them all.
	 * Where /proc/sys cannot be written, it has no address at least.
	 */
	snprintf(sysctl, sizeof(sysctl), "net/ipv6/conf/%s/disable_ipv6", port->host_ifname);
	if (sysctl_write(sysctl, 1))
		err = link_addrgen_off(path.sock, ifindex);
	if (!err)
		err = link_enslave(path.sock, ifindex, tenant->bridge_index, true);
	if (!err)
		err = link_fdb_port_add(path.sock, ifindex, port->mac);
	if (!err)
		err = neighbours_add(tenant, port);
	if (!err)
		err = link_up(path.sock, ifindex);
	if (err == -EXFULL)
		log_error("tenant %s: its bridge has no room for more than %d containers",
			  tenant->config->name, PACKETPATH_TENANT_PORTS);
	else if (err)
		log_error("cannot make %s a port of %s: %s", port->host_ifname,
			  tenant->bridge, strerror(-err));
	return err;
}

/* The device first: it stays pinned as long as it is there. */
static void port_unmake(const struct packetpath_tenant *tenant,
			const struct packetpath_port *port)
{
	if (device_remove(port->host_ifname))
		removed(ruleset_port_remove(port->host_ifname));
	neighbours_remove(tenant, port);
}

static int port_make(const struct packetpath_tenant *tenant, struct packetpath_port *port)
{
	struct ruleset_port pin = {
		.ifname = port->host_ifname,
		.mac = port->mac,
		.addresses = port->addresses,
		.addresses_num = port->addresses_num,
	};
	int err = veth_make(port);

	if (err)
		return err;
	err = ruleset_port_add(&pin);
	if (err) {
		device_remove(port->host_ifname);
		return err;
	}
	if (path.judged && path.judged(port->vni))
		err = ruleset_port_hold(port->host_ifname);
	if (err)
		goto undo;
	err = port_connect(tenant, port);
	if (err)
		goto undo;
	err = packetpath_container_setup(tenant->config, port, tenant->mac,
					 path.config->egress == CONFIG_EGRESS_MASQUERADE);
	if (!err)
		return 0;
	packetpath_container_clean(port);
undo:
	port_unmake(tenant, port);
	return err;
}

int packetpath_attach(const struct config_tenant *config, struct packetpath_port *port)
{
	struct packetpath_tenant *tenant;
	int err = port_check(config, port);

	if (err)
		return err;
	port_mac(port->addresses, port->addresses_num, port->mac);
	tenant = tenant_get(config, 0);
	if (!tenant)
		return -errno;
	port->zone = tenant->zone;
	if (packetpath_tenant_is_gateway(tenant, port->mac, port->addresses,
					 port->addresses_num) ||
	    packetpath_local_has(&tenant->locals, port->mac, port->addresses,
				 port->addresses_num)) {
		log_error("tenant %s: one of the addresses is the gateway's (a prefix's first) or "
			  "another container's on this host: choose another one", config->name);
		err = -EADDRINUSE;
		goto put;
	}
	err = packetpath_local_add(&tenant->locals, port->mac, port->addresses,
				   port->addresses_num);
	if (err)
		goto put;
	err = port_make(tenant, port);
	if (!err)
		return 0;
	packetpath_local_remove(&tenant->locals, port->mac);
put:
	tenant_put(tenant);
	return err;
}

void packetpath_detach(const struct config_tenant *config, const struct packetpath_port *port)
{
	struct packetpath_tenant *tenant = tenant_find(config->vni);

	if (!tenant)
		return;
	packetpath_container_clean(port);
	port_unmake(tenant, port);
	packetpath_local_remove(&tenant->locals, port->mac);
	tenant_put(tenant);
}

void packetpath_leaving(const struct packetpath_port *port)
{
	link_group_set(path.sock, (int)if_nametoindex(port->host_ifname), LINK_GROUP_LEAVING);
}

void packetpath_leave(void)
{
	link_remove_group(path.sock, LINK_GROUP_LEAVING);
}

bool packetpath_remotes_missing(uint32_t vni)
{
	struct packetpath_tenant *tenant = tenant_find(vni);
	bool missing = tenant && tenant->remotes_missing;

	if (missing)
		tenant->remotes_missing = false;
	return missing;
}

/* Peers say these things: neither the log nor a container here may suffer. */
static int remote_check(struct packetpath_tenant *tenant, const uint8_t *mac,
			const struct in6_addr *addresses, size_t num,
			const struct in6_addr *host)
{
	static struct log_limit limit = { .burst = 5 };
	bool local = packetpath_local_has(&tenant->locals, mac, addresses, num);
	const char *why = NULL;

	if (local)
		tenant->remotes_missing = true;	/* it may have moved, and leave here soon */
	if (local || packetpath_tenant_is_gateway(tenant, mac, addresses, num))
		why = "has the MAC or an address of the gateway or of a container here";
	else if (mac[0] & 1)
		why = "has a multicast MAC";
	else if (addr_is4(host) != addr_is4(&path.config->addresses[0]))
		why = "is on a host whose first address is of another family than this host's";
	for (size_t i = 0; i < num && !why; i++) {
		if (!config_tenant_covers(tenant->config, &addresses[i]))
			why = "has an address outside the tenant's prefixes";
	}
	if (!why)
		return 0;
	if (log_limit_ok(&limit))
		log_warning("tenant %s: not adding a remote container: it %s",
			    tenant->config->name, why);
	return -EINVAL;
}

int packetpath_remote_add(uint32_t vni, const uint8_t mac[PACKETPATH_MAC_LEN],
			  const struct in6_addr *addresses, size_t num,
			  const struct in6_addr *host)
{
	struct packetpath_tenant *tenant = tenant_find(vni);
	int err;

	if (!tenant)
		return 0;
	err = remote_check(tenant, mac, addresses, num, host);
	if (err)
		return err;
	err = link_fdb_host_add(path.sock, tenant->vxlan_index, mac, host);
	if (!err)
		err = link_fdb_port_add(path.sock, tenant->vxlan_index, mac);
	for (size_t i = 0; i < num && !err; i++) {
		err = link_neighbour_add(path.sock, tenant->vxlan_index, &addresses[i], mac);
		if (link_no_ipv6(&addresses[i], err))
			err = 0;
	}
	if (err)
		packetpath_remote_remove(vni, mac, addresses, num, host);
	if (want_is(err)) {
		tenant->remotes_missing = true;
		path.unfinished = true;
	}
	return err;
}

/* A forwarding entry that names another host means that the container has moved on. */
void packetpath_remote_remove(uint32_t vni, const uint8_t mac[PACKETPATH_MAC_LEN],
			      const struct in6_addr *addresses, size_t num,
			      const struct in6_addr *host)
{
	struct packetpath_tenant *tenant = tenant_find(vni);

	if (!tenant || link_fdb_host_remove(path.sock, tenant->vxlan_index, mac, host))
		return;
	link_fdb_port_remove(path.sock, tenant->vxlan_index, mac);
	for (size_t i = 0; i < num; i++)
		link_neighbour_remove(path.sock, tenant->vxlan_index, &addresses[i], mac);
}

/* --- after a restart --- */

static unsigned int veth_number(const char *ifname)
{
	unsigned int number;

	return sscanf(ifname, PACKETPATH_VETH_PREFIX "%6x", &number) == 1 ? number : 0;
}

int packetpath_adopt(const struct config_tenant *config, struct packetpath_port *port)
{
	struct packetpath_tenant *tenant;
	struct ruleset_port pin = {
		.ifname = port->host_ifname,
		.mac = port->mac,
		.addresses = port->addresses,
		.addresses_num = port->addresses_num,
	};
	int err = port_check(config, port);

	if (err)
		return err;
	if (veth_number(port->host_ifname) > path.veth_last)
		path.veth_last = veth_number(port->host_ifname);
	tenant = tenant_get(config, port->zone);
	if (!tenant)
		return -errno;
	port->zone = tenant->zone;
	/* Of a bridge that is no more, it is a port no more. */
	if (!tenant->adopted || !if_nametoindex(port->host_ifname)) {
		err = tenant->adopted && want_is(errno) ? -errno : -ENODEV;
		goto put;
	}
	err = packetpath_local_add(&tenant->locals, port->mac, port->addresses,
				   port->addresses_num);
	if (!err)
		err = ruleset_port_renew(&pin);
	if (!err)
		return 0;
	packetpath_local_remove(&tenant->locals, port->mac);
put:
	/* Then another start finds all as it is. */
	if (want_is(err))
		return err;
	tenant_put(tenant);
	packetpath_forget(port);
	return err == -EADDRINUSE ? err : -ENODEV;
}

void packetpath_forget(const struct packetpath_port *port)
{
	if (!veth_number(port->host_ifname))
		return;
	if (device_remove(port->host_ifname))
		ruleset_port_forget(port->host_ifname);
}

struct kept {
	const char *const *names;
	size_t num;
};

static bool is_kept(const char *ifname, const void *data)
{
	const struct kept *kept = data;

	for (size_t i = 0; i < kept->num; i++)
		if (!strcmp(kept->names[i], ifname))
			return true;
	return false;
}

static bool is_known(const char *ifname, const struct kept *kept)
{
	for (const struct packetpath_tenant *tenant = path.tenants; tenant; tenant = tenant->next)
		if (!strcmp(tenant->bridge, ifname) || !strcmp(tenant->vxlan, ifname))
			return true;
	return is_kept(ifname, kept);
}

static bool is_ours(const char *ifname)
{
	return !strncmp(ifname, PACKETPATH_BRIDGE_PREFIX, strlen(PACKETPATH_BRIDGE_PREFIX)) ||
	       !strncmp(ifname, PACKETPATH_VXLAN_PREFIX, strlen(PACKETPATH_VXLAN_PREFIX)) ||
	       !strncmp(ifname, PACKETPATH_VETH_PREFIX, strlen(PACKETPATH_VETH_PREFIX));
}

static void sweep_devices(const struct kept *kept)
{
	struct if_nameindex *all = if_nameindex();

	removed(all ? 0 : -errno);
	for (struct if_nameindex *one = all; one && one->if_index; one++) {
		if (!is_ours(one->if_name) || is_known(one->if_name, kept))
			continue;
		log_info("removing the device %s, which no container has any more",
			 one->if_name);
		device_remove(one->if_name);
	}
	if (all)
		if_freenameindex(all);
}

/* A bridge's neighbours that are no containers of its tenant */
struct stale {
	const struct packetpath_locals *locals;
	struct {
		struct in6_addr addr;
		uint8_t mac[PACKETPATH_MAC_LEN];
	} entries[STALE_BATCH];
	size_t num;
};

static void neighbour_found(const struct in6_addr *addr, const uint8_t *mac, void *data)
{
	struct stale *stale = data;

	if (stale->num == STALE_BATCH || packetpath_local_has(stale->locals, mac, addr, 1))
		return;
	stale->entries[stale->num].addr = *addr;
	memcpy(stale->entries[stale->num++].mac, mac, PACKETPATH_MAC_LEN);
}

static int sweep_neighbours(const struct packetpath_tenant *tenant)
{
	struct stale stale = { .locals = &tenant->locals };
	int err;

	do {
		stale.num = 0;
		err = link_neighbour_each(path.sock, tenant->bridge_index, neighbour_found, &stale);
		for (size_t i = 0; i < stale.num && !err; i++)
			err = link_neighbour_remove(path.sock, tenant->bridge_index,
						    &stale.entries[i].addr, stale.entries[i].mac);
	} while (!err && stale.num == STALE_BATCH);
	return err;
}

/* As ever, the devices first */
void packetpath_sweep(const char *const *names, size_t num)
{
	struct kept kept = { names, num };

	path.unfinished = false;
	sweep_devices(&kept);
	removed(ruleset_ports_sweep(is_kept, &kept));
	for (struct packetpath_tenant *tenant = path.tenants; tenant; tenant = tenant->next)
		removed(sweep_neighbours(tenant));
}

bool packetpath_is_unfinished(void)
{
	return path.unfinished;
}
