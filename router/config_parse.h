/* SPDX-License-Identifier: MIT */
/* config_parse.h - the grammar of slimrouter.conf(5) */
#ifndef CONFIG_PARSE_H
#define CONFIG_PARSE_H

#include <stddef.h>

#include "config.h"
#include "config_report.h"

#define CONFIG_PORT_FIRST	4790	/* default; a peer's as well */
#define CONFIG_PORT_LAST	4853
#define CONFIG_PORTS_MAX	256

/* Most of each that a file may have */
#define CONFIG_TENANTS_MAX	4096
#define CONFIG_PEERS_MAX	1024
#define CONFIG_ADDRESSES_MAX	16	/* of a host */

/*
 * Fills @config, which holds the defaults, from @text. All that is wrong goes to @report.
 * Returns 0, -EINVAL where something was wrong, or -ENOMEM. Whatever it returns,
 * config_free() frees what was made.
 */
int config_parse_text(struct config *config, const char *text, size_t len,
		      struct config_report *report);

#endif
