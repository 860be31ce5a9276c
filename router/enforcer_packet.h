/* SPDX-License-Identifier: MIT */
/* enforcer_packet.h - a policy on the packet path: nftables follows what is in force */
#ifndef ENFORCER_PACKET_H
#define ENFORCER_PACKET_H

#include <stdbool.h>
#include <stdint.h>

#include "loop.h"

/* Control thread, as all of these. */
void enforcer_packet_init(struct loop *control);

/*
 * The first time, with all containers that an earlier router had: its rules stay until all peers have told
 * who they have, but for five seconds at the most; and as long as nothing is allowed
 * (policy_is_closed()).
 */
void enforcer_packet_begin(void);

/* The policy, its members or the containers here have changed: begins to follow. */
void enforcer_packet_follow(void);

/* A container of the tenant has come, whose port may be held until nftables know it. */
void enforcer_packet_attached(uint32_t vni);

/* Do nftables say what is in force, of all containers that are here? */
bool enforcer_packet_is_current(void);

/* Why the last attempt was in vain; NULL: it was not. Good until the loop goes on. */
const char *enforcer_packet_failure(void);

void enforcer_packet_exit(void);

#endif
