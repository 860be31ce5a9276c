/* SPDX-License-Identifier: MIT */
/* slimctl_attach.c - slimctl attach, detach */
#include "slimctl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "netns.h"
#include "slimctl_text.h"
#include "table.h"

#include "../router/config.h"

static int add_address(struct slimctl *ctl, const char *text)
{
	struct in6_addr addr;

	if (inet_pton(AF_INET, text, &addr) != 1 && inet_pton(AF_INET6, text, &addr) != 1)
		return slimctl_usage(ctl, "--ip: \"%s\" is no IPv4 or IPv6 address", text);
	if (json_array_size(ctl->addresses) == SLIMCTL_ADDRESSES_MAX)
		return slimctl_usage(ctl, "--ip: a container has at most %d addresses",
				     SLIMCTL_ADDRESSES_MAX);
	json_array_append_new(ctl->addresses, json_string(text));
	return 0;
}

int slimctl_add_addresses(struct slimctl *ctl, const char *text)
{
	char *copy = strdup(text), *rest = copy, *one;
	int status = copy ? 0 : SLIMCTL_FAILED;

	while (!status && (one = strsep(&rest, ",")))
		status = add_address(ctl, one);
	free(copy);
	return status;
}

int slimctl_add_label(struct slimctl *ctl, const char *text)
{
	const char *equals = strchr(text, '=');
	char *key;
	int status = 0;

	if (!equals || equals == text)
		return slimctl_usage(ctl, "--label: \"%s\" is not of the form KEY=VALUE", text);
	key = strndup(text, (size_t)(equals - text));
	if (!key)
		return SLIMCTL_FAILED;
	if (json_object_get(ctl->labels, key))
		status = slimctl_usage(ctl, "--label: %s is there twice", key);
	else if (json_object_set_new(ctl->labels, key, json_string(equals + 1)))
		status = slimctl_usage(ctl, "--label: \"%s\" is not UTF-8", text);
	free(key);
	return status;
}

static int check_usage(const struct slimctl *ctl)
{
	size_t len = strlen(ctl->name);

	if (!len || len >= CONFIG_NAME_MAX)
		return slimctl_usage(ctl, "a container's name has 1 to %d characters",
				     CONFIG_NAME_MAX - 1);
	if (!ctl->netns)
		return slimctl_usage(ctl, "attach needs --netns PATH");
	if (!ctl->tenant)
		return slimctl_usage(ctl, "attach needs --tenant NAME");
	if (!json_array_size(ctl->addresses))
		return slimctl_usage(ctl, "attach needs --ip ADDRESS");
	if (ctl->ifname && (!*ctl->ifname || strlen(ctl->ifname) >= IFNAMSIZ))
		return slimctl_usage(ctl, "--ifname: a name has 1 to %d characters", IFNAMSIZ - 1);
	if (ctl->path && strcmp(ctl->path, "auto") != 0 && strcmp(ctl->path, "slim") != 0 &&
	    strcmp(ctl->path, "packet") != 0)
		return slimctl_usage(ctl, "--path: \"%s\" is not auto, slim or packet", ctl->path);
	return 0;
}

static void print_attached(const json_t *reply)
{
	const json_t *container = json_object_get(reply, "container");
	char addresses[SLIMCTL_TEXT_MAX], line[SLIMCTL_TEXT_MAX * 2];

	slimctl_text_list(addresses, container, "addresses");
	snprintf(line, sizeof(line),
		 "%s: attached to %s (VNI %" JSON_INTEGER_FORMAT ") as %s, %s (%s), host side %s",
		 slimctl_text(container, "name"), slimctl_text(container, "tenant"),
		 json_integer_value(json_object_get(container, "vni")), addresses,
		 slimctl_text(container, "ifname"), slimctl_text(container, "mac"),
		 slimctl_text(container, "host_ifname"));
	table_clean(line);
	puts(line);
}

static int fail_netns(const struct slimctl *ctl, const char *path, int err)
{
	if (err == -ENOTTY)
		return slimctl_fail(ctl, "%s is not a network namespace: name a file as "
				    "/proc/PID/ns/net or /run/netns/NAME", path);
	return slimctl_fail(ctl, "cannot open the network namespace %s: %s", path, strerror(-err));
}

int slimctl_attach(const struct slimctl *ctl)
{
	int status = check_usage(ctl);
	char path[PATH_MAX];
	json_t *request, *reply;
	int fd, err;

	if (status)
		return status;
	err = netns_path(ctl->netns, path, sizeof(path));
	if (err == -EINVAL)
		return slimctl_usage(ctl, "--netns: \"%s\" names no lasting file: use /proc/PID/ns/net or a "
				     "name in /run/netns", ctl->netns);
	fd = err ? err : netns_open(path);
	if (fd < 0)
		return fail_netns(ctl, ctl->netns, fd);
	request = json_pack("{s:s, s:s, s:s, s:O, s:O, s:s, s:s}", "name", ctl->name, "netns", path,
			    "tenant", ctl->tenant, "addresses", ctl->addresses,
			    "labels", ctl->labels, "ifname", ctl->ifname ? ctl->ifname : "eth0",
			    "path", ctl->path ? ctl->path : "auto");
	if (request)
		status = slimctl_ask(ctl, "attach", request, fd, &reply);
	else
		status = slimctl_usage(ctl, "a name is not UTF-8");
	if (!status && reply)
		print_attached(reply);
	if (!status)
		json_decref(reply);
	close(fd);
	return status;
}

int slimctl_detach(const struct slimctl *ctl)
{
	json_t *request = json_pack("{s:s}", "name", ctl->name), *reply;
	int status;

	if (!request)
		return slimctl_usage(ctl, "a name is not UTF-8");
	status = slimctl_ask(ctl, "detach", request, -1, &reply);
	if (!status && reply)
		printf("%s: detached\n", ctl->name);
	if (!status)
		json_decref(reply);
	return status;
}
