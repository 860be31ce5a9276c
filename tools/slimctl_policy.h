/* SPDX-License-Identifier: MIT */
/* slimctl_policy.h - what the commands of slimctl policy share */
#ifndef SLIMCTL_POLICY_H
#define SLIMCTL_POLICY_H

#include <stdbool.h>

#include "slimctl.h"

#include "../router/policy.h"

#define SLIMCTL_POLICY_TIMEOUT	60000	/* ms; hundreds of thousands of rules take a second */

/**
 * slimctl_policy_load() - read a policy's files, and say what is wrong with them, or too much
 * @args:	the file, and the configuration whose tenants it is about or NULL: the default one, if it
 *		can be read
 * @policy:	out; to be freed
 * @checked:	out: there was a configuration
 *
 * Returns 0, or the exit status after having said why.
 */
int slimctl_policy_load(const struct slimctl *ctl, char **args, struct policy **policy,
			bool *checked);

int slimctl_policy_diff(const struct slimctl *ctl, char **args);
int slimctl_policy_test(const struct slimctl *ctl, char **args);

#endif
