/* SPDX-License-Identifier: MIT */
/* config.c - slimrouter.conf(5), read, kept and looked up */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config_parse.h"
#include "config_report.h"

#define FILE_SIZE_MAX	(4u << 20)
#define WORKERS_DEFAULT	4
#define KEY_DEFAULT	"/etc/slim/host.key"

static unsigned int workers_default(void)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);

	/* Half of them: the other half is the applications'. */
	if (processors < 4)
		return 1;
	processors /= 2;
	return processors < WORKERS_DEFAULT ? (unsigned int)processors : WORKERS_DEFAULT;
}

const char *const config_guard_names[CONFIG_GUARD_NUM] = {
	[CONFIG_GUARD_REQUIRE] = "require",
	[CONFIG_GUARD_PREFER] = "prefer",
	[CONFIG_GUARD_OFF] = "off",
};

static struct config *config_new(void)
{
	struct config *config = calloc(1, sizeof(*config));

	if (!config)
		return NULL;
	config->port_first = CONFIG_PORT_FIRST;
	config->port_last = CONFIG_PORT_LAST;
	config->vxlan_port = 4789;
	config->wire_mtu = 1500;
	config->workers = workers_default();
	config->key_lifetime = 3600;
	config->egress = CONFIG_EGRESS_MASQUERADE;
	config->guard = CONFIG_GUARD_PREFER;
	config->log_level = LOG_LEVEL_INFO;
	config->limits = (struct config_limits){
		.containers = 4096,
		.channels = 1024,
		.listeners = 1024,
		.connections = 65536,
		.pending = 4096,
		.unadmitted = 2048,
		.spliced = 512,
		.requests = 20000,
	};
	return config;
}

static char *state_default(const char *control)
{
	int len = (int)(strrchr(control, '/') - control);
	char *path;

	return asprintf(&path, "%.*s/state", len, control) < 0 ? NULL : path;
}

/* Allocated ones, which a file that names them would have had to free */
static int paths_default(struct config *config)
{
	if (!config->key_file)
		config->key_file = strdup(KEY_DEFAULT);
	if (!config->control)
		config->control = strdup(CONFIG_DEFAULT_CONTROL);
	if (!config->policy)
		config->policy = strdup(CONFIG_DEFAULT_POLICY);
	if (!config->state && config->control)
		config->state = state_default(config->control);
	return config->key_file && config->control && config->policy && config->state ? 0 : -ENOMEM;
}

void config_free(struct config *config)
{
	if (!config)
		return;
	for (size_t i = 0; i < config->tenants_num; i++)
		free(config->tenants[i].prefixes);
	for (size_t i = 0; i < config->peers_num; i++)
		free(config->peers[i].addresses);
	free(config->by_name);
	free(config->by_vni);
	free(config->tenants);
	free(config->peers);
	free(config->addresses);
	free(config->key_file);
	free(config->control);
	free(config->state);
	free(config->policy);
	free(config);
}

/* --- tenants --- */

static int compare_names(const void *a, const void *b)
{
	const struct config_tenant *const *first = a, *const *second = b;

	return strcmp((*first)->name, (*second)->name);
}

static int compare_vnis(const void *a, const void *b)
{
	const struct config_tenant *const *first = a, *const *second = b;

	return ((*first)->vni > (*second)->vni) - ((*first)->vni < (*second)->vni);
}

static struct config_tenant **sort_tenants(const struct config *config,
					   int (*compare)(const void *a, const void *b))
{
	struct config_tenant **sorted = calloc(config->tenants_num + 1, sizeof(struct config_tenant *));

	if (!sorted)
		return NULL;
	for (size_t i = 0; i < config->tenants_num; i++)
		sorted[i] = &config->tenants[i];
	qsort(sorted, config->tenants_num, sizeof(struct config_tenant *), compare);
	return sorted;
}

/* They stay where they are from now on. */
static int index_tenants(struct config *config)
{
	config->by_name = sort_tenants(config, compare_names);
	config->by_vni = sort_tenants(config, compare_vnis);
	return config->by_name && config->by_vni ? 0 : -ENOMEM;
}

struct config *config_parse(const char *name, const char *text, size_t len, char *error,
			    size_t size)
{
	struct config *config = config_new();
	struct config_report report;
	int err = -ENOMEM;

	config_report_init(&report, name, error, size);
	if (config)
		err = config_parse_text(config, text, len, &report);
	if (!err)
		err = paths_default(config);
	if (!err)
		err = index_tenants(config);
	if (err == -ENOMEM)
		config_report_file(&report, "not enough memory to read it");
	if (!err)
		return config;
	config_free(config);
	return NULL;
}

/* Reads at most @size bytes. Returns how many, or -errno. */
static ssize_t read_file(const char *file, char *text, size_t size)
{
	/* O_NONBLOCK: nobody waits for the writer of a fifo. */
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	size_t len = 0;
	ssize_t ret;

	if (fd < 0)
		return -errno;
	do {
		ret = read(fd, text + len, size - len);
		if (ret > 0)
			len += (size_t)ret;
	} while (len < size && (ret > 0 || (ret < 0 && errno == EINTR)));
	if (ret < 0)
		ret = -errno;
	close(fd);
	return ret < 0 ? ret : (ssize_t)len;
}

struct config *config_load(const char *file, char *error, size_t size)
{
	char *text = malloc(FILE_SIZE_MAX + 1);
	struct config *config = NULL;
	struct config_report report;
	ssize_t len;

	config_report_init(&report, file, error, size);
	len = text ? read_file(file, text, FILE_SIZE_MAX + 1) : -ENOMEM;
	if (len < 0)
		config_report_file(&report, "cannot be read: %s", strerror((int)-len));
	else if (len > FILE_SIZE_MAX)
		config_report_file(&report, "found more than %u bytes, expected fewer",
				   FILE_SIZE_MAX);
	else
		config = config_parse(file, text, (size_t)len, error, size);
	free(text);
	return config;
}

const struct config_tenant *config_tenant_by_name(const struct config *config, const char *name)
{
	size_t low = 0, high = config->tenants_num;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(config->by_name[middle]->name, name);

		if (!order)
			return config->by_name[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

const struct config_tenant *config_tenant_by_vni(const struct config *config, uint32_t vni)
{
	size_t low = 0, high = config->tenants_num;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct config_tenant *tenant = config->by_vni[middle];

		if (tenant->vni == vni)
			return tenant;
		if (tenant->vni < vni)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

const char *config_tenant_name(const struct config *config, uint32_t vni)
{
	const struct config_tenant *tenant = config_tenant_by_vni(config, vni);

	return tenant ? tenant->name : "?";
}

bool config_tenant_covers(const struct config_tenant *tenant, const struct in6_addr *addr)
{
	for (size_t i = 0; i < tenant->prefixes_num; i++)
		if (config_prefix_covers(&tenant->prefixes[i], addr))
			return true;
	return false;
}

bool config_prefix_covers(const struct config_prefix *prefix, const struct in6_addr *addr)
{
	unsigned int bytes = prefix->len / 8, bits = prefix->len % 8;

	if (memcmp(prefix->addr.s6_addr, addr->s6_addr, bytes))
		return false;
	return !bits || !((prefix->addr.s6_addr[bytes] ^ addr->s6_addr[bytes]) >> (8 - bits));
}

struct in6_addr config_prefix_last(const struct config_prefix *prefix)
{
	struct in6_addr last = prefix->addr;

	for (unsigned int i = prefix->len / 8; i < 16; i++)
		last.s6_addr[i] |= i == prefix->len / 8 ? (uint8_t)(0xff >> prefix->len % 8) : 0xff;
	return last;
}
