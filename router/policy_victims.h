/* SPDX-License-Identifier: MIT */
/* policy_victims.h - which live connections a policy would cut that is not in force */
#ifndef POLICY_VICTIMS_H
#define POLICY_VICTIMS_H

#include <jansson.h>

#include "config.h"
#include "policy_compile.h"
#include "policy_members.h"

/*
 * Those of this host on either path, an array as the reply of policy-diff has it; NULL: no memory, or the
 * kernel does not name the host's sockets. @unseen: an array that gets the containers whose sockets cannot be
 * looked at, {container, error}; of these there are none in the result. Asks the kernel for all sockets
 * of the host and of each container that the policy speaks of; a thread of its own, in no read section.
 */
json_t *policy_victims(struct policy_compiled *compiled, struct policy_members *members,
		       const struct config *config, json_t *unseen);

#endif
