/* SPDX-License-Identifier: MIT */
/*
 * fuzz_recover.c - whole records with any contents, as an earlier router's state
 *
 * links: ROUTER
 * libs: urcu urcu-cds urcu-common ssl crypto jansson nl-3 pthread
 *
 * The input is a list of records: of containers, listeners, connections, connections under way, keys.
 * They are put into state files, hints make sense of some of their fields (what exists: namespaces,
 * sockets with these cookies, pipes), and the real router (see fixture.h) takes them up as it does
 * when it starts.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <urcu.h>

#include "../../router/attach.h"
#include "../../router/attach_state.h"
#include "../../router/channel.h"
#include "../../router/directory.h"
#include "../../router/endpoint.h"
#include "../../router/inflight.h"
#include "../../router/inherited.h"
#include "../../router/ledger.h"
#include "../../router/listener.h"
#include "../../router/loop.h"
#include "../../router/peer.h"
#include "../../router/peer_key.h"
#include "../../router/recover.h"
#include "../../router/state.h"
#include "../../router/statefile.h"
#include "../../router/stray.h"
#include "../../router/ticket.h"
#include "fixture.h"
#include "input.h"

#define RECORDS_MAX	8
#define FILES_MAX	64
#define ROOM		16	/* in the files, at first */
#define PEER_PORT	4799	/* of the earlier router's listener */
#define HOST_ID		1

/* As router/listener.c has it */
struct listener_record {
	uint64_t cookie, options;
	uint32_t container_id, flags;
};

enum kind {
	KIND_CONTAINER,
	KIND_LISTENER,
	KIND_CONNECTION,
	KIND_INFLIGHT,
	KIND_KEY,
	KIND_NUM
};

/* Their versions are learnt from the modules. */
static struct statefile_layout layouts[KIND_NUM] = {
	[KIND_CONTAINER] = { .name = "containers", .size = sizeof(struct attach_record) },
	[KIND_LISTENER] = { .name = "listeners", .size = sizeof(struct listener_record) },
	[KIND_CONNECTION] = { .name = "connections", .size = sizeof(struct ledger_record) },
	[KIND_INFLIGHT] = { .name = "inflight", .size = sizeof(struct inflight) },
	[KIND_KEY] = { .name = "keys", .size = sizeof(struct peer_key_record) },
};

union record {
	struct attach_record container;
	struct listener_record listener;
	struct ledger_record connection;
	struct inflight inflight;
};

static struct statefile *files[KIND_NUM];
static int own_listener = -1, peer_listener = -1;
static struct sockaddr_in6 listener_name;
/* What the earlier router had open, and ends of others */
static int others[FILES_MAX];
static size_t others_num;

/* --- what there is --- */

static void keep(int fd)
{
	if (others_num < FILES_MAX)
		others[others_num++] = fd;
	else
		fixture_reset(fd);
}

/* A slim connection that came to the earlier router: its end. @bytes: what was sent on it */
static int connection(const uint8_t *bytes, size_t len, struct slim_endpoint *peer)
{
	int from = fixture_connect(&listener_name);
	struct sockaddr_in6 name;
	socklen_t name_len = sizeof(name);
	int fd;

	do
		fd = accept4(peer_listener, (struct sockaddr *)&name, &name_len,
			     SOCK_CLOEXEC | SOCK_NONBLOCK);
	while (fd < 0 && errno == EINTR);
	require(fd >= 0);
	*peer = endpoint_from_sockaddr((struct sockaddr *)&name);
	if (len)
		(void)send(from, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
	keep(from);
	fixture_leave(fd);
	return fd;
}

static void pipes_make(struct inflight *record)
{
	for (int i = 0; i < INFLIGHT_PIPES; i += 2) {
		int ends[2];

		require(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
		for (int j = 0; j < 2; j++) {
			record->pipes[i + j].fd = ends[1 - j];
			record->pipes[i + j].inode = inherited_inode(ends[1 - j]);
			fixture_leave(ends[1 - j]);
		}
	}
}

/* --- hints --- */

static void container_make_sense(struct attach_record *record, uint8_t hints)
{
	struct stat st;

	require(stat("/proc/self/ns/net", &st) == 0);
	record->id = 3 + (hints & 3);
	record->vni = FIXTURE_VNI;
	record->netns_dev = st.st_dev;
	record->netns_ino = st.st_ino;
	snprintf(record->netns_path, sizeof(record->netns_path), "/proc/self/ns/net");
	if (!(hints & 4))
		return;
	record->port.addresses_num = 1;
	record->port.addresses[0] = fixture_address(2 + (hints & 3), hints & 8 ? AF_INET : AF_INET6);
}

static void preamble_make(struct inflight *record, uint8_t hints, struct input *input)
{
	struct in6_addr src = fixture_address(0, AF_INET), dst = fixture_address(1, AF_INET);
	struct preamble fields = { .vni = FIXTURE_VNI, .dst_port = FIXTURE_LISTENER };
	int len;

	memcpy(fields.src, &src, sizeof(fields.src));
	memcpy(fields.dst, &dst, sizeof(fields.dst));
	if (hints & 32)
		fields.dst_port = input_byte(input);
	len = peer_preamble_seal(peer_self(), fixture_worker.mac, &fields, record->bytes);
	require(len > 0);
	record->bytes_num = (uint16_t)len;
}

static void inflight_make_sense(struct inflight *record, uint8_t hints, struct input *input)
{
	struct slim_endpoint peer;

	record->phase = hints & 3;
	if (hints & 4)
		preamble_make(record, hints, input);
	record->fd = connection(record->bytes, record->bytes_num <= PREAMBLE_MAX ?
				record->bytes_num : 0, &record->host_peer);
	record->host_port = PEER_PORT;
	record->cookie = inherited_cookie(record->fd);
	record->ticket_fd = -1;
	if (hints & 8) {
		record->ticket_fd = connection(NULL, 0, &peer);
		record->ticket_cookie = inherited_cookie(record->ticket_fd);
	}
	if (hints & 16)
		pipes_make(record);
	if (hints & 64) {
		record->answer_fd = connection(NULL, 0, &peer);
		record->answer_cookie = inherited_cookie(record->answer_fd);
	}
}

static void make_sense(enum kind kind, union record *record, uint8_t hints, struct input *input)
{
	switch (kind) {
	case KIND_CONTAINER:
		container_make_sense(&record->container, hints);
		break;
	case KIND_LISTENER:
		record->listener.cookie = inherited_cookie(own_listener);
		record->listener.container_id = 3 + (hints & 3);
		break;
	case KIND_CONNECTION:
		record->connection.cookie = hints >> 5;
		record->connection.container_id = 1 + (hints & 3);
		if (hints & 4)
			record->connection.ticket_cookie = 8 + (hints >> 6);
		if (hints & 8)
			record->connection.fill_host = peers_host_id();
		break;
	default:
		inflight_make_sense(&record->inflight, hints, input);
		break;
	}
}

/* --- records --- */

static void key_add(struct input *input)
{
	struct peer_key_record *record = statefile_new(files[KIND_KEY]);

	require(record != NULL);
	input_bytes(input, record, offsetof(struct peer_key_record, replay));
	if (record->host_id & 1)
		record->host_id = HOST_ID;
	/* Of the window, some words */
	input_bytes(input, &record->replay, 64);
	statefile_commit(files[KIND_KEY], record);
}

static void record_add(struct input *input)
{
	enum kind kind = input_byte(input) % KIND_NUM;
	uint8_t hints = input_byte(input);
	size_t len = input_u16(input), room = layouts[kind].size;
	union record record;
	void *slot;

	if (kind == KIND_KEY) {
		key_add(input);
		return;
	}
	memset(&record, 0, sizeof(record));
	input_bytes(input, &record, len < room ? len : room);
	if (!(hints & 0x80))
		make_sense(kind, &record, hints, input);
	slot = statefile_new(files[kind]);
	require(slot != NULL);
	memcpy(slot, &record, room);
	statefile_commit(files[kind], slot);
}

/* --- the router begins, and ends --- */

static void take_up_keys(void)
{
	struct peer_keys keys = { .host_id = HOST_ID };
	const struct peer_keys *const all[] = { &keys };
	uint8_t out[PREAMBLE_MAX];
	struct preamble fields = { .vni = 1 };
	int len;

	require(peer_keys_open_file(state_directory()) == 0);
	peer_keys_restore(&keys);
	peer_keys_forget_others(all, 1);
	len = peer_keys_seal(&keys, fixture_worker.mac, &fields, out);
	if (len > 0)
		(void)peer_keys_open(&keys, fixture_worker.mac, out, (size_t)len, &fields);
	require(peer_keys_self(&keys) == 0);
	peer_keys_exit(&keys);
	peer_keys_close_file();
}

static void take_up(void)
{
	take_up_keys();
	rcu_read_lock();
	require(attach_restore() == 0);
	require(listeners_restore(state_directory()) >= 0);
	require(ledger_restore(state_directory()) >= 0);
	require(inflight_open(state_directory()) == 0);
	require(recover_connections(fixture_config) == 0);
	rcu_read_unlock();
}

/* As the router does that keeps them */
static void leave(struct container *container)
{
	channel_unlisten(container, fixture_loop);
	listener_withdraw_all(container);
	directory_container_remove(container->vni, container->id);
	container_withdraw(container);
	workers_drop_container(container);
	container_put(container);
}

static void let_go(void)
{
	struct container *container, *next;

	rcu_read_lock();
	listeners_keep();
	cds_list_for_each_entry_safe(container, next, &containers, node)
		if (container != fixture_containers[0] && container != fixture_containers[1])
			leave(container);
	rcu_read_unlock();
	fixture_drop();
	rcu_read_lock();
	ledger_exit();
	rcu_read_unlock();
	rcu_barrier();
	inflight_close();
	attach_state_close();
}

static void files_open(void)
{
	for (int i = 0; i < KIND_NUM; i++) {
		files[i] = statefile_open(state_directory(), &layouts[i]);
		require(files[i] != NULL);
	}
}

static void files_close(void)
{
	for (int i = 0; i < KIND_NUM; i++)
		statefile_close(files[i]);
}

/* Behind magic and name, a file says version, size, bound and what is fixed (router/statefile.c). */
static void layouts_learn(void)
{
	for (int i = 0; i < KIND_NUM; i++) {
		uint32_t says[4];
		char path[256];
		FILE *file;

		snprintf(path, sizeof(path), "%s/%s", state_directory(), layouts[i].name);
		file = fopen(path, "rb");
		require(file && !fseek(file, 8 + STATEFILE_NAME_MAX, SEEK_SET) &&
			fread(says, sizeof(says), 1, file) == 1);
		fclose(file);
		require(says[1] == layouts[i].size);
		layouts[i].version = says[0];
		layouts[i].fixed = says[3];
		layouts[i].max = ROOM;
	}
}

/* None must have been set aside. */
static void files_remove(void)
{
	char path[256];

	for (int i = 0; i < KIND_NUM; i++) {
		snprintf(path, sizeof(path), "%s/%s", state_directory(), layouts[i].name);
		unlink(path);
		snprintf(path, sizeof(path), "%s/%s.damaged", state_directory(), layouts[i].name);
		require(unlink(path) < 0 && errno == ENOENT);
	}
}

static int listen_on(uint16_t port)
{
	struct sockaddr_in6 name = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	require(bind(fd, (struct sockaddr *)&name, sizeof(name)) == 0 && listen(fd, 64) == 0);
	return fd;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	fixture_start();
	require(state_init(fixture_config, 0) == 0 && state_directory());
	own_listener = listen_on(FIXTURE_LISTENER + 1);
	peer_listener = listen_on(PEER_PORT);
	listener_name = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = htons(PEER_PORT),
					   .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	take_up();
	layouts_learn();
	let_go();
	files_remove();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size };

	files_open();
	for (int i = 0; i < RECORDS_MAX && input.left; i++)
		record_add(&input);
	files_close();
	take_up();
	fixture_turn();
	fixture_pass(30);
	fixture_pass(100);
	let_go();
	while (others_num)
		fixture_reset(others[--others_num]);
	files_remove();
	return 0;
}
