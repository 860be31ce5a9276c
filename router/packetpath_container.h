/* SPDX-License-Identifier: MIT */
/*
 * packetpath_container.h - what an attachment sets inside a container's namespace
 */
#ifndef PACKETPATH_CONTAINER_H
#define PACKETPATH_CONTAINER_H

#include <stdbool.h>

#include "config.h"
#include "packetpath.h"

/**
 * packetpath_container_setup() - addresses and routes of the container's end
 * @port:	its device exists, down
 * @gateway_mac: where gateways' addresses are
 * @egress:	whether there is a way to the outside (default routes)
 *
 * The calling thread is in the host's namespace before and after. 0 or -errno, logged.
 */
int packetpath_container_setup(const struct config_tenant *tenant,
			       const struct packetpath_port *port,
			       const uint8_t *gateway_mac, bool egress);

/* Takes back what is not on the veth: its end goes with the host's. The namespace may
 * be gone or anybody's by now; nothing is said. */
void packetpath_container_clean(const struct packetpath_port *port);

#endif
