/* SPDX-License-Identifier: MIT */
/*
 * fuzz_config.c - any bytes as slimrouter.conf(5)
 *
 * links: router/config.c router/config_lex.c router/config_parse.c router/config_report.c router/config_value.c router/config_word.c router/base64.c router/endpoint.c router/log.c
 * libs:
 *
 * The first byte chooses how much room there is for messages. What is accepted must hold
 * what the rest of the router relies on; what is refused must be said.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../router/config.h"

#include "../../include/slim/channel.h"
#include "input.h"

#define ERROR_MAX	4096

static void check_tenant(const struct config *config, const struct config_tenant *tenant)
{
	require(tenant->name[0] && tenant->vni && tenant->vni <= 0xffffff);
	require(tenant->prefixes_num && tenant->prefixes_num <= SLIM_CHANNEL_PREFIXES);
	require(config_tenant_by_name(config, tenant->name) == tenant);
	require(config_tenant_by_vni(config, tenant->vni) == tenant);
	for (size_t i = 0; i < tenant->prefixes_num; i++)
		require(config_tenant_covers(tenant, &tenant->prefixes[i].addr));
}

static void check(const struct config *config)
{
	require(config->host_name[0] && config->addresses_num);
	require(config->port_first && config->port_last >= config->port_first);
	require(config->port_last - config->port_first < 256);
	require(config->key_file[0] == '/' && config->control[0] == '/');
	require(config->workers && config->wire_mtu >= 1350);
	for (size_t i = 0; i < config->tenants_num; i++)
		check_tenant(config, &config->tenants[i]);
	for (size_t i = 0; i < config->peers_num; i++)
		require(config->peers[i].addresses_num && config->peers[i].port);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t error_size;
	struct config *config;
	char *error;

	if (!size)
		return 0;
	error_size = data[0] == '#' ? ERROR_MAX : data[0];
	error = malloc(error_size + 1);		/* just as large, so that a sanitizer sees more */
	if (!error)
		return 0;
	error[error_size] = '!';
	config = config_parse("fuzz", (const char *)data, size, error, error_size);
	require(error[error_size] == '!');
	if (config)
		check(config);
	else
		require(error_size < 2 || strnlen(error, error_size) > 0);
	require(error_size == 0 || strnlen(error, error_size) < error_size);
	config_free(config);
	free(error);
	return 0;
}
