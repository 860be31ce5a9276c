/* SPDX-License-Identifier: MIT */
/* packetpath_host.c - what the host must be told before containers come */
#include "packetpath_host.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "link.h"
#include "link_route.h"
#include "log.h"
#include "ruleset.h"
#include "shaping_tree.h"
#include "sysctl.h"

#define IPV6_CONF	"net/ipv6/conf"

/* Client and server side of TCP fast open (tcp(7)). */
#define FASTOPEN_BOTH	3

struct setting {
	const char *path;
	int value;
	const char *without;	/* what becomes of those who do without it */
};

static const struct setting egress_settings[] = {
	{ "net/ipv4/ip_forward", 1, "containers do not reach the outside over IPv4" },
	{ IPV6_CONF "/all/forwarding", 1, "containers do not reach the outside over IPv6" },
};

static const struct setting settings[] = {
	{ "net/ipv4/tcp_tw_reuse", 1,
	  "busy pairs of hosts run out of source ports" },
	{ "net/ipv4/fwmark_reflect", 1, "containers cannot ping their gateway" },
	{ "net/ipv6/fwmark_reflect", 1, "containers cannot ping their gateway" },
};

static const struct setting bridge_netfilter[] = {
	{ "net/bridge/bridge-nf-call-iptables", 0, "the packet path is slower" },
	{ "net/bridge/bridge-nf-call-ip6tables", 0, "the packet path is slower" },
	{ "net/bridge/bridge-nf-call-arptables", 0, "the packet path is slower" },
};

/* A kernel without the feature has no such file. */
static void setting_apply(const struct setting *setting)
{
	int err = sysctl_write(setting->path, setting->value);

	if (err && err != -ENOENT)
		log_warning("cannot set /proc/sys/%s to %d (%s): %s", setting->path,
			    setting->value, strerror(-err), setting->without);
}

static void settings_apply(const struct setting *list, size_t num)
{
	for (size_t i = 0; i < num; i++)
		setting_apply(&list[i]);
}

static void fastopen_enable(void)
{
	int value = sysctl_read("net/ipv4/tcp_fastopen");
	struct setting setting = {
		.path = "net/ipv4/tcp_fastopen",
		.value = (value > 0 ? value : 0) | FASTOPEN_BOTH,
		.without = "slim connections take a round trip longer",
	};

	setting_apply(&setting);
}

static void accept_ra_keep(const char *ifname)
{
	char path[sizeof(IPV6_CONF) + NAME_MAX + sizeof("/accept_ra")];

	snprintf(path, sizeof(path), IPV6_CONF "/%s/accept_ra", ifname);
	if (sysctl_read(path) == 1 && sysctl_write(path, 2))
		log_warning("cannot set /proc/sys/%s to 2: %s stops heeding router advertisements",
			    path, ifname);
}

/*
 * A host that forwards IPv6 stops heeding router advertisements, and loses its own
 * default route, unless accept_ra is 2.
 */
static void router_advertisements_keep(void)
{
	struct dirent *entry;
	DIR *dir;

	if (sysctl_read(IPV6_CONF "/all/forwarding") != 0)
		return;
	dir = opendir("/proc/sys/" IPV6_CONF);
	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] != '.')
			accept_ra_keep(entry->d_name);
	}
	if (dir)
		closedir(dir);
}

void packetpath_host_sysctls(const struct config *config, bool alone)
{
	fastopen_enable();
	settings_apply(settings, sizeof(settings) / sizeof(settings[0]));
	if (config->egress == CONFIG_EGRESS_MASQUERADE) {
		router_advertisements_keep();
		settings_apply(egress_settings,
			       sizeof(egress_settings) / sizeof(egress_settings[0]));
	}
	if (alone)
		settings_apply(bridge_netfilter,
			       sizeof(bridge_netfilter) / sizeof(bridge_netfilter[0]));
	else if (sysctl_read(bridge_netfilter[0].path) == 1)
		log_info("net.bridge.bridge-nf-call-iptables is 1 and this host has netfilter "
			 "rules: they also see what containers send each other");
}

int packetpath_host_clean(struct nl_sock *sock)
{
	int err = link_remove_group(sock, LINK_GROUP);

	if (!err)
		err = link_remove_group(sock, LINK_GROUP_LEAVING);
	if (!err)
		err = link_rules_flush(sock, RULESET_MARK);
	if (!err)
		err = ruleset_ports_flush();
	if (!err)
		err = shaping_tree_sweep(sock, NULL, 0);
	if (err)
		log_error("cannot remove this host's slim devices, their tables, queueing "
			  "disciplines and routing rules: %s", strerror(-err));
	return err;
}
