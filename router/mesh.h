/* SPDX-License-Identifier: MIT */
/*
 * mesh.h - the directory's embedded back-end: routers tell each other over peer channels
 *
 * Between directory and peers: turns what happens here into messages to every peer whose channel
 * is up, and checks messages from peers before the directory hears of them. The control
 * thread's.
 */
#ifndef MESH_H
#define MESH_H

#include "directory.h"
#include "peer_message.h"

struct config;
struct peer;

/* Tenants are looked up in @config, which outlives the peers. */
void mesh_init(const struct config *config);

/* --- from the directory: something of this host's own came or went --- */

void mesh_container_add(uint32_t vni, uint32_t id, const uint8_t mac[PACKETPATH_MAC_LEN],
			const struct in6_addr *addresses, size_t num);
/* Before the container is added, or when they have changed */
void mesh_container_tag(uint32_t vni, uint32_t id, const struct tags *tags);
void mesh_container_remove(uint32_t vni, uint32_t id);
/* Also when only @busy changed */
void mesh_listener_add(uint32_t vni, const struct in6_addr *addr, uint16_t port, bool busy);
void mesh_listener_remove(uint32_t vni, const struct in6_addr *addr, uint16_t port);

/* --- from the peers --- */

/* @peer's HELLO has come: tell it all that is here, and expect the same. */
void mesh_up(struct peer *peer);
/* Its channel is gone. */
void mesh_down(struct peer *peer);
/* A message about containers or listeners. */
void mesh_receive(struct peer *peer, const struct peer_message *message);

#endif
