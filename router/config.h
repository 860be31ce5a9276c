/* SPDX-License-Identifier: MIT */
/*
 * config.h - slimrouter.conf(5), parsed
 *
 * Read once at start and immutable afterwards.
 */
#ifndef CONFIG_H
#define CONFIG_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "log.h"

#define CONFIG_NAME_MAX		64	/* with its final zero */
#define CONFIG_PUBLIC_KEY_LEN	32	/* raw Ed25519 */
#define CONFIG_DEFAULT_FILE	"/etc/slim/slimrouter.conf"
#define CONFIG_DEFAULT_CONTROL	"/run/slim/control.sock"
#define CONFIG_DEFAULT_POLICY	"/etc/slim/policy"

/* @len counts bits of the IPv6 form: an IPv4 /16 is 112 */
struct config_prefix {
	struct in6_addr addr;
	unsigned int len;
};

struct config_tenant {
	char name[CONFIG_NAME_MAX];
	uint32_t vni;			/* 1 .. 0xffffff */
	struct config_prefix *prefixes;
	size_t prefixes_num;
};

/* @addresses: IPv4 ones mapped; the first is where its channel is opened */
struct config_peer {
	char name[CONFIG_NAME_MAX];
	struct in6_addr *addresses;
	size_t addresses_num;
	uint16_t port;			/* first slim port there; default 4790 */
	uint8_t public_key[CONFIG_PUBLIC_KEY_LEN];
};

enum config_egress {
	CONFIG_EGRESS_MASQUERADE,
	CONFIG_EGRESS_NONE,
	CONFIG_EGRESS_NUM
};

/* Whether slim.ko has to keep the sockets that are handed over (guard.h) */
enum config_guard {
	CONFIG_GUARD_REQUIRE,
	CONFIG_GUARD_PREFER,
	CONFIG_GUARD_OFF,
	CONFIG_GUARD_NUM
};

/* Per container, unless said otherwise */
struct config_limits {
	unsigned int containers;	/* on this host; default 4096 */
	unsigned int channels;		/* default 1024 */
	unsigned int listeners;		/* default 1024 */
	unsigned int connections;	/* live; default 65536 */
	unsigned int pending;		/* slim connections not yet claimed; default 4096 */
	unsigned int unadmitted;	/* ... that cannot be taken yet; default 2048 */
	unsigned int spliced;		/* carried by the router, 6 files each; default 512 */
	unsigned int requests;		/* of shims, a second; default 20000 */
};

struct config {
	char host_name[CONFIG_NAME_MAX];
	struct in6_addr *addresses;	/* this host's; the first one is the VXLAN's local */
	size_t addresses_num;
	uint16_t port_first, port_last;	/* slim ports; default 4790-4853 */
	uint16_t vxlan_port;		/* default 4789 */
	unsigned int wire_mtu;		/* default 1500; the inner MTU is 50 (IPv6: 70) less */
	char *key_file;			/* default /etc/slim/host.key */
	char *control;			/* default CONFIG_DEFAULT_CONTROL */
	char *state;			/* directory; default "state" beside the control socket */
	char *policy;			/* default CONFIG_DEFAULT_POLICY */
	unsigned int key_lifetime;	/* s; default 3600 */
	unsigned int workers;		/* default: half the processors, 1 to 4 */
	enum config_egress egress;	/* default masquerade */
	enum config_guard guard;	/* default prefer */
	enum log_level log_level;	/* default info */
	struct config_limits limits;
	struct config_tenant *tenants;
	struct config_tenant **by_name, **by_vni;	/* the same, sorted */
	size_t tenants_num;
	struct config_peer *peers;
	size_t peers_num;
};

/**
 * config_load() - read and check a configuration file
 * @file:	its path
 * @error:	where messages go, one a line, each as file:line:column: what was
 *		found, what was expected
 * @size:	of @error in bytes
 *
 * Returns the configuration, to be freed with config_free(); NULL with @error
 * filled where the file cannot be read or has errors (as many of them as fit
 * are said in one go).
 */
struct config *config_load(const char *file, char *error, size_t size);

/* The same, from memory: @name stands for the file in messages. */
struct config *config_parse(const char *name, const char *text, size_t len,
			    char *error, size_t size);
void config_free(struct config *config);

const struct config_tenant *config_tenant_by_name(const struct config *config,
						  const char *name);
const struct config_tenant *config_tenant_by_vni(const struct config *config,
						 uint32_t vni);

/* As slimrouter.conf(5) has them */
extern const char *const config_guard_names[CONFIG_GUARD_NUM];

/* Its name; "?" where there is none. */
const char *config_tenant_name(const struct config *config, uint32_t vni);

/* Whether @addr lies in one of the tenant's prefixes. */
bool config_tenant_covers(const struct config_tenant *tenant, const struct in6_addr *addr);

/* The last address of @prefix */
struct in6_addr config_prefix_last(const struct config_prefix *prefix);

/* Is @addr inside @prefix? */
bool config_prefix_covers(const struct config_prefix *prefix, const struct in6_addr *addr);

#endif
