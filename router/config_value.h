/* SPDX-License-Identifier: MIT */
/*
 * config_value.h - the values of slimrouter.conf(5): from text to C
 *
 * Each takes the whole of @text, and returns 0 or -EINVAL; -ERANGE where it says so.
 */
#ifndef CONFIG_VALUE_H
#define CONFIG_VALUE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"

/* Decimal digits only; -ERANGE where it is not @min to @max. */
int config_value_number(const char *text, unsigned long min, unsigned long max,
			unsigned long *out);

/* "4790-4853" or "4790": 1 to @max ports from 1 to 65535. -ERANGE where they are more. */
int config_value_ports(const char *text, unsigned int max, uint16_t *first, uint16_t *last);

/* Address and length. -ERANGE where bits beyond the length are set: @out is then what was
 * meant, perhaps. */
int config_value_prefix(const char *text, struct config_prefix *out);

/* Writes "10.32.0.0/16" or "fd32::/48"; CONFIG_PREFIX_STRLEN bytes. Returns @out. */
#define CONFIG_PREFIX_STRLEN	(INET6_ADDRSTRLEN + 12)
const char *config_value_prefix_format(const struct config_prefix *prefix, char *out);

/* Letters, digits, '.', '_' and '-', of which the first is a letter or a digit; fits in
 * CONFIG_NAME_MAX. */
bool config_value_name_ok(const char *text);

/* May a host have this address: neither unspecified nor multicast nor link-local? */
bool config_value_host_address_ok(const struct in6_addr *addr);

/* Whom the addresses of a prefix belong to already ("loopback"), or NULL where containers
 * may have them. */
const char *config_value_prefix_owner(const struct config_prefix *prefix);

#endif
