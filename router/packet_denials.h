/* SPDX-License-Identifier: MIT */
/*
 * packet_denials.h - what policy denies on the packet path is said in the log
 *
 * Theory of operation: nftables refuse such packets and count them (ruleset_policy.h). Of each tenant's some
 * a second are shown to us (nfnetlink_log), which rule it was we ask the policy itself. When these were
 * refused another policy may have been in force.
 */
#ifndef PACKET_DENIALS_H
#define PACKET_DENIALS_H

#include "loop.h"

/* nfnetlink_log's group; no other program of the host may listen to it ("SL") */
#define PACKET_DENIALS_GROUP	21324
#define PACKET_DENIALS_RATE	10	/* packets of a tenant that are shown to us, a second */
#define PACKET_DENIALS_BYTES	128	/* of each */

/* Control thread. Where it cannot listen, for want of memory or since another program does, it tries
 * again. */
void packet_denials_init(struct loop *control);
void packet_denials_exit(void);

#endif
