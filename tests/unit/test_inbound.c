/* SPDX-License-Identifier: MIT */
/*
 * test_inbound.c - connections that cannot be admitted yet: in whose place they wait, and how long
 * links: router/inbound.c router/preambles.c router/limit.c router/loop.c router/log.c
 * links: router/counters.c router/endpoint.c core/preamble.c
 * libs: urcu urcu-cds urcu-common
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <urcu.h>

#include "../../router/container.h"
#include "../../router/counters.h"
#include "../../router/denial.h"
#include "../../router/directory.h"
#include "../../router/endpoint.h"
#include "../../router/housekeeping.h"
#include "../../router/inbound.h"
#include "../../router/inflight.h"
#include "../../router/ledger.h"
#include "../../router/limiting.h"
#include "../../router/listener.h"
#include "../../router/peer.h"
#include "../../router/policy_force.h"
#include "../../router/relay.h"
#include "../../router/shaping.h"
#include "../../router/stray.h"
#include "../../router/ticket.h"
#include "../../router/waiting.h"
#include "../../router/worker.h"
#include "suite.h"

#define VNI	100
#define MOST	20

static struct config_limits limits = {
	.connections = 100000, .pending = 100000, .unadmitted = MOST,
};
/* Whose addresses end with 0 and 1 */
static struct container containers_here[2] = {
	{ .name = "greedy", .limits = &limits }, { .name = "modest", .limits = &limits },
};
static struct listener_endpoint listeners_here[2] = {
	{ .container = &containers_here[0] }, { .container = &containers_here[1] },
};
static struct worker worker;
static const struct slim_endpoint from = { .port = 4000 };
static bool complete, tuple_free, has_files, has_place;
static unsigned int tries, tickets, refs, used_again;
static unsigned int set_ups, places;	/* that were counted, and are taken */
static unsigned int hits, said;
static bool from_here;
static struct inbound **spliced;	/* the one that is to be; NULL: none */
static bool reset;			/* ... has ended so */
static unsigned int looks;		/* for what has stayed in TIME_WAIT */
static unsigned int looks_early;	/* ... of which the first ones come too early */
static unsigned int finished;

static uint8_t last_byte(const struct slim_endpoint *name)
{
	return name->addr[15];
}

/* --- what inbound.c is linked with elsewhere --- */

struct container *container_by_address(uint32_t vni, const struct in6_addr *addr)
{
	return vni == VNI && addr->s6_addr[15] < 2 ? &containers_here[addr->s6_addr[15]] : NULL;
}

bool container_get(struct container *unused)
{
	(void)unused;
	refs++;
	return true;
}

void container_put(struct container *unused)
{
	(void)unused;
	__atomic_sub_fetch(&refs, 1, __ATOMIC_RELAXED);
}

bool container_is_dead(const struct container *container)
{
	return container->dead;
}

bool directory_is_complete(struct peer *unused)
{
	(void)unused;
	tries++;
	return complete;
}

bool directory_owns(const struct peer *peer, uint32_t vni, const struct in6_addr *addr)
{
	(void)peer;
	(void)addr;
	return vni == VNI;
}

struct listener_endpoint *listener_find(uint32_t vni, const struct slim_endpoint *name)
{
	return vni == VNI ? &listeners_here[last_byte(name)] : NULL;
}

bool listener_keeps_packet(const struct listener_endpoint *endpoint)
{
	return endpoint->container->packet_only;
}

struct peer *peer_preamble_open(struct mac *mac, const uint8_t *data, size_t len,
				struct preamble *fields, int *err)
{
	(void)mac;
	*err = preamble_decode(data, len, fields);
	return *err ? NULL : (struct peer *)&worker;
}

struct peer *peer_preamble_reopen(struct mac *mac, const uint8_t *data, size_t len,
				  struct preamble *fields)
{
	int err;

	return peer_preamble_open(mac, data, len, fields, &err);
}

void peer_incoming(int fd)
{
	close(fd);
}

struct ledger_entry *ledger_find(uint64_t cookie)
{
	(void)cookie;
	return NULL;
}

int ledger_add(struct ledger_entry *entry)
{
	bool seated = entry->seat.quota;

	free(entry);
	if (!tuple_free)
		places -= seated;
	return tuple_free ? 0 : -EADDRINUSE;
}

void ledger_remove(struct ledger_entry *unused)
{
	(void)unused;
}

int waiting_start(struct inbound *inbound)
{
	if (!has_files)
		return -EMFILE;
	inbound_enter(inbound, INBOUND_OWNED);
	inbound->container->pending++;
	tickets++;
	if (spliced) {
		inbound->container->spliced++;
		inbound_enter(inbound, INBOUND_SPLICED);
		*spliced = inbound;
		return 0;
	}
	inbound_let_go(inbound);
	return 0;
}

int waiting_resume(struct inbound *unused)
{
	(void)unused;
	return -ENOMEM;
}

void waiting_timer(struct inbound *unused)
{
	(void)unused;
	ck_abort_msg("not ours");
}

void waiting_deferred(struct inbound *unused)
{
	(void)unused;
}

void waiting_unhold(struct inbound *unused)
{
	(void)unused;
}

bool waiting_end_time_wait(struct inbound *unused)
{
	(void)unused;
	return ++looks <= looks_early;
}

void waiting_end_later(struct inbound *inbound)
{
	inbound->over_at = 1;
}

void ticket_finish(const struct ticket *unused)
{
	(void)unused;
	finished++;
}

void ticket_put(struct ticket *ticket, bool reusable)
{
	(void)ticket;
	used_again += reusable;
}

void stray_close_fd(int fd)
{
	close(fd);
}

void relay_unwatch(struct relay *unused)
{
	(void)unused;
}

void relay_stop(struct relay *unused)
{
	(void)unused;
}

bool relay_was_reset(const struct relay *unused)
{
	(void)unused;
	return reset;
}

struct inflight *inflight_new(const struct inflight *unused)
{
	(void)unused;
	return NULL;
}

void inflight_close_pipes(const struct inflight *unused)
{
	(void)unused;
}

void inflight_drop(struct inflight *unused)
{
	(void)unused;
}

void housekeeping_hurry(void)
{
}

void housekeeping_set_up(void)
{
}

void policy_ask_tcp(const struct ends *ends, struct policy_verdict *verdict)
{
	(void)ends;
	*verdict = (struct policy_verdict){ .allowed = true };
}

bool policy_is_stale(const struct policy_verdict *verdict)
{
	(void)verdict;
	return false;
}

void policy_count(const struct policy_verdict *verdict)
{
	(void)verdict;
	hits++;
}

void denial_say(const struct policy_verdict *verdict, const struct ends *ends)
{
	(void)verdict, (void)ends;
	said++;
}

struct peer *peer_self(void)
{
	return from_here ? (struct peer *)&worker : NULL;
}

const struct policy_rule *limiting_rule(const struct policy_verdict *verdict,
					enum ledger_direction direction)
{
	(void)verdict, (void)direction;
	return NULL;
}

void denial_limit(const struct policy_verdict *verdict, const struct policy_rule *rule, int err,
		  const struct ends *ends)
{
	(void)verdict, (void)rule, (void)ends;
	ck_assert_int_eq(err, -EUSERS);
}

uint64_t peer_host_id(const struct peer *unused)
{
	(void)unused;
	return 1;
}

void limiting_in(struct limiting *limiting, const struct policy_verdict *verdict, uint32_t vni,
		 const struct slim_endpoint *source, uint64_t host_id)
{
	(void)verdict, (void)vni, (void)source, (void)host_id;
	*limiting = (struct limiting){ .key.rule = 1, .limits = { 1, 1 } };
}

int limiting_take(struct limiting *limiting, struct quota **quota)
{
	*quota = NULL;
	if (!has_place)
		return -EUSERS;
	set_ups += limiting->limits.setups;
	places++;
	*quota = (struct quota *)&places;
	return 0;
}

void quota_sit(struct quota_seat *seat, struct quota *quota)
{
	seat->quota = quota;
}

int limiting_follow_new(struct ledger_entry *entry, const struct policy_verdict *verdict)
{
	(void)entry, (void)verdict;
	return 0;
}

void shaping_apply(int fd, const struct policy_rule *rule)
{
	(void)fd, (void)rule;
}

void shaping_mark(int fd, uint32_t container_id)
{
	(void)fd, (void)container_id;
}

bool shaping_live_is_possible(void)
{
	return true;
}

const struct policy_compiled *policy_in_force(void)
{
	return NULL;
}

struct shaping shaping_of(const struct policy_rule *rule)
{
	(void)rule;
	return (struct shaping){ .known = true };
}

/* --- */

static void setup(void)
{
	struct rlimit files;

	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	rcu_register_thread();
	worker.loop = loop_new();
	CDS_INIT_LIST_HEAD(&worker.inbounds);
	preambles_init(&worker.preambles);
	complete = tuple_free = has_files = has_place = true;
	set_ups = places = hits = said = 0;
	from_here = false;
	rcu_read_lock();
}

/* None is left behind, whatever became of it. */
static void teardown(void)
{
	struct inbound *inbound, *next;

	cds_list_for_each_entry_safe(inbound, next, &worker.inbounds, node)
		inbound_abort(inbound);
	cds_list_for_each_entry_safe(inbound, next, &worker.preambles.list, entry.node)
		inbound_abort(inbound);
	rcu_read_unlock();
	rcu_barrier();
	for (int i = 0; i < 2; i++) {
		ck_assert_uint_eq(containers_here[i].unadmitted, 0);
		ck_assert_uint_eq(containers_here[i].awaiting_place, 0);
	}
	ck_assert_uint_eq(worker.preambles.num, 0);
	ck_assert_uint_eq(__atomic_load_n(&refs, __ATOMIC_RELAXED), 0);
	loop_free(worker.loop);
	rcu_unregister_thread();
}

/* Somebody connects, and sends @len bytes. Returns his end. */
static int caller(const void *bytes, size_t len)
{
	int ends[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	ck_assert_int_eq(write(ends[1], bytes, len), len);
	inbound_start(&worker, ends[0], &from, 4790, false);
	return ends[1];
}

/* ... who wants one of our containers */
static int call(uint8_t container)
{
	struct preamble fields = {
		.src = { 0xfd, [15] = 9 }, .dst = { 0xfd, [15] = container },
		.src_port = 1000, .dst_port = 80, .vni = VNI,
	};
	uint8_t bytes[PREAMBLE_MAX];

	return caller(bytes, (size_t)preamble_encode(&fields, bytes));
}

static void calls(uint8_t container, unsigned int num)
{
	while (num--)
		close(call(container));
}

static bool was_refused(int fd)
{
	char byte;

	return recv(fd, &byte, 1, MSG_DONTWAIT) == 0 || errno != EAGAIN;
}

static uint64_t refused(int container)
{
	return containers_here[container].refusals.num[LIMIT_unadmitted];
}

static void out_of_time(struct loop_timer *unused)
{
	(void)unused;
	loop_stop(worker.loop);
}

static void run_for(unsigned int ms)
{
	struct loop_timer deadline = { .handle = out_of_time };

	rcu_read_unlock();
	loop_timer_set(worker.loop, &deadline, ms);
	loop_run(worker.loop);
	rcu_read_lock();
}

START_TEST(whoever_waits_takes_nobodys_place)
{
	int silent = caller("\r\n", 2);

	limits.unadmitted = 2 * PREAMBLES_MAX;
	tuple_free = false;
	calls(0, PREAMBLES_MAX + 1);
	limits.unadmitted = MOST;
	ck_assert_uint_eq(containers_here[0].unadmitted, PREAMBLES_MAX + 1);
	ck_assert_uint_eq(counters.preamble_crowded, 0);
	ck_assert(!was_refused(silent));
	ck_assert_uint_eq(worker.preambles.num, 1);
	close(silent);
}
END_TEST

static bool *const reasons[] = { &complete, &tuple_free, &has_files, &has_place };

/* Whatever they wait for, they have but the places of their container; for a limit, a quarter of them. */
START_TEST(a_container_has_its_own_places)
{
	int modest;
	unsigned int most = reasons[_i] == &has_place ? MOST / 4 : MOST;

	*reasons[_i] = false;
	calls(0, MOST + 5);
	ck_assert_uint_eq(containers_here[0].unadmitted, most);
	ck_assert_uint_eq(refused(0), MOST + 5 - most);
	modest = call(1);
	ck_assert(!was_refused(modest));
	ck_assert_uint_eq(containers_here[1].unadmitted, 1);
	ck_assert_uint_eq(refused(1), 0);
	close(modest);
}
END_TEST

/* One that is spliced as soon as it has come */
static struct inbound *splice_one(void)
{
	static struct inbound *inbound;

	inbound = NULL;
	spliced = &inbound;
	close(call(0));
	ck_assert_ptr_nonnull(inbound);
	return inbound;
}

/* A side that was reset says nothing of the other one, the ticket's. */
START_TEST(what_was_spliced_leaves_no_time_wait)
{
	struct inbound *inbound = splice_one();

	reset = _i;
	inbound_relay_done(inbound);
	ck_assert_uint_eq(looks, 1);
	ck_assert_uint_eq(finished, !reset);
	ck_assert_uint_eq(containers_here[0].spliced, 0);
	ck_assert_uint_eq(containers_here[0].pending, 0);
}
END_TEST

/* Its program has yet to see the end: who is reset does not wait for that. */
START_TEST(what_was_spliced_ends_when_the_program_has_all)
{
	struct inbound *inbound = splice_one();

	looks_early = 2;
	reset = _i;
	inbound_relay_done(inbound);
	for (int i = 0; i < 2 && !reset; i++) {
		ck_assert_uint_eq(finished, 0);
		ck_assert_uint_eq(containers_here[0].spliced, 1);
		ck_assert_uint_ne(inbound->over_at, 0);
		inbound_relay_done(inbound);
	}
	ck_assert_uint_eq(looks, reset ? 1 : 3);
	ck_assert_uint_eq(finished, !reset);
	ck_assert_uint_eq(containers_here[0].spliced, 0);
}
END_TEST

/* The router stops: who has yet to see the end sees it all the same, and who has not come so far is reset. */
START_TEST(what_was_spliced_is_not_reset_at_its_end)
{
	struct inbound *inbound = splice_one();

	looks_early = 1;
	if (_i)
		inbound_relay_done(inbound);
	inbound_abort(inbound);
	ck_assert_uint_eq(finished, _i);
	ck_assert_uint_eq(containers_here[0].spliced, 0);
}
END_TEST

static bool *reason;

static void reason_is_over(struct loop_timer *unused)
{
	(void)unused;
	ck_assert_uint_eq(tickets, 0);
	*reason = true;
}

START_TEST(all_are_admitted_in_the_end)
{
	const unsigned int num = MOST / 4;
	struct loop_timer healed = { .handle = reason_is_over };

	reason = reasons[_i];
	*reason = false;
	calls(0, num);
	loop_timer_set(worker.loop, &healed, 50);
	run_for(200);
	ck_assert_uint_eq(tickets, num);
	ck_assert_uint_eq(containers_here[0].unadmitted, 0);
	/* However often each was tried */
	ck_assert_uint_eq(set_ups, num);
	ck_assert_uint_eq(hits, num);
	ck_assert_uint_eq(said, num);
	ck_assert_uint_eq(counters.accepts_limited, reason == &has_place ? num : 0);
}
END_TEST

/* One within the host was counted when it was made. */
START_TEST(a_decision_is_counted_once_on_a_host)
{
	from_here = true;
	calls(0, 3);
	ck_assert_uint_eq(tickets, 3);
	ck_assert_uint_eq(hits, 0);
	ck_assert_uint_eq(said, 0);
}
END_TEST

/* ... 75 times, if it were each 20 ms */
START_TEST(it_is_tried_ever_less_often)
{
	tuple_free = false;
	calls(0, 1);
	run_for(1500);
	ck_assert_uint_ge(tries, 5);
	ck_assert_uint_le(tries, 20);
	ck_assert_uint_eq(counters.tuple_in_use, 1);
}
END_TEST

/* Among those who share a port the kernel chooses by the ticket's. */
START_TEST(tickets_of_a_group_are_not_used_again)
{
	calls(0, 3);
	ck_assert_uint_eq(used_again, 3);
	listeners_here[0].shared = true;
	calls(0, 3);
	ck_assert_uint_eq(tickets, 6);
	ck_assert_uint_eq(used_again, 3);
}
END_TEST

/* Its router says of which tenant the source is; whether that is so is looked up there. */
START_TEST(a_source_of_another_tenant_is_not_the_senders)
{
	struct preamble fields = {
		.src = { 0xfd, [15] = 9 }, .src_port = 1000, .dst = { 0xfd }, .dst_port = 80,
		.vni = VNI, .src_vni = VNI + 1,
	};
	uint8_t bytes[PREAMBLE_MAX];
	int fd = caller(bytes, (size_t)preamble_encode(&fields, bytes));

	ck_assert(was_refused(fd));
	ck_assert_uint_eq(counters.source_foreign, 1);
	ck_assert_uint_eq(tickets, 0);
	close(fd);
}
END_TEST

START_TEST(a_container_is_detached_while_some_wait)
{
	struct inbound *inbound, *next;
	int fd;

	complete = false;
	fd = call(0);
	cds_list_for_each_entry_safe(inbound, next, &worker.inbounds, node)
		if (inbound->container == &containers_here[0])
			inbound_abort(inbound);
	ck_assert(was_refused(fd));
	close(fd);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("inbound");
	TCase *tc = tcase_create("inbound");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, whoever_waits_takes_nobodys_place);
	tcase_add_loop_test(tc, a_container_has_its_own_places, 0, 4);
	tcase_add_loop_test(tc, all_are_admitted_in_the_end, 0, 4);
	tcase_add_test(tc, a_decision_is_counted_once_on_a_host);
	tcase_add_test(tc, it_is_tried_ever_less_often);
	tcase_add_loop_test(tc, what_was_spliced_leaves_no_time_wait, 0, 2);
	tcase_add_loop_test(tc, what_was_spliced_ends_when_the_program_has_all, 0, 2);
	tcase_add_loop_test(tc, what_was_spliced_is_not_reset_at_its_end, 0, 2);
	tcase_add_test(tc, tickets_of_a_group_are_not_used_again);
	tcase_add_test(tc, a_source_of_another_tenant_is_not_the_senders);
	tcase_add_test(tc, a_container_is_detached_while_some_wait);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
