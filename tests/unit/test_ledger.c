/* SPDX-License-Identifier: MIT */
/*
 * test_ledger.c - live connections: who may have which 4-tuple, and when they end
 * links: router/ledger.c router/syndata.c router/endpoint.c router/log.c router/statefile.c router/quota.c
 * libs: urcu urcu-cds urcu-common
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <urcu.h>

#include "../../router/container.h"
#include "../../router/diag.h"
#include "../../router/endpoint.h"
#include "../../router/ledger.h"
#include "../../router/peer.h"
#include "../../router/syndata.h"
#include "suite.h"

static struct container the_container = { .id = 1 };
static const uint64_t *live;		/* what sock_diag would show; 0 ends it */
static unsigned int destroyed;
static int live_state;

struct container *container_by_id(uint32_t id)
{
	return id == 1 ? &the_container : NULL;
}

static unsigned int port_fill;

struct peer *peer_by_host_id(uint64_t host_id)
{
	return host_id == 5 ? (struct peer *)&port_fill : NULL;
}

static struct syndata syndata;
static uint64_t heard;

uint64_t peer_heard(const struct peer *peer)
{
	(void)peer;
	return heard;
}

struct syndata *peer_syndata(struct peer *peer)
{
	(void)peer;
	return &syndata;
}

unsigned int *peer_port_fill(struct peer *peer, unsigned int index)
{
	(void)peer;
	return index == 3 ? &port_fill : NULL;
}

int diag_dump(struct diag *diag, unsigned int states, uint16_t port_first, uint16_t port_last,
	      bool info, void (*each)(const struct diag_socket *socket, void *data), void *data)
{
	(void)diag;
	(void)states;
	(void)port_first;
	(void)port_last;
	(void)info;
	if (!live)
		return -EIO;
	for (const uint64_t *cookie = live; *cookie; cookie++)
		each(&(struct diag_socket){ .cookie = *cookie, .state = live_state }, data);
	return 0;
}

struct diag *diag_open(int netns_fd)
{
	(void)netns_fd;
	return (struct diag *)&the_container;
}

void diag_close(struct diag *diag)
{
	(void)diag;
}

static int find_error;

int diag_find_live(struct diag *diag, uint64_t cookie, const struct slim_endpoint *local,
		   const struct slim_endpoint *peer, struct diag_socket *out)
{
	(void)diag, (void)local, (void)peer, (void)out;
	ck_assert_uint_eq(cookie, 1);
	return find_error;
}

int diag_destroy(struct diag *diag, const struct diag_socket *socket)
{
	(void)diag;
	(void)socket;
	destroyed++;
	return 0;
}

static struct ledger_entry *entry_new(uint64_t cookie, uint16_t port, uint16_t host_port)
{
	struct ledger_entry *entry = calloc(1, sizeof(*entry));

	entry->cookie = cookie;
	entry->vni = 100;
	entry->container_id = 1;
	entry->local.port = port;
	entry->peer.port = 80;
	entry->host_port = host_port;
	return entry;
}

static void sweep(uint64_t now)
{
	if (!ledger_look(NULL, 0, 0))
		ledger_sweep(now);
}

static void setup(void)
{
	hash_seed_init();
	rcu_register_thread();
	ck_assert_int_eq(ledger_init(), 0);
	rcu_read_lock();
}

/* The tables' pointers carry flags, behind which a leak checker sees nothing: empty them. */
static void teardown(void)
{
	for (uint64_t cookie = 1; cookie < 100; cookie++) {
		struct ledger_entry *entry = ledger_find(cookie);

		if (entry)
			ledger_remove(entry);
	}
	quota_sweep(UINT64_MAX);
	rcu_read_unlock();
	rcu_barrier();
	rcu_unregister_thread();
}

START_TEST(tuples_are_unique)
{
	ck_assert_int_eq(ledger_add(entry_new(10, 1000, 1)), 0);
	ck_assert_int_eq(ledger_add(entry_new(11, 1001, 1)), 0);
	/* Another host 4-tuple: the old one may be alive. */
	ck_assert_int_eq(ledger_add(entry_new(12, 1000, 2)), -EADDRINUSE);
	ck_assert_ptr_null(ledger_find(12));
	/* The same host 4-tuple: the kernel says that the old one is dead. */
	ck_assert_int_eq(ledger_add(entry_new(13, 1000, 1)), 0);
	ck_assert_ptr_null(ledger_find(10));
	ck_assert_ptr_nonnull(ledger_find(13));
	ck_assert_uint_eq(ledger_count(), 2);
	ck_assert_uint_eq(the_container.connections, 2);
}
END_TEST

START_TEST(whose_tuple_is_taken)
{
	struct ledger_entry *entry = entry_new(10, 1000, 1);
	const struct slim_endpoint local = entry->local, peer = entry->peer;
	struct slim_endpoint other = local;

	other.port = 1001;
	ck_assert(!ledger_has(100, &local, &peer));
	ck_assert_int_eq(ledger_add(entry), 0);
	ck_assert(ledger_has(100, &local, &peer));
	ck_assert(!ledger_has(101, &local, &peer));
	ck_assert(!ledger_has(100, &other, &peer));
	ck_assert(!ledger_has(100, &peer, &local));
	ledger_remove(entry);
	ck_assert(!ledger_has(100, &local, &peer));
}
END_TEST

START_TEST(removal_is_once)
{
	unsigned int fill = 0;
	struct ledger_entry *entry = entry_new(10, 1000, 1);

	entry->fill = &fill;
	ck_assert_int_eq(ledger_add(entry), 0);
	ck_assert_uint_eq(fill, 1);
	ledger_remove(entry);
	ledger_remove(entry);
	ck_assert_uint_eq(fill, 0);
	ck_assert_uint_eq(ledger_count(), 0);
	ck_assert_uint_eq(the_container.connections, 0);
}
END_TEST

START_TEST(spliced_by_ticket)
{
	struct ledger_entry *entry = entry_new(10, 1000, 1);

	ck_assert_int_eq(ledger_add(entry), 0);
	ledger_splice(entry, 77);
	ck_assert_ptr_eq(ledger_find(77), entry);
	ck_assert_ptr_eq(ledger_find(10), entry);
	ledger_remove(entry);
	ck_assert_ptr_null(ledger_find(77));
}
END_TEST

START_TEST(sweep_needs_two_misses)
{
	static const uint64_t both[] = { 10, 11, 0 }, one[] = { 11, 0 };

	ledger_add(entry_new(10, 1000, 1));
	ledger_add(entry_new(11, 1001, 1));
	live = both;
	sweep(10000);
	live = one;
	sweep(11000);
	ck_assert_uint_eq(ledger_count(), 2);
	/* Seen again: the count starts anew. */
	live = both;
	sweep(12000);
	live = one;
	sweep(13000);
	ck_assert_uint_eq(ledger_count(), 2);
	sweep(14000);
	ck_assert_uint_eq(ledger_count(), 1);
	ck_assert_ptr_null(ledger_find(10));
	/* A failed dump says nothing of anybody. */
	live = NULL;
	sweep(15000);
	sweep(16000);
	ck_assert_uint_eq(ledger_count(), 1);
}
END_TEST

START_TEST(sweep_spares_the_young)
{
	static const uint64_t none[] = { 0 };
	struct ledger_entry *entry = entry_new(10, 1000, 1);

	entry->created_at = 10000;
	ledger_add(entry);
	live = none;
	sweep(10010);
	sweep(10020);
	ck_assert_uint_eq(ledger_count(), 1);
}
END_TEST

START_TEST(abort_of_a_container)
{
	static const uint64_t all[] = { 10, 11, 99, 0 };
	struct ledger_entry *other = entry_new(11, 1001, 1);
	uint64_t *cookies;
	size_t num;

	other->container_id = 2;
	ledger_add(entry_new(10, 1000, 1));
	ledger_add(other);
	live = all;
	ck_assert_int_eq(ledger_take(1, &cookies, &num), 0);
	ck_assert_uint_eq(num, 1);
	ck_assert_uint_eq(cookies[0], 10);
	ck_assert_ptr_null(ledger_find(10));
	ck_assert_ptr_nonnull(ledger_find(11));
	ck_assert_int_eq(ledger_abort(NULL, cookies, 1), 0);
	ck_assert_uint_eq(destroyed, 1);
	free(cookies);
}
END_TEST

START_TEST(the_end)
{
	ledger_add(entry_new(10, 1000, 1));
	ledger_add(entry_new(11, 1001, 2));
	ledger_exit();
	ck_assert_uint_eq(ledger_count(), 0);
	ck_assert_ptr_null(ledger_find(10));
	ck_assert_uint_eq(destroyed, 0);
}
END_TEST

static void restart(const char *directory)
{
	ledger_exit();
	rcu_read_unlock();
	rcu_barrier();
	rcu_read_lock();
	ck_assert_uint_eq(ledger_count(), 0);
	ck_assert_uint_eq(port_fill, 0);
	ck_assert_int_eq(ledger_init(), 0);
	ck_assert_int_ge(ledger_restore(directory), 0);
}

START_TEST(an_unknown_host_port_is_no_match)
{
	char directory[] = "/tmp/slim-ledger-XXXXXX", path[64];
	struct ledger_entry *entry = entry_new(1, 1000, 0);

	ck_assert_ptr_nonnull(mkdtemp(directory));
	ck_assert_int_eq(ledger_restore(directory), 0);
	ck_assert_int_eq(ledger_add(entry), 0);
	ck_assert_int_eq(ledger_add(entry_new(2, 1000, 0)), -EADDRINUSE);
	ck_assert_ptr_nonnull(ledger_find(1));
	/* Nobody has it yet, and its socket dies with us. */
	ck_assert_ptr_null(entry->record);
	ledger_set_local(entry, &(struct slim_endpoint){ .port = 2000 });
	restart(directory);
	ck_assert_uint_eq(ledger_count(), 1);
	ck_assert_uint_eq(ledger_find(1)->host_port, 2000);
	ledger_exit();
	snprintf(path, sizeof(path), "%s/connections", directory);
	unlink(path);
	ck_assert_int_eq(rmdir(directory), 0);
}
END_TEST

START_TEST(records_outlive_the_router)
{
	char directory[] = "/tmp/slim-ledger-XXXXXX", path[64];
	struct ledger_entry *entry;

	ck_assert_ptr_nonnull(mkdtemp(directory));
	ck_assert_int_eq(ledger_restore(directory), 0);
	entry = entry_new(1, 1000, 2000);
	entry->fill = &port_fill;
	entry->fill_host = 5;
	entry->fill_index = 3;
	ck_assert_int_eq(ledger_add(entry), 0);
	ck_assert_uint_eq(port_fill, 1);
	ck_assert_int_eq(ledger_add(entry_new(2, 1001, 2001)), 0);
	ck_assert_int_eq(ledger_add(entry_new(3, 1002, 2002)), 0);
	ledger_splice(ledger_find(2), 22);
	ledger_remove(ledger_find(3));
	/* One whose container is gone */
	entry = entry_new(4, 1003, 2003);
	entry->container_id = 2;
	ck_assert_int_eq(ledger_add(entry), 0);
	for (int i = 0; i < 2; i++) {
		restart(directory);
		ck_assert_uint_eq(ledger_count(), 2);
		ck_assert_uint_eq(port_fill, 1);
		ck_assert_ptr_null(ledger_find(3));
		ck_assert_ptr_null(ledger_find(4));
		ck_assert_uint_eq(ledger_find(1)->host_port, 2000);
		ck_assert_ptr_eq(ledger_find(22), ledger_find(2));
		ck_assert(ledger_find(2)->spliced);
		ck_assert_int_eq(ledger_add(entry_new(9, 1000, 2009)), -EADDRINUSE);
	}
	ledger_exit();
	snprintf(path, sizeof(path), "%s/connections", directory);
	unlink(path);
	ck_assert_int_eq(rmdir(directory), 0);
}
END_TEST

/* --- places in a quota --- */

static const struct quota_key rule = { .rule = 7, .host = 1, .vni = 100, .id = 1 };
static const struct quota_limits at_most_one = { .connections = 1 };

static struct ledger_entry *entry_with_place(uint64_t cookie, uint16_t port, uint16_t host_port)
{
	struct ledger_entry *entry = entry_new(cookie, port, host_port);
	struct quota *quota;

	ck_assert_int_eq(quota_take(&rule, &at_most_one, 0, &quota), 0);
	quota_sit(&entry->seat, quota);
	return entry;
}

static bool place_is_free(const struct quota_key *key)
{
	struct quota *quota;

	if (quota_take(key, &at_most_one, 0, &quota))
		return false;
	quota_give(quota);
	return true;
}

static void by_removal(void)
{
	ledger_remove(ledger_find(10));
}

static void by_sweeps(void)
{
	static const uint64_t none[] = { 0 };

	live = none;
	sweep(10000);
	ck_assert(!place_is_free(&rule));
	sweep(11000);
}

static void by_detaching(void)
{
	uint64_t *cookies;
	size_t num;

	ck_assert_int_eq(ledger_take(1, &cookies, &num), 0);
	ck_assert_uint_eq(num, 1);
	free(cookies);
}

static void by_a_new_one(void)
{
	ck_assert_int_eq(ledger_add(entry_new(13, 1000, 1)), 0);
}

static void by_another_rule(void)
{
	ck_assert_int_eq(ledger_seat(ledger_find(10), NULL), 0);
}

static void (*const ends[])(void) = {
	by_removal, by_sweeps, by_detaching, by_a_new_one, by_another_rule, ledger_exit,
};

START_TEST(places_are_given_back)
{
	ck_assert_int_eq(ledger_add(entry_with_place(10, 1000, 1)), 0);
	ck_assert(!place_is_free(&rule));
	ends[_i]();
	ck_assert(place_is_free(&rule));
}
END_TEST

START_TEST(what_is_not_added_gives_its_place_back)
{
	ck_assert_int_eq(ledger_add(entry_new(10, 1000, 1)), 0);
	ck_assert_int_eq(ledger_add(entry_with_place(11, 1000, 2)), -EADDRINUSE);
	ck_assert(place_is_free(&rule));
}
END_TEST

START_TEST(who_has_left_takes_no_place)
{
	struct ledger_entry *entry = entry_new(10, 1000, 1);

	ck_assert_int_eq(ledger_add(entry), 0);
	ledger_remove(entry);
	ck_assert_int_eq(ledger_seat(entry, &rule), 0);
	ck_assert(place_is_free(&rule));
}
END_TEST

/* Before anybody can ask */
START_TEST(places_outlive_the_router)
{
	static const struct quota_key other = { .rule = 8, .host = 1, .vni = 100, .id = 1 };
	char directory[] = "/tmp/slim-ledger-XXXXXX", path[64];

	ck_assert_ptr_nonnull(mkdtemp(directory));
	ck_assert_int_eq(ledger_restore(directory), 0);
	ck_assert_int_eq(ledger_add(entry_with_place(1, 1000, 2000)), 0);
	ledger_splice(ledger_find(1), 22);
	restart(directory);
	ck_assert(!place_is_free(&rule));
	ck_assert_int_eq(ledger_seat(ledger_find(1), &other), 0);
	ck_assert(place_is_free(&rule));
	for (int i = 0; i < 2; i++) {
		restart(directory);
		ck_assert(place_is_free(&rule));
		ck_assert(!place_is_free(&other));
	}
	ledger_remove(ledger_find(1));
	ck_assert(place_is_free(&other));
	ledger_exit();
	snprintf(path, sizeof(path), "%s/connections", directory);
	unlink(path);
	ck_assert_int_eq(rmdir(directory), 0);
}
END_TEST

#define SYN_SENT	2

static void one_sweep(int state, uint64_t heard_at, uint64_t now)
{
	static const uint64_t there[] = { 10, 0 };

	live = there;
	live_state = state;
	heard = heard_at;
	sweep(now);
}

/* A SYN with data that is late counts as lost when its peer was heard since; also if that turns out
 * only when it has been sent again. */
static const struct {
	const char *what;
	struct {
		int state;
		uint64_t heard, now;
	} sweeps[2];
	unsigned int lost, taken;
} syns[] = {
	{ "at once", { { 1, 0, 10500 } }, 0, 1 },
	{ "late, its peer is heard", { { SYN_SENT, 10400, 10500 } }, 1, 0 },
	{ "late, its peer is silent", { { SYN_SENT, 10200, 10500 }, { SYN_SENT, 10200, 11500 } },
	  0, 0 },
	{ "late, its peer is heard later", { { SYN_SENT, 10200, 10500 }, { 1, 11300, 11500 } }, 1, 0 },
	{ "too young, and then it may have been sent again",
	  { { SYN_SENT, 10250, 10250 }, { 1, 11250, 11250 } }, 0, 0 },
};

/* Whoever has ended gives the tuple up when it is asked for, and nobody else does. */
START_TEST(what_is_over_is_reclaimed)
{
	struct ledger_entry *entry = entry_new(1, 5000, 4000);
	const struct slim_endpoint local = entry->local, peer = entry->peer;

	ck_assert(ledger_reclaim(100, &local, &peer));
	ck_assert_int_eq(ledger_add(entry), 0);
	ck_assert(!ledger_reclaim(100, &local, &peer));
	entry->host_addr = in6addr_loopback;
	ck_assert(!ledger_reclaim(100, &local, &peer));
	find_error = -EAGAIN;
	ck_assert(!ledger_reclaim(100, &local, &peer));
	ck_assert(ledger_has(100, &local, &peer));
	find_error = -ENOENT;
	ck_assert(ledger_reclaim(100, &local, &peer));
	ck_assert(!ledger_has(100, &local, &peer));
}
END_TEST

START_TEST(syns_with_data_are_judged)
{
	struct ledger_entry *entry = entry_new(10, 1000, 1);

	syndata = (struct syndata){ 0 };
	entry->fill_host = 5;
	entry->created_at = 10000;
	entry->syn_data = true;
	ck_assert_int_eq(ledger_add(entry), 0);
	for (int i = 0; i < 2 && syns[_i].sweeps[i].now; i++)
		one_sweep(syns[_i].sweeps[i].state, syns[_i].sweeps[i].heard,
			  syns[_i].sweeps[i].now);
	ck_assert_msg(syndata.sweep_lost == syns[_i].lost, "%s", syns[_i].what);
	ck_assert_msg(syndata.sweep_taken == syns[_i].taken, "%s", syns[_i].what);
	ledger_remove(entry);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ledger");
	TCase *tc = tcase_create("userspace");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, tuples_are_unique);
	tcase_add_test(tc, whose_tuple_is_taken);
	tcase_add_test(tc, removal_is_once);
	tcase_add_test(tc, spliced_by_ticket);
	tcase_add_test(tc, sweep_needs_two_misses);
	tcase_add_test(tc, sweep_spares_the_young);
	tcase_add_test(tc, abort_of_a_container);
	tcase_add_test(tc, the_end);
	tcase_add_test(tc, an_unknown_host_port_is_no_match);
	tcase_add_test(tc, records_outlive_the_router);
	tcase_add_loop_test(tc, places_are_given_back, 0, sizeof(ends) / sizeof(ends[0]));
	tcase_add_test(tc, what_is_not_added_gives_its_place_back);
	tcase_add_test(tc, who_has_left_takes_no_place);
	tcase_add_test(tc, places_outlive_the_router);
	tcase_add_test(tc, what_is_over_is_reclaimed);
	tcase_add_loop_test(tc, syns_with_data_are_judged, 0, sizeof(syns) / sizeof(syns[0]));
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
