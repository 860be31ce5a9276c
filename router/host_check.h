/* SPDX-License-Identifier: MIT */
/*
 * host_check.h - does this host have what the configuration names?
 */
#ifndef HOST_CHECK_H
#define HOST_CHECK_H

#include "config.h"

/*
 * The key, where control socket and state are to be, and the host's addresses; says on standard error
 * what is wrong. 0, or -EINVAL: a router could not start. An address that is missing may come yet.
 */
int host_check(const struct config *config);

/* Logs a warning for each of the host's addresses that no device has. */
void host_check_addresses(const struct config *config);

#endif
