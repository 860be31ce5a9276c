/* SPDX-License-Identifier: MIT */
/* packetpath_tenant.c - a tenant's bridge, VXLAN device, rules and routes */
#include "packetpath_tenant.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "endpoint.h"
#include "link.h"
#include "link_neighbour.h"
#include "link_route.h"
#include "log.h"
#include "port_mac.h"
#include "ruleset.h"
#include "sysctl.h"
#include "want.h"

/* Outer Ethernet, IP and UDP headers, and VXLAN's own. */
#define OVERHEAD_V4	50
#define OVERHEAD_V6	70

#define GATEWAY_LEN	128	/* the routes are added apart, to the tenant's own table */

/* Per bridge; those of a kernel without IPv6 cannot be set and need not be. */
static const struct {
	const char *format;
	int value;
} bridge_sysctls[] = {
	{ "net/ipv6/conf/%s/disable_ipv6", 0 },
	{ "net/ipv6/conf/%s/accept_ra", 0 },
	{ "net/ipv6/conf/%s/autoconf", 0 },
	{ "net/ipv4/conf/%s/src_valid_mark", 1 },	/* rp_filter finds the tenant's route */
	{ "net/ipv4/conf/%s/send_redirects", 0 },
	{ "net/ipv4/conf/%s/arp_ignore", 1 },
};

unsigned int packetpath_mtu(const struct config *config)
{
	unsigned int overhead = addr_is4(&config->addresses[0]) ? OVERHEAD_V4 : OVERHEAD_V6;

	return config->wire_mtu - overhead;
}

bool packetpath_gateway(const struct config_prefix *prefix, struct in6_addr *gateway)
{
	*gateway = prefix->addr;
	gateway->s6_addr[15] |= 1;
	return prefix->len < 127;
}

static int gateways_fill(struct packetpath_tenant *tenant)
{
	const struct config_tenant *config = tenant->config;

	tenant->gateways = calloc(config->prefixes_num + 1, sizeof(*tenant->gateways));
	if (!tenant->gateways)
		return -ENOMEM;
	for (size_t i = 0; i < config->prefixes_num; i++) {
		if (packetpath_gateway(&config->prefixes[i],
				       &tenant->gateways[tenant->gateways_num]))
			tenant->gateways_num++;
	}
	if (tenant->gateways_num)
		port_mac(tenant->gateways, tenant->gateways_num, tenant->mac);
	else
		port_mac(&config->prefixes[0].addr, 1, tenant->mac);
	tenant->mac[0] |= 0x04;		/* never a container's */
	return 0;
}

static void bridge_sysctls_set(const struct packetpath_tenant *tenant)
{
	char path[96];
	int err;

	for (size_t i = 0; i < sizeof(bridge_sysctls) / sizeof(bridge_sysctls[0]); i++) {
		snprintf(path, sizeof(path), bridge_sysctls[i].format, tenant->bridge);
		err = sysctl_write(path, bridge_sysctls[i].value);
		if (err && err != -ENOENT)
			log_warning("cannot set /proc/sys/%s to %d: %s", path,
				    bridge_sysctls[i].value, strerror(-err));
	}
}

static int gateways_add(struct nl_sock *sock, const struct packetpath_tenant *tenant)
{
	int err = 0;

	for (size_t i = 0; i < tenant->gateways_num && !err; i++) {
		const struct in6_addr *addr = &tenant->gateways[i];

		err = link_address_add(sock, tenant->bridge_index, addr, GATEWAY_LEN,
				       IFA_F_NODAD | IFA_F_NOPREFIXROUTE);
		if (link_no_ipv6(addr, err))
			err = 0;
	}
	return err;
}

static int bridge_up(struct nl_sock *sock, struct packetpath_tenant *tenant,
		     const struct config *config)
{
	int err = link_bridge_add(sock, tenant->bridge, tenant->mac, packetpath_mtu(config));

	if (err)
		return err;
	tenant->bridge_index = (int)if_nametoindex(tenant->bridge);
	bridge_sysctls_set(tenant);
	err = link_addrgen_off(sock, tenant->bridge_index);
	if (!err)
		err = gateways_add(sock, tenant);
	return err ? err : link_up(sock, tenant->bridge_index);
}

static int vxlan_up(struct nl_sock *sock, struct packetpath_tenant *tenant,
		    const struct config *config)
{
	struct link_vxlan vxlan = {
		.vni = tenant->config->vni,
		.local = config->addresses[0],
		.port = config->vxlan_port,
		.mtu = packetpath_mtu(config),
	};
	int err = link_vxlan_add(sock, tenant->vxlan, &vxlan);

	if (err)
		return err;
	tenant->vxlan_index = (int)if_nametoindex(tenant->vxlan);
	err = link_addrgen_off(sock, tenant->vxlan_index);
	if (!err)
		err = link_enslave(sock, tenant->vxlan_index, tenant->bridge_index, false);
	return err ? err : link_up(sock, tenant->vxlan_index);
}

static int routes_add(struct nl_sock *sock, const struct packetpath_tenant *tenant)
{
	const struct config_tenant *config = tenant->config;
	uint32_t mark = RULESET_MARK | config->vni;
	int err = 0;

	for (size_t i = 0; i < config->prefixes_num && !err; i++) {
		struct link_route route = {
			.addr = config->prefixes[i].addr,
			.len = config->prefixes[i].len,
			.ifindex = tenant->bridge_index,
			.table = mark,
		};

		err = link_route_add(sock, &route);
		if (!err)
			err = link_rule_add(sock, addr_is4(&route.addr) ? AF_INET : AF_INET6, mark);
		if (link_no_ipv6(&route.addr, err))
			err = 0;
	}
	return err;
}

static struct ruleset_tenant rules_of(const struct packetpath_tenant *tenant)
{
	struct ruleset_tenant rules = {
		.config = tenant->config,
		.bridge = tenant->bridge,
		.zone = tenant->zone,
		.gateways = tenant->gateways,
		.gateways_num = tenant->gateways_num,
	};

	return rules;
}

/* What is not there is no error. */
static int devices_remove(struct nl_sock *sock, const struct packetpath_tenant *tenant)
{
	int err, err_bridge;

	link_rule_remove(sock, AF_INET, RULESET_MARK | tenant->config->vni);
	link_rule_remove(sock, AF_INET6, RULESET_MARK | tenant->config->vni);
	err = link_remove(sock, tenant->vxlan);
	err_bridge = link_remove(sock, tenant->bridge);
	if (!err || err == -ENODEV)
		err = err_bridge;
	return err == -ENODEV ? 0 : err;
}

/* Both devices of an earlier router's, or none */
static bool adopt_devices(struct nl_sock *sock, struct packetpath_tenant *tenant)
{
	tenant->bridge_index = (int)if_nametoindex(tenant->bridge);
	tenant->vxlan_index = (int)if_nametoindex(tenant->vxlan);
	tenant->adopted = tenant->bridge_index && tenant->vxlan_index;
	if (!tenant->adopted)
		devices_remove(sock, tenant);
	return tenant->adopted;
}

static int tenant_up(struct nl_sock *sock, const struct config *config,
		     struct packetpath_tenant *tenant, bool adopt)
{
	struct ruleset_tenant rules = rules_of(tenant);
	const char *step = "bridge";
	int err = 0;

	adopt = adopt && adopt_devices(sock, tenant);
	if (!adopt)
		err = bridge_up(sock, tenant, config);
	if (!err && !adopt) {
		step = "VXLAN device";
		err = vxlan_up(sock, tenant, config);
	}
	if (!err) {
		step = "routes";
		err = routes_add(sock, tenant);
	}
	if (!err) {
		step = "nftables rules";
		err = ruleset_tenant_add(&rules);
	}
	if (!err)
		return 0;
	log_error("tenant %s (VNI %u): cannot make its %s: %s", tenant->config->name,
		  tenant->config->vni, step, strerror(-err));
	/* What an earlier router made is there for the next start. */
	if (!adopt || !want_is(err))
		devices_remove(sock, tenant);
	return err;
}

struct packetpath_tenant *packetpath_tenant_new(struct nl_sock *sock,
						const struct config *config,
						const struct config_tenant *config_tenant,
						uint16_t zone, bool adopt)
{
	struct packetpath_tenant *tenant = calloc(1, sizeof(*tenant));
	int err = -ENOMEM;

	if (!tenant)
		goto out;
	tenant->config = config_tenant;
	tenant->zone = zone;
	tenant->remotes_missing = true;
	snprintf(tenant->bridge, IFNAMSIZ, PACKETPATH_BRIDGE_PREFIX "%06x",
		 config_tenant->vni & 0xffffff);
	snprintf(tenant->vxlan, IFNAMSIZ, PACKETPATH_VXLAN_PREFIX "%06x",
		 config_tenant->vni & 0xffffff);
	err = gateways_fill(tenant);
	if (!err)
		err = tenant_up(sock, config, tenant, adopt);
	if (!err)
		return tenant;
	packetpath_tenant_free(tenant);
out:
	errno = -err;
	return NULL;
}

int packetpath_tenant_down(struct nl_sock *sock, const struct packetpath_tenant *tenant)
{
	struct ruleset_tenant rules = rules_of(tenant);
	int err = ruleset_tenant_remove(&rules);
	int devices = devices_remove(sock, tenant);

	return devices ? devices : err;
}

void packetpath_tenant_free(struct packetpath_tenant *tenant)
{
	packetpath_locals_clear(&tenant->locals);
	free(tenant->gateways);
	free(tenant);
}

static bool address_among(const struct in6_addr *addr, const struct in6_addr *list, size_t num)
{
	for (size_t i = 0; i < num; i++) {
		if (IN6_ARE_ADDR_EQUAL(addr, &list[i]))
			return true;
	}
	return false;
}

bool packetpath_tenant_is_gateway(const struct packetpath_tenant *tenant, const uint8_t *mac,
				  const struct in6_addr *addresses, size_t num)
{
	if (!memcmp(mac, tenant->mac, PACKETPATH_MAC_LEN))
		return true;
	for (size_t i = 0; i < num; i++) {
		if (address_among(&addresses[i], tenant->gateways, tenant->gateways_num))
			return true;
	}
	return false;
}
