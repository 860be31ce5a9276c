/* SPDX-License-Identifier: MIT */
/*
 * host_check.h - does this host have what the configuration names?
 */
#ifndef HOST_CHECK_H
#define HOST_CHECK_H

#include <stdbool.h>

#include "config.h"

/*
 * The key, where control socket and state are to be, the policy, and the host's addresses; says on standard error
 * what is wrong. @resumes: by a router that takes another one's place. 0, or -EINVAL: it could not start. An address
 * that is missing may come yet; and with errors in the policy's file goes on what an earlier router had in force, as
 * reload_init() does it.
 */
int host_check(const struct config *config, bool resumes);

/* Logs a warning for each of the host's addresses that no device has. */
void host_check_addresses(const struct config *config);

#endif
