/* SPDX-License-Identifier: MIT */
/*
 * test_directory.c - who owns a virtual address, and who listens on it
 *
 * links: router/directory.c router/tags.c router/endpoint.c router/log.c
 * libs: urcu urcu-cds urcu-common jansson
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <urcu.h>

#include "../../router/directory.h"
#include "../../router/endpoint.h"
#include "../../router/log.h"
#include "../../router/loop.h"
#include "../../router/mesh.h"
#include "../../router/peer.h"
#include "../../router/tags.h"
#include "suite.h"

/* --- peers, mesh and packet path, as far as the directory sees them --- */

struct peer {
	const char *name;
	bool alive;
	uint64_t host_id;
	struct directory_owner owner;
	struct in6_addr address;
};

static struct peer self = { .name = "self", .alive = true, .host_id = 9 };
static struct peer b = { .name = "b", .alive = true, .host_id = 5 };
static struct peer c = { .name = "c", .alive = true, .host_id = 4 };
static uint64_t now;

uint64_t loop_now(const struct loop *loop)
{
	(void)loop;
	return now;
}

bool peer_is_up(const struct peer *peer)
{
	return peer->alive;
}

uint64_t peer_host_id(const struct peer *peer)
{
	return peer->host_id;
}

struct peer *peer_self(void)
{
	return &self;
}

bool peers_are_complete(void)
{
	return directory_is_complete(&b) && directory_is_complete(&c);
}

const char *peer_name(const struct peer *peer)
{
	return peer->name;
}

bool peer_alive(const struct peer *peer)
{
	return peer->alive;
}

const struct in6_addr *peer_vxlan_address(const struct peer *peer)
{
	return &peer->address;
}

struct directory_owner *peer_owner(struct peer *peer)
{
	return &peer->owner;
}

static unsigned int told_containers, told_tags, told_listeners, told_gone;

void mesh_container_add(uint32_t vni, uint32_t id, const uint8_t mac[PACKETPATH_MAC_LEN],
			const struct in6_addr *addresses, size_t num)
{
	(void)vni, (void)id, (void)mac, (void)addresses, (void)num;
	told_containers++;
}

void mesh_container_tag(uint32_t vni, uint32_t id, const struct tags *tags)
{
	(void)vni, (void)id, (void)tags;
	told_tags++;
}

void mesh_container_remove(uint32_t vni, uint32_t id)
{
	(void)vni, (void)id;
	told_gone++;
}

void mesh_listener_add(uint32_t vni, const struct in6_addr *addr, uint16_t port, bool busy)
{
	(void)vni, (void)addr, (void)port, (void)busy;
	told_listeners++;
}

void mesh_listener_remove(uint32_t vni, const struct in6_addr *addr, uint16_t port)
{
	(void)vni, (void)addr, (void)port;
	told_gone++;
}

/* The packet path's entries, as "last byte of the address -> last byte of the MAC" */
static uint8_t path[256];

int packetpath_remote_add(uint32_t vni, const uint8_t mac[PACKETPATH_MAC_LEN],
			  const struct in6_addr *addresses, size_t num,
			  const struct in6_addr *host)
{
	(void)vni, (void)host;
	for (size_t i = 0; i < num; i++) {
		ck_assert_uint_eq(path[addresses[i].s6_addr[15]], 0);
		path[addresses[i].s6_addr[15]] = mac[5];
	}
	return 0;
}

void packetpath_remote_remove(uint32_t vni, const uint8_t mac[PACKETPATH_MAC_LEN],
			      const struct in6_addr *addresses, size_t num,
			      const struct in6_addr *host)
{
	(void)vni, (void)host;
	for (size_t i = 0; i < num; i++) {
		ck_assert_uint_eq(path[addresses[i].s6_addr[15]], mac[5]);
		path[addresses[i].s6_addr[15]] = 0;
	}
}

/* --- helpers --- */

static struct in6_addr at(uint8_t last)
{
	return addr_map4(htonl(0x0a200000u | last));
}

static int remote(struct peer *peer, uint32_t id, uint8_t mac, uint8_t first, uint8_t second)
{
	uint8_t bytes[PACKETPATH_MAC_LEN] = { 2, 0, 0, 0, 0, mac };
	struct in6_addr addresses[2] = { at(first), at(second) };

	return directory_remote_container_add(peer, 1, id, bytes, addresses, second ? 2 : 1);
}

static int local(uint32_t id, uint8_t last)
{
	uint8_t bytes[PACKETPATH_MAC_LEN] = { 2 };
	struct in6_addr addr = at(last);

	return directory_container_add(1, id, bytes, &addr, 1);
}

static int announce(struct peer *peer, uint8_t last, uint16_t port)
{
	struct in6_addr addr = at(last);

	return directory_remote_listener_add(peer, 1, &addr, port, false);
}

/* Who listens there, or NULL */
static struct peer *find(uint8_t last, uint16_t port)
{
	struct in6_addr addr = at(last);
	struct directory_listener out = { 0 };
	bool found;

	rcu_read_lock();
	found = directory_find(1, &addr, port, &out);
	rcu_read_unlock();
	return found ? out.peer : NULL;
}

static void setup(void)
{
	log_level_set(LOG_LEVEL_ERROR);
	rcu_register_thread();
	now = 1000;
	ck_assert_int_eq(directory_init(NULL), 0);
	now += 60000;
	directory_owner_init(&self.owner);
	directory_owner_init(&b.owner);
	directory_owner_init(&c.owner);
}

static void teardown(void)
{
	directory_exit();
	rcu_unregister_thread();
}

/* --- tests --- */

START_TEST(test_remote)
{
	struct in6_addr addr = at(1);

	ck_assert_int_eq(announce(&b, 1, 80), -EPERM);
	ck_assert_int_eq(remote(&b, 1, 0xb, 1, 2), 0);
	ck_assert_uint_eq(path[1], 0xb);
	ck_assert_int_eq(announce(&c, 1, 80), -EPERM);
	ck_assert_int_eq(announce(&b, 1, 80), 0);
	ck_assert_int_eq(announce(&b, 1, 80), 0);
	ck_assert_uint_eq(b.owner.listeners_num, 1);
	ck_assert_ptr_eq(find(1, 80), &b);
	ck_assert_ptr_null(find(1, 81));
	ck_assert_ptr_null(find(2, 80));
	b.alive = false;
	ck_assert_ptr_null(find(1, 80));
	b.alive = true;
	directory_remote_listener_remove(&c, 1, &addr, 80);
	ck_assert_ptr_eq(find(1, 80), &b);
	directory_remote_listener_remove(&b, 1, &addr, 80);
	ck_assert_ptr_null(find(1, 80));
	ck_assert_int_eq(announce(&b, 1, 80), 0);
	directory_remote_container_remove(&b, 1, 1);
	ck_assert_ptr_null(find(1, 80));
	ck_assert_uint_eq(path[1] + path[2], 0);
	ck_assert_uint_eq(b.owner.containers_num + b.owner.addresses_num +
			  b.owner.listeners_num, 0);
}
END_TEST

static struct peer *owner_of(uint8_t last)
{
	struct in6_addr addr = at(last);

	return directory_owner_of(1, &addr);
}

/* Nobody takes an address from a host that is up, but this host for a container of its own. */
START_TEST(test_conflict)
{
	remote(&b, 1, 0xb, 1, 2);
	announce(&b, 1, 80);
	remote(&c, 1, 0xc, 1, 0);
	announce(&c, 1, 80);
	ck_assert_uint_eq(path[1], 0xb);
	ck_assert_ptr_eq(find(1, 80), &b);
	ck_assert_ptr_eq(owner_of(1), &b);
	directory_remote_container_remove(&b, 1, 1);
	ck_assert_ptr_eq(find(1, 80), &c);
	ck_assert_uint_eq(path[1], 0xc);
	remote(&b, 1, 0xb, 1, 2);
	ck_assert_ptr_eq(find(1, 80), &c);
	ck_assert_ptr_eq(owner_of(2), &b);
	ck_assert_int_eq(local(1, 1), 0);
	ck_assert_ptr_null(find(1, 80));
	ck_assert_ptr_eq(owner_of(1), &self);
	ck_assert_uint_eq(path[1], 0);
	ck_assert_uint_eq(path[2], 0xb);
	directory_container_remove(1, 1);
	ck_assert_ptr_eq(owner_of(1), &c);
	ck_assert_uint_eq(path[1], 0xc);
	ck_assert_ptr_null(owner_of(3));
}
END_TEST

static unsigned int releases;

static void released(void)
{
	releases++;
}

/* Whoever waits for an address hears of it when another host may have let go of one. */
START_TEST(test_release)
{
	releases = 0;
	directory_on_release(released);
	remote(&b, 1, 0xb, 1, 2);
	announce(&b, 1, 80);
	ck_assert_uint_eq(releases, 0);
	directory_remote_container_remove(&b, 1, 1);
	ck_assert_uint_eq(releases, 1);
	remote(&b, 1, 0xb, 1, 2);
	remote(&b, 1, 0xb, 2, 3);
	ck_assert_uint_eq(releases, 2);
	b.alive = false;
	directory_peer_lost(&b);
	ck_assert_uint_eq(releases, 3);
	b.alive = true;
	directory_peer_sync_begin(&b);
	directory_peer_sync_end(&b);
	ck_assert_uint_eq(releases, 5);
	ck_assert_int_eq(local(1, 1), 0);
	directory_container_remove(1, 1);
	ck_assert_uint_eq(releases, 5);
	directory_on_release(NULL);
}
END_TEST

/* A host that is not up loses to one that is, and stays so when it comes back. */
START_TEST(test_conflict_lost)
{
	remote(&b, 1, 0xb, 1, 0);
	remote(&c, 1, 0xc, 1, 0);
	b.alive = false;
	directory_peer_lost(&b);
	ck_assert_ptr_eq(owner_of(1), &c);
	ck_assert_uint_eq(path[1], 0xc);
	b.alive = true;
	directory_peer_sync_begin(&b);
	remote(&b, 1, 0xb, 1, 0);
	directory_peer_sync_end(&b);
	ck_assert_ptr_eq(owner_of(1), &c);
}
END_TEST

/* Whoever is heard first while this router starts: the smaller host id has it. */
START_TEST(test_conflict_start)
{
	now = 2000;
	remote(&b, 1, 0xb, 1, 0);
	remote(&c, 1, 0xc, 1, 0);
	remote(&c, 2, 0xd, 2, 0);
	remote(&b, 2, 0xe, 2, 0);
	ck_assert_ptr_eq(owner_of(1), &c);
	ck_assert_ptr_eq(owner_of(2), &c);
	ck_assert_uint_eq(path[1], 0xc);
	now += 60000;
	/* Later ones come after both. */
	directory_remote_container_remove(&c, 1, 1);
	ck_assert_ptr_eq(owner_of(1), &b);
	remote(&c, 1, 0xc, 1, 0);
	ck_assert_ptr_eq(owner_of(1), &b);
}
END_TEST

/* A new account over a new channel: nothing is lost meanwhile, what it leaves out goes. */
START_TEST(test_renewed)
{
	remote(&b, 1, 0xb, 1, 0);
	announce(&b, 1, 80);
	announce(&b, 1, 81);
	directory_peer_sync_begin(&b);
	ck_assert_ptr_eq(find(1, 80), &b);
	ck_assert_ptr_eq(find(1, 81), &b);
	remote(&b, 1, 0xb, 1, 0);
	announce(&b, 1, 80);
	announce(&b, 1, 82);
	directory_peer_sync_end(&b);
	ck_assert_ptr_eq(find(1, 80), &b);
	ck_assert_ptr_null(find(1, 81));
	ck_assert_ptr_eq(find(1, 82), &b);
	ck_assert_uint_eq(b.owner.listeners_num, 2);
}
END_TEST

/* Of one host, the latest container with an address is the only one. */
START_TEST(test_replace)
{
	remote(&b, 1, 0xb, 1, 2);
	announce(&b, 2, 80);
	remote(&b, 2, 0xd, 1, 3);
	ck_assert_uint_eq(b.owner.containers_num, 1);
	ck_assert_uint_eq(path[1], 0xd);
	ck_assert_uint_eq(path[2], 0);
	ck_assert_ptr_null(find(2, 80));
	remote(&b, 2, 0xe, 4, 0);
	ck_assert_uint_eq(b.owner.containers_num, 1);
	ck_assert_uint_eq(path[4], 0xe);
	ck_assert_uint_eq(path[1] + path[3], 0);
}
END_TEST

START_TEST(test_sync)
{
	remote(&b, 1, 0xb, 1, 0);
	remote(&b, 2, 0xd, 2, 0);
	announce(&b, 1, 80);
	directory_peer_lost(&b);
	ck_assert_ptr_null(find(1, 80));
	ck_assert_uint_eq(b.owner.listeners_num, 0);
	ck_assert_uint_eq(path[1], 0xb);
	directory_peer_sync_begin(&b);
	remote(&b, 1, 0xb, 1, 0);
	remote(&b, 3, 0xe, 3, 0);
	ck_assert_uint_eq(b.owner.containers_num, 3);
	directory_peer_sync_end(&b);
	ck_assert_uint_eq(b.owner.containers_num, 2);
	ck_assert_uint_eq(path[1], 0xb);
	ck_assert_uint_eq(path[2], 0);
	ck_assert_uint_eq(path[3], 0xe);
}
END_TEST

static unsigned int each_containers, each_listeners, each_busy;

static void each_container(uint32_t vni, uint32_t id, const uint8_t *mac,
			   const struct in6_addr *addresses, size_t num,
			   const struct tags *tags, void *data)
{
	(void)vni, (void)id, (void)mac, (void)addresses, (void)num, (void)tags, (void)data;
	each_containers++;
}

static void each_listener(uint32_t vni, const struct in6_addr *addr, uint16_t port, bool busy,
			  void *data)
{
	(void)vni, (void)addr, (void)port, (void)data;
	each_listeners++;
	each_busy += busy;
}

START_TEST(test_local)
{
	struct in6_addr addr = at(1), other = at(9);

	ck_assert_int_eq(local(1, 1), 0);
	ck_assert_int_eq(local(1, 2), -EEXIST);
	ck_assert_int_eq(local(2, 1), -EEXIST);
	ck_assert_uint_eq(told_containers, 1);
	ck_assert_uint_eq(path[1], 0);
	ck_assert_int_eq(directory_listener_add(1, &other, 80), -EPERM);
	ck_assert_int_eq(directory_listener_add(1, &addr, 80), 0);
	ck_assert_int_eq(directory_listener_add(1, &addr, 80), 0);
	ck_assert_uint_eq(told_listeners, 1);
	ck_assert_ptr_eq(find(1, 80), &self);
	directory_listener_busy(1, &addr, 80, true);
	directory_listener_busy(1, &addr, 80, true);
	directory_listener_busy(1, &addr, 81, true);
	ck_assert_uint_eq(told_listeners, 2);
	directory_each_local(each_container, each_listener, NULL);
	ck_assert_uint_eq(each_containers, 1);
	ck_assert_uint_eq(each_listeners, 1);
	ck_assert_uint_eq(each_busy, 1);
	directory_listener_remove(1, &addr, 80);
	directory_listener_remove(1, &addr, 80);
	ck_assert_uint_eq(told_gone, 1);
	directory_container_remove(1, 1);
	directory_container_remove(1, 1);
	ck_assert_uint_eq(told_gone, 2);
	ck_assert_ptr_null(find(1, 80));
}
END_TEST

/* --- names and labels --- */

static unsigned int changes, settled, tellings;
static bool own_changed, own_settled;	/* the last one was this host's own */

static void changed(uint32_t vni, bool own)
{
	ck_assert_uint_eq(vni, 1);
	changes++;
	own_changed = own;
}

static void settle(bool own)
{
	settled++;
	own_settled = own;
}

static void told(void)
{
	tellings++;
}

static struct tags *tags_of(const char *name)
{
	return tags_new(name, strlen(name) + 1);
}

static void note_name(uint32_t vni, const struct tags *tags, const struct in6_addr *addr, void *data)
{
	char *names = data;

	ck_assert_uint_eq(vni, 1);
	sprintf(names + strlen(names), "%s:%u ", tags_name(tags), addr->s6_addr[15]);
}

/* The only one's, or whatever order there is */
static const char *named(void)
{
	static char names[256];

	names[0] = '\0';
	rcu_read_lock();
	directory_each_tagged(note_name, names);
	rcu_read_unlock();
	return names;
}

START_TEST(test_tags)
{
	static const struct directory_watch watch = { changed, settle, told };
	struct in6_addr here;
	struct in6_addr addr = at(1);
	unsigned int before;

	directory_watch_set(&watch);
	/* Told in advance, of another one than comes next */
	directory_remote_container_tag(&b, 1, 7, tags_of("other"));
	ck_assert_int_eq(remote(&b, 1, 0xb, 1, 0), 0);
	ck_assert_str_eq(named(), "");
	/* Of one that is there */
	before = changes;
	directory_remote_container_tag(&b, 1, 1, tags_of("web"));
	ck_assert_uint_eq(changes, before + 1);
	ck_assert_str_eq(named(), "web:1 ");
	directory_remote_container_tag(&b, 1, 1, tags_of("web"));
	ck_assert_uint_eq(changes, before + 1);
	/* Its listeners stay. */
	ck_assert_int_eq(directory_remote_listener_add(&b, 1, &addr, 80, false), 0);
	ck_assert_uint_eq(settled, 1);
	ck_assert(!own_changed && !own_settled);
	directory_remote_container_tag(&b, 1, 1, tags_of("db"));
	ck_assert_ptr_eq(find(1, 80), &b);
	ck_assert_str_eq(named(), "db:1 ");
	/* With another address it keeps its name. */
	before = changes;
	ck_assert_int_eq(remote(&b, 1, 0xb, 2, 0), 0);
	ck_assert_str_eq(named(), "db:2 ");
	ck_assert_uint_gt(changes, before);
	/* Who has no claim to the address has no name for it. */
	directory_remote_container_tag(&c, 1, 4, tags_of("late"));
	ck_assert_int_eq(remote(&c, 4, 0xc, 2, 0), 0);
	ck_assert_str_eq(named(), "db:2 ");
	directory_remote_container_remove(&c, 1, 4);
	before = changes;
	directory_remote_container_remove(&b, 1, 1);
	ck_assert_uint_gt(changes, before);
	ck_assert_str_eq(named(), "");
	/* This host's own */
	directory_container_tag(1, 3, tags_of("here"));
	ck_assert_uint_eq(told_tags, 1);
	ck_assert_int_eq(local(3, 5), 0);
	ck_assert_str_eq(named(), "here:5 ");
	ck_assert(own_changed);
	here = at(5);
	ck_assert_int_eq(directory_listener_add(1, &here, 80), 0);
	ck_assert(own_settled);
}
END_TEST

/* Without its labels a container might do what they deny. */
START_TEST(test_lost_tags)
{
	static const struct directory_watch watch = { changed, settle, told };

	directory_watch_set(&watch);
	directory_remote_container_tag(&b, 1, 1, tags_of("web"));
	ck_assert_int_eq(remote(&b, 1, 0xb, 1, 0), 0);
	directory_remote_container_tag(&b, 1, 1, NULL);
	ck_assert_str_eq(named(), "");
	ck_assert_int_eq(announce(&b, 1, 80), -EPERM);
	ck_assert_int_eq(remote(&b, 1, 0xb, 1, 0), -ENOMEM);
	ck_assert_int_eq(remote(&b, 2, 0xd, 2, 0), 0);
	directory_remote_container_tag(&b, 1, 1, tags_of("db"));
	ck_assert_int_eq(remote(&b, 1, 0xb, 1, 0), 0);
	ck_assert_str_eq(named(), "db:1 ");
	directory_remote_container_tag(&b, 1, 1, NULL);
	directory_peer_sync_begin(&b);
	ck_assert_int_eq(remote(&b, 1, 0xb, 1, 0), 0);
	directory_remote_container_tag(&b, 1, 1, tags_of("db"));
	/* They go over to one with other addresses, whatever was lost. */
	directory_remote_container_tag(&b, 1, 7, NULL);
	ck_assert_int_eq(remote(&b, 1, 0xb, 1, 3), 0);
	ck_assert_int_eq(strlen(named()), strlen("db:1 db:3 "));
}
END_TEST

static bool is_unknown(unsigned int last)
{
	struct in6_addr addr = at(last);
	bool unknown;

	rcu_read_lock();
	unknown = directory_is_unknown(1, &addr);
	rcu_read_unlock();
	return unknown;
}

/* Nobody has an address for sure once all have told what they have. */
START_TEST(test_unknown)
{
	static const struct directory_watch watch = { changed, settle, told };

	directory_watch_set(&watch);
	ck_assert(is_unknown(1));
	ck_assert_int_eq(remote(&b, 1, 0xb, 1, 0), 0);
	ck_assert(!is_unknown(1));
	ck_assert(is_unknown(2));
	directory_peer_sync_begin(&c);
	directory_peer_sync_end(&c);
	ck_assert_uint_eq(tellings, 1);
	ck_assert(is_unknown(2));
	directory_peer_sync_begin(&b);
	directory_peer_sync_end(&b);
	ck_assert_uint_eq(tellings, 2);
	ck_assert(!is_unknown(2));
	/* Known from then on: a channel that is lost says nothing of who is there. */
	directory_peer_lost(&b);
	ck_assert(!is_unknown(2));
	directory_peer_sync_begin(&b);
	directory_peer_sync_end(&b);
	ck_assert_uint_eq(tellings, 2);
}
END_TEST

/* ... or once nobody waits any more for those that have not. */
START_TEST(test_no_longer_unknown)
{
	ck_assert(is_unknown(1));
	directory_wait_no_longer();
	ck_assert(!is_unknown(1));
}
END_TEST

/* A first container here: the packet path is told of all that are there. */
START_TEST(test_replay)
{
	remote(&b, 1, 0xb, 1, 0);
	remote(&c, 1, 0xc, 2, 0);
	local(1, 3);
	memset(path, 0, sizeof(path));
	directory_replay(2);
	ck_assert_uint_eq(path[1], 0);
	directory_replay(1);
	ck_assert_uint_eq(path[1], 0xb);
	ck_assert_uint_eq(path[2], 0xc);
	ck_assert_uint_eq(path[3], 0);
}
END_TEST

START_TEST(test_bounds)
{
	int err = 0;

	remote(&b, 1, 0xb, 1, 0);
	remote(&b, 2, 0xd, 2, 0);
	for (unsigned int port = 1; port <= 65535; port++)
		suite_assert(!announce(&b, 1, (uint16_t)port));
	ck_assert_int_eq(announce(&b, 2, 1), 0);
	ck_assert_int_eq(announce(&b, 2, 2), -ENOSPC);
	for (uint32_t id = 10; !err; id++) {
		uint8_t mac[PACKETPATH_MAC_LEN] = { 2 };
		struct in6_addr addr = addr_map4(htonl(0x0b000000u + id));

		err = directory_remote_container_add(&c, 1, id, mac, &addr, 1);
		memset(path, 0, sizeof(path));
	}
	ck_assert_int_eq(err, -ENOSPC);
	ck_assert_uint_eq(c.owner.containers_num, 65536);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("directory");
	TCase *tc = tcase_create("tables");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_remote);
	tcase_add_test(tc, test_conflict);
	tcase_add_test(tc, test_release);
	tcase_add_test(tc, test_conflict_lost);
	tcase_add_test(tc, test_conflict_start);
	tcase_add_test(tc, test_renewed);
	tcase_add_test(tc, test_replace);
	tcase_add_test(tc, test_sync);
	tcase_add_test(tc, test_local);
	tcase_add_test(tc, test_tags);
	tcase_add_test(tc, test_lost_tags);
	tcase_add_test(tc, test_unknown);
	tcase_add_test(tc, test_no_longer_unknown);
	tcase_add_test(tc, test_replay);
	tcase_add_test(tc, test_bounds);
	suite_add_tcase(s, tc);
	return suite_run(s);
}
