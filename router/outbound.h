/* SPDX-License-Identifier: MIT */
/*
 * outbound.h - connections that this host's containers make
 */
#ifndef OUTBOUND_H
#define OUTBOUND_H

#include "../include/slim/channel.h"

struct channel;
struct config;

/* Reads the host's own sysctls and the congestion controls that containers may name. */
void outbound_init(const struct config *config);

/*
 * Answers a CONNECT: which path, and on the slim path a host socket that is already
 * connecting. In the channel's worker, under the read lock; never blocks.
 */
void outbound_connect(struct channel *channel, const struct slim_connect *request);

#endif
