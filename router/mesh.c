/* SPDX-License-Identifier: MIT */
/* mesh.c - the directory's embedded back-end: routers tell each other over peer channels */
#include "mesh.h"

#include <errno.h>
#include <string.h>

#include "config.h"
#include "endpoint.h"
#include "log.h"
#include "peer.h"
#include "tags.h"

static const struct config *mesh_config;

void mesh_init(const struct config *config)
{
	mesh_config = config;
}

/* --- what is here --- */

static struct peer_message container_message(uint32_t vni, uint32_t id, const uint8_t *mac,
					     const struct in6_addr *addresses, size_t num)
{
	struct peer_message message = {
		.type = SLIM_MESSAGE_CONTAINER_ADD,
		.container = { .vni = vni, .id = id, .addresses_num = num },
	};

	memcpy(message.container.mac, mac, sizeof(message.container.mac));
	memcpy(message.container.addresses, addresses, num * sizeof(*addresses));
	return message;
}

static struct peer_message tags_message(uint32_t vni, uint32_t id, const struct tags *tags)
{
	struct peer_message message = {
		.type = SLIM_MESSAGE_CONTAINER_TAGS,
		.tags = { .vni = vni, .id = id, .text = tags->text, .len = tags->len },
	};

	return message;
}

static struct peer_message listener_message(enum slim_message_type type, uint32_t vni,
					    const struct in6_addr *addr, uint16_t port,
					    bool busy)
{
	struct peer_message message = {
		.type = type,
		.listener = { .vni = vni, .port = port, .busy = busy, .addr = *addr },
	};

	return message;
}

void mesh_container_add(uint32_t vni, uint32_t id, const uint8_t mac[PACKETPATH_MAC_LEN],
			const struct in6_addr *addresses, size_t num)
{
	struct peer_message message = container_message(vni, id, mac, addresses, num);

	peers_send(&message);
}

void mesh_container_tag(uint32_t vni, uint32_t id, const struct tags *tags)
{
	struct peer_message message = tags_message(vni, id, tags);

	peers_send(&message);
}

void mesh_container_remove(uint32_t vni, uint32_t id)
{
	struct peer_message message = {
		.type = SLIM_MESSAGE_CONTAINER_REMOVE,
		.container = { .vni = vni, .id = id },
	};

	peers_send(&message);
}

void mesh_listener_add(uint32_t vni, const struct in6_addr *addr, uint16_t port, bool busy)
{
	struct peer_message message =
		listener_message(SLIM_MESSAGE_LISTENER_ADD, vni, addr, port, busy);

	peers_send(&message);
}

void mesh_listener_remove(uint32_t vni, const struct in6_addr *addr, uint16_t port)
{
	struct peer_message message =
		listener_message(SLIM_MESSAGE_LISTENER_REMOVE, vni, addr, port, false);

	peers_send(&message);
}

static void sync_container(uint32_t vni, uint32_t id, const uint8_t *mac,
			   const struct in6_addr *addresses, size_t num,
			   const struct tags *tags, void *peer)
{
	struct peer_message message;

	if (tags) {
		message = tags_message(vni, id, tags);
		peer_send(peer, &message);
	}
	message = container_message(vni, id, mac, addresses, num);
	peer_send(peer, &message);
}

static void sync_listener(uint32_t vni, const struct in6_addr *addr, uint16_t port, bool busy,
			  void *peer)
{
	struct peer_message message =
		listener_message(SLIM_MESSAGE_LISTENER_ADD, vni, addr, port, busy);

	peer_send(peer, &message);
}

static void tell_tenants(struct peer *peer)
{
	for (size_t i = 0; i < mesh_config->tenants_num; i++) {
		const struct config_tenant *tenant = &mesh_config->tenants[i];
		struct peer_message message = {
			.type = SLIM_MESSAGE_TENANT, .tenant.vni = tenant->vni,
		};

		memcpy(message.tenant.name, tenant->name, sizeof(tenant->name));
		peer_send(peer, &message);
	}
}

void mesh_up(struct peer *peer)
{
	struct peer_message end = { .type = SLIM_MESSAGE_SYNC_END };

	directory_peer_sync_begin(peer);
	peer_warning_begin(peer);
	tell_tenants(peer);
	directory_each_local(sync_container, sync_listener, peer);
	peer_send(peer, &end);
}

void mesh_down(struct peer *peer)
{
	directory_peer_lost(peer);
}

/* --- what is there --- */

static void refused(struct peer *peer, const char *what, uint32_t vni, const char *why)
{
	static struct log_limit limit = { .burst = 5 };

	peer_refused(peer);
	if (log_limit_ok(&limit))
		log_warning("peer %s announces a %s in tenant %u that was ignored: %s",
			    peer_name(peer), what, vni, why);
}

static void receive_container(struct peer *peer, const struct peer_container *container)
{
	const struct config_tenant *tenant = config_tenant_by_vni(mesh_config, container->vni);
	int err;

	if (!tenant)
		return;
	for (size_t i = 0; i < container->addresses_num; i++) {
		if (config_tenant_covers(tenant, &container->addresses[i]))
			continue;
		refused(peer, "container", container->vni,
			"it has an address outside of the tenant's prefixes");
		return;
	}
	err = directory_remote_container_add(peer, container->vni, container->id,
					     container->mac, container->addresses,
					     container->addresses_num);
	if (err)
		refused(peer, "container", container->vni, strerror(-err));
}

static void receive_tags(struct peer *peer, const struct peer_tags *theirs)
{
	struct tags *tags;

	if (!config_tenant_by_vni(mesh_config, theirs->vni))
		return;
	tags = tags_new(theirs->text, theirs->len);
	directory_remote_container_tag(peer, theirs->vni, theirs->id, tags);
	if (!tags)
		peer_lose(peer, "there is no memory for what it says of its containers");
}

static void receive_listener(struct peer *peer, const struct peer_listener *listener)
{
	int err;

	if (!config_tenant_by_vni(mesh_config, listener->vni))
		return;
	err = directory_remote_listener_add(peer, listener->vni, &listener->addr,
					    listener->port, listener->busy);
	if (err)
		refused(peer, "listener", listener->vni,
			err == -EPERM ? "none of its containers has the address" :
			strerror(-err));
}

/* One name for two tenants, or two for one: whoever wrote that means one tenant. */
static void receive_tenant(struct peer *peer, const struct peer_tenant *theirs)
{
	const struct config_tenant *named = config_tenant_by_name(mesh_config, theirs->name);
	const struct config_tenant *numbered = config_tenant_by_vni(mesh_config, theirs->vni);

	if (named && named->vni != theirs->vni)
		peer_warning_set(peer, "its tenant %s has the VNI %u, this host's has %u: they are "
				 "not one tenant", theirs->name, theirs->vni, named->vni);
	else if (numbered && strcmp(numbered->name, theirs->name) != 0)
		peer_warning_set(peer, "it calls the tenant of VNI %u %s, this host calls it %s",
				 theirs->vni, theirs->name, numbered->name);
}

void mesh_receive(struct peer *peer, const struct peer_message *message)
{
	const struct peer_container *container = &message->container;
	const struct peer_listener *listener = &message->listener;

	switch (message->type) {
	case SLIM_MESSAGE_CONTAINER_ADD:
		receive_container(peer, container);
		break;
	case SLIM_MESSAGE_CONTAINER_REMOVE:
		directory_remote_container_remove(peer, container->vni, container->id);
		break;
	case SLIM_MESSAGE_LISTENER_ADD:
		receive_listener(peer, listener);
		break;
	case SLIM_MESSAGE_LISTENER_REMOVE:
		directory_remote_listener_remove(peer, listener->vni, &listener->addr,
						 listener->port);
		break;
	case SLIM_MESSAGE_TENANT:
		receive_tenant(peer, &message->tenant);
		break;
	case SLIM_MESSAGE_CONTAINER_TAGS:
		receive_tags(peer, &message->tags);
		break;
	case SLIM_MESSAGE_SYNC_END:
		peer_warning_end(peer);
		directory_peer_sync_end(peer);
		break;
	default:
		break;
	}
}
