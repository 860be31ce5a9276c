/* SPDX-License-Identifier: MIT */
/* report.c - what the router knows, as JSON for operators */
#include "report.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <urcu.h>

#include "base64.h"
#include "container.h"
#include "counters.h"
#include "diag.h"
#include "directory.h"
#include "endpoint.h"
#include "enforcer_packet.h"
#include "fdlimit.h"
#include "guard.h"
#include "host_key.h"
#include "ledger.h"
#include "listener.h"
#include "log.h"
#include "peer.h"
#include "policy_force.h"
#include "ruleset.h"
#include "ruleset_policy.h"
#include "../include/slim/version.h"

static const struct config *config;
static const struct loop *loop;
static uint64_t started_at;
static char public_key[BASE64_SIZE(CONFIG_PUBLIC_KEY_LEN)];

void report_init(const struct config *from, const struct loop *control)
{
	uint8_t key[CONFIG_PUBLIC_KEY_LEN];

	config = from;
	loop = control;
	started_at = loop_now(control);
	if (host_key_public(config->key_file, key) == 0)
		base64_encode(public_key, key, sizeof(key));
}

static double seconds_since(uint64_t ms)
{
	return (double)(loop_now(loop) - ms) / 1000.0;
}

static json_t *address(const struct in6_addr *addr)
{
	char text[INET6_ADDRSTRLEN];

	return json_string(addr_format(addr, text, sizeof(text)));
}

static json_t *addresses(const struct in6_addr *list, size_t num)
{
	json_t *array = json_array();

	for (size_t i = 0; i < num; i++)
		json_array_append_new(array, address(&list[i]));
	return array;
}

static json_t *endpoint(const struct slim_endpoint *ep)
{
	char text[ENDPOINT_STRLEN];

	return json_string(endpoint_format(ep, text, sizeof(text)));
}

static json_t *mac(const uint8_t *bytes)
{
	return json_sprintf("%02x:%02x:%02x:%02x:%02x:%02x", bytes[0], bytes[1], bytes[2],
			    bytes[3], bytes[4], bytes[5]);
}

static json_t *report_limits(const struct container *container)
{
	const unsigned int used[LIMIT_NUM] = {
		[LIMIT_channels] = __atomic_load_n(&container->channels, __ATOMIC_RELAXED),
		[LIMIT_listeners] = container->listeners_num,
		[LIMIT_connections] = __atomic_load_n(&container->connections, __ATOMIC_RELAXED),
		[LIMIT_pending] = __atomic_load_n(&container->pending, __ATOMIC_RELAXED),
		[LIMIT_unadmitted] = __atomic_load_n(&container->unadmitted, __ATOMIC_RELAXED),
		[LIMIT_spliced] = __atomic_load_n(&container->spliced, __ATOMIC_RELAXED),
	};
	json_t *array = json_array();

	for (unsigned int i = 0; i < LIMIT_NUM; i++)
		json_array_append_new(array, json_pack("{s:s, s:o, s:i, s:I}",
			"limit", limit_name(i),
			"used", i == LIMIT_requests ? json_null() : json_integer(used[i]),
			"most", (int)limit_most(container->limits, i),
			"refused", (json_int_t)__atomic_load_n(&container->refusals.num[i],
							       __ATOMIC_RELAXED)));
	return array;
}

static json_int_t refused(const struct container *container)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < LIMIT_NUM; i++)
		sum += __atomic_load_n(&container->refusals.num[i], __ATOMIC_RELAXED);
	return (json_int_t)sum;
}

static const char *path_reason(const struct container *container, bool packet)
{
	if (!packet)
		return NULL;
	return container->path == CONTAINER_PATH_PACKET ? "as attached" :
	       "netfilter rules of its own";
}

json_t *report_container(const struct container *container)
{
	bool packet = __atomic_load_n(&container->packet_only, __ATOMIC_RELAXED);

	return json_pack("{s:s, s:s, s:i, s:o, s:o, s:s, s:s, s:s, s:O, s:f, s:i, s:i, s:i, s:i, "
			 "s:i, s:I, s:o, s:s, s:s, s:s?}",
			 "name", container->name,
			 "tenant", container->tenant->name,
			 "vni", (int)container->vni,
			 "addresses", addresses(container->addresses, container->addresses_num),
			 "mac", mac(container->port.mac),
			 "netns", container->netns_path,
			 "ifname", container->port.container_ifname,
			 "host_ifname", container->port.host_ifname,
			 "labels", container->labels,
			 "age_s", seconds_since(container->attached_at),
			 "channels", (int)__atomic_load_n(&container->channels, __ATOMIC_RELAXED),
			 "listeners", (int)container->listeners_num,
			 "connections",
			 (int)__atomic_load_n(&container->connections, __ATOMIC_RELAXED),
			 "pending", (int)__atomic_load_n(&container->pending, __ATOMIC_RELAXED),
			 "spliced", (int)__atomic_load_n(&container->spliced, __ATOMIC_RELAXED),
			 "refused", refused(container),
			 "limits", report_limits(container),
			 "path_attached", container_path_name(container->path),
			 "path", packet ? "packet" : "slim",
			 "path_reason", path_reason(container, packet));
}

json_t *report_containers(void)
{
	struct container *container;
	json_t *array = json_array();

	cds_list_for_each_entry(container, &containers, node)
		json_array_append_new(array, report_container(container));
	return json_pack("{s:o}", "containers", array);
}

/* --- status --- */

static void dropped(const char *name, uint64_t packets, void *data)
{
	char key[64];

	if (!strcmp(name, RULESET_POLICY_COUNTER))
		snprintf(key, sizeof(key), "packets_%s", name);
	else
		snprintf(key, sizeof(key), "dropped_%s", name);
	json_object_set_new(data, key, json_integer((json_int_t)packets));
}

/* What peers.c counts, by the names that people see */
static void report_peer_counters(json_t *object, const struct peer_counters peer)
{
	const struct {
		const char *name;
		uint64_t value;
	} *each, list[] = {
		{ "preambles_sealed", peer.preambles_sealed },
		{ "preambles_opened", peer.preambles_opened },
		{ "peer_channels_opened", peer.channels_opened },
		{ "peer_channels_lost", peer.channels_lost },
		{ "peer_channels_renewed", peer.channels_renewed },
		{ "peer_channels_slowed", peer.channels_slowed },
		{ "peer_handshakes_failed", peer.handshakes_failed },
		{ "peer_handshakes_late", peer.handshakes_late },
		{ "peer_handshakes_crowded", peer.handshakes_crowded },
		{ "peer_keys_unknown", peer.keys_unknown },
		{ "announcements_refused", peer.announcements_refused },
	};

	for (each = list; each < list + sizeof(list) / sizeof(list[0]); each++)
		json_object_set_new(object, each->name, json_integer((json_int_t)each->value));
}

static json_t *report_counters(void)
{
	struct peer_counters peer;
	json_t *object = json_object();

#define X(name)								\
	json_object_set_new(object, #name, json_integer((json_int_t)	\
		__atomic_load_n(&counters.name, __ATOMIC_RELAXED)));
	COUNTERS(X)
#undef X
	peers_counters(&peer);
	report_peer_counters(object, peer);
	(void)ruleset_counters(dropped, object);
	return object;
}

static json_t *report_prefix(const struct config_prefix *prefix)
{
	char text[INET6_ADDRSTRLEN];
	unsigned int len = addr_is4(&prefix->addr) ? prefix->len - 96 : prefix->len;

	return json_sprintf("%s/%u", addr_format(&prefix->addr, text, sizeof(text)), len);
}

static json_t *report_tenants(void)
{
	json_t *array = json_array();

	for (size_t i = 0; i < config->tenants_num; i++) {
		const struct config_tenant *tenant = &config->tenants[i];
		json_t *prefixes = json_array();
		struct container *container;
		int num = 0;

		for (size_t j = 0; j < tenant->prefixes_num; j++)
			json_array_append_new(prefixes, report_prefix(&tenant->prefixes[j]));
		cds_list_for_each_entry(container, &containers, node)
			num += container->tenant == tenant;
		json_array_append_new(array, json_pack("{s:s, s:i, s:o, s:i}",
						       "name", tenant->name,
						       "vni", (int)tenant->vni,
						       "prefixes", prefixes,
						       "containers", num));
	}
	return array;
}

struct peers_state {
	int num, up;
	uint64_t self_id;
};

static int containers_on_packet_path(void)
{
	struct container *container;
	int num = 0;

	cds_list_for_each_entry(container, &containers, node)
		num += __atomic_load_n(&container->packet_only, __ATOMIC_RELAXED);
	return num;
}

static void count_peer(const struct peer_info *info, void *data)
{
	struct peers_state *state = data;

	if (!strcmp(info->state, "self")) {
		state->self_id = info->host_id;
		return;
	}
	state->num++;
	state->up += !strcmp(info->state, "up");
}

static void count_listener(const struct listener_endpoint *listener, void *data)
{
	(void)listener;
	++*(int *)data;
}

static json_t *report_policy(void)
{
	const struct policy_compiled *compiled = policy_in_force();

	return json_pack("{s:s?, s:i, s:I, s:b, s:b, s:s?}",
			 "file", compiled || policy_is_closed() ? config->policy : NULL,
			 "rules", compiled ? (int)compiled->policy->rules_num : 0,
			 "generation", (json_int_t)policy_generation(),
			 "closed", (int)policy_is_closed(),
			 "packet_path_current", (int)enforcer_packet_is_current(),
			 "packet_path_error", enforcer_packet_failure());
}

json_t *report_guard(void)
{
	const struct guard_facts *facts = guard_facts();

	return json_pack("{s:s, s:s, s:s?, s:b, s:i, s:I, s:I}",
			 "configured", config_guard_names[config->guard],
			 "state", guard_state_name(guard_state()),
			 "reason", guard_reason(),
			 "seals", (int)(guard_use() == GUARD_USE_SEAL),
			 "version", (int)facts->version,
			 "generation", (json_int_t)facts->generation,
			 "live", (json_int_t)facts->live);
}

static const char *mode_name(void)
{
	static const char *const names[GUARD_USE_NUM] = {
		[GUARD_USE_OPEN] = "open",
		[GUARD_USE_SEAL] = "guarded",
		[GUARD_USE_REFUSE] = "refusing",
	};

	return names[guard_use()];
}

json_t *report_status(void)
{
	struct peers_state state = { 0 };
	unsigned long fds = fdlimit_used();
	int listeners = 0;

	peers_each(count_peer, &state);
	listener_each(count_listener, &listeners);
	return json_pack("{s:s, s:s, s:i, s:f, s:s, s:o, s:s, s:o, s:o, s:i, s:o, s:i, s:i, s:I, "
			 "s:i, s:i, s:o, s:I, s:o, s:i, s:o, s:o}",
			 "host", config->host_name,
			 "version_text", SLIM_VERSION,
			 "pid", (int)getpid(),
			 "uptime_s", seconds_since(started_at),
			 "mode", mode_name(),
			 "host_id", json_sprintf("%016" PRIx64, state.self_id),
			 "public_key", public_key,
			 "addresses", addresses(config->addresses, config->addresses_num),
			 "slim_ports", json_sprintf("%u-%u", config->port_first,
						    config->port_last),
			 "workers", (int)config->workers,
			 "tenants", report_tenants(),
			 "containers", (int)containers_num,
			 "listeners", listeners,
			 "connections", (json_int_t)ledger_count(),
			 "peers_up", state.up,
			 "peers", state.num,
			 "counters", report_counters(),
			 "fd_limit", (json_int_t)fdlimit_get(),
			 "fds", fds ? json_integer((json_int_t)fds) : json_null(),
			 "containers_packet", containers_on_packet_path(),
			 "policy", report_policy(),
			 "guard", report_guard());
}

/* --- listeners --- */

static json_t *listener(const char *container, const char *host, uint32_t vni,
			const struct in6_addr *addr, uint16_t port, const char *where, bool busy,
			int sockets)
{
	return json_pack("{s:s?, s:s, s:s, s:o, s:i, s:s, s:b, s:i}",
			 "container", container, "host", host, "tenant", config_tenant_name(config, vni),
			 "address", address(addr), "port", (int)port, "where", where,
			 "busy", (int)busy, "sockets", sockets);
}

static void local_listener(const struct listener_endpoint *endpoint, void *data)
{
	struct in6_addr addr = endpoint_addr(&endpoint->name);

	json_array_append_new(data, listener(endpoint->container->name, config->host_name,
					     endpoint->vni, &addr, endpoint->name.port, "local",
					     endpoint->busy, (int)endpoint->sockets));
}

static void remote_listener(struct peer *peer, uint32_t vni, const struct in6_addr *addr,
			    uint16_t port, bool busy, void *data)
{
	if (peer == peer_self())
		return;
	json_array_append_new(data, listener(NULL, peer_name(peer), vni, addr, port, "remote",
					     busy, 1));
}

json_t *report_listeners(void)
{
	json_t *array = json_array();

	listener_each(local_listener, array);
	directory_each_listener(remote_listener, array);
	return json_pack("{s:o}", "listeners", array);
}

/* --- connections --- */

static const char *const tcp_states[] = {
	"UNKNOWN", "ESTAB", "SYN-SENT", "SYN-RECV", "FIN-WAIT-1", "FIN-WAIT-2", "TIME-WAIT",
	"CLOSE", "CLOSE-WAIT", "LAST-ACK", "LISTEN", "CLOSING", "SYN-RECV",
};

static const char *tcp_state(int state)
{
	if (state < 0 || (size_t)state >= sizeof(tcp_states) / sizeof(tcp_states[0]))
		return tcp_states[0];
	return tcp_states[state];
}

/* The application's own bytes: the preamble went ahead of them. */
static json_int_t own_bytes(uint64_t bytes, const struct ledger_entry *entry,
			    enum ledger_direction with_preamble)
{
	struct in6_addr addr = endpoint_addr(&entry->local);
	uint64_t preamble = addr_is4(&addr) ? PREAMBLE_LEN4 : PREAMBLE_LEN6;

	if (entry->direction != with_preamble)
		return (json_int_t)bytes;
	return bytes > preamble ? (json_int_t)(bytes - preamble) : 0;
}

/* The text so far: objects of jansson for all of them would take several times the memory. */
struct text {
	char *bytes;
	size_t len, size;
	uint64_t now;
	bool failed;
};

static void text_add(struct text *text, const char *more, size_t len)
{
	while (!text->failed && text->len + len + 1 > text->size) {
		size_t size = text->size ? text->size * 2 : 4096;
		char *bytes = realloc(text->bytes, size);

		text->failed = !bytes;
		if (bytes) {
			text->bytes = bytes;
			text->size = size;
		}
	}
	if (text->failed)
		return;
	memcpy(text->bytes + text->len, more, len);
	text->len += len;
	text->bytes[text->len] = '\0';
}

static json_t *connection(const struct diag_socket *socket, const struct ledger_entry *entry,
			  uint64_t now)
{
	struct container *container = container_by_id(entry->container_id);

	return json_pack(
		"{s:o, s:s, s:s, s:s?, s:s, s:s, s:o, s:o, s:o, s:o, s:s, s:f, s:I, s:I, s:I}",
		"id", json_sprintf("%" PRIu64, entry->cookie),
		"tenant", config_tenant_name(config, entry->vni),
		"peer_tenant", config_tenant_name(config, entry->peer_vni),
		"container", container ? container->name : NULL,
		"direction", entry->direction == LEDGER_OUT ? "out" : "in",
		"path", entry->spliced ? "spliced" : "slim",
		"virtual_local", endpoint(&entry->local),
		"virtual_peer", endpoint(&entry->peer),
		"host_local", endpoint(&socket->local),
		"host_peer", endpoint(&socket->peer),
		"state", tcp_state(socket->state),
		"age_s", now > entry->created_at ? (double)(now - entry->created_at) / 1000.0 : 0.0,
		"bytes_sent", own_bytes(socket->bytes_sent, entry, LEDGER_OUT),
		"bytes_received", own_bytes(socket->bytes_received, entry, LEDGER_IN),
		"rtt_us", (json_int_t)socket->rtt_us);
}

static void connection_each(const struct diag_socket *socket, void *data)
{
	struct ledger_entry *entry;
	struct text *text = data;
	json_t *object = NULL;
	char *json;

	rcu_read_lock();
	entry = ledger_find(socket->cookie);
	if (entry && entry->cookie == socket->cookie)
		object = connection(socket, entry, text->now);
	rcu_read_unlock();
	if (!object)
		return;
	json = json_dumps(object, JSON_COMPACT);
	json_decref(object);
	if (json && text->bytes[text->len - 1] == '}')
		text_add(text, ",", 1);
	if (json)
		text_add(text, json, strlen(json));
	free(json);
}

char *report_connections(const char *head, const char *tail, uint64_t now)
{
	struct diag *diag = diag_open(-1);
	struct text text = { .now = now };
	int err = diag ? 0 : -errno;

	text_add(&text, head, strlen(head));
	if (diag && !text.failed)
		err = diag_dump(diag, DIAG_LIVE, 0, 0, true, connection_each, &text);
	diag_close(diag);
	if (err)
		log_warning("connections: sock_diag: %s", strerror(-err));
	text_add(&text, tail, strlen(tail));
	if (!text.failed)
		return text.bytes;
	free(text.bytes);
	return NULL;
}

/* --- peers --- */

static void peer(const struct peer_info *info, void *data)
{
	json_array_append_new(data, json_pack(
		"{s:s, s:o, s:o, s:s, s:f, s:i, s:i, s:f, s:b, s:i, s:i, s:s?, s:s?}",
		"name", info->name,
		"host_id", json_sprintf("%016" PRIx64, info->host_id),
		"address", address(&info->address),
		"state", info->state,
		"since_s", seconds_since(info->since),
		"containers", (int)info->containers,
		"listeners", (int)info->listeners,
		"rtt_ms", (double)info->rtt_us / 1000.0,
		"syn_data", (int)info->syn_data,
		"refused", (int)info->refused,
		"slowed", (int)info->slowed,
		"warning", info->warning,
		"error", info->error));
}

json_t *report_peers(void)
{
	json_t *array = json_array();

	peers_each(peer, array);
	return json_pack("{s:o}", "peers", array);
}
