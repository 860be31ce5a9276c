/* SPDX-License-Identifier: MIT */
/*
 * test_listener.c - what is asked of the kernel about listeners keeps nobody waiting, however long
 * that takes
 * links: router/listener.c router/look.c router/aside.c router/slice.c router/loop.c router/limit.c
 * links: router/statefile.c router/counters.c router/endpoint.c router/log.c
 * libs: urcu urcu-cds urcu-common
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <urcu.h>

#include <slim/channel.h>

#include "../../router/aside.h"
#include "../../router/container.h"
#include "../../router/diag.h"
#include "../../router/directory.h"
#include "../../router/housekeeping.h"
#include "../../router/listener.h"
#include "suite.h"

#define SLOW_MS		300
#define REQUESTS	50

static struct config_limits limits = { .listeners = 1000 };
static struct container container = {
	.name = "c", .limits = &limits, .addresses_num = 1, .vni = 100,
};
struct cds_list_head containers = CDS_LIST_HEAD_INIT(containers);

static struct loop *loop;
static unsigned int refs, looks, answers;
static int announced;
static bool share_port;			/* all sockets do */
static void (*look)(void);		/* what the kernel takes for it */
static struct loop_timer deadline;

static uint64_t clock_ms(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* --- what listeners are linked with elsewhere --- */

bool container_get(struct container *unused)
{
	(void)unused;
	__atomic_add_fetch(&refs, 1, __ATOMIC_RELAXED);
	return true;
}

void container_put(struct container *unused)
{
	(void)unused;
	__atomic_sub_fetch(&refs, 1, __ATOMIC_RELAXED);
}

bool container_is_dead(const struct container *asked)
{
	return asked->dead;
}

struct container *container_by_id(uint32_t unused)
{
	(void)unused;
	return NULL;
}

struct diag *container_diag_get(struct container *asker)
{
	return (struct diag *)asker;
}

void container_diag_put(struct container *unused)
{
	(void)unused;
}

/* All sockets up to REQUESTS listen. */
int diag_dump(struct diag *diag, unsigned int states, uint16_t port_first, uint16_t port_last,
	      bool info, void (*each)(const struct diag_socket *socket, void *data), void *data)
{
	(void)diag;
	(void)port_first;
	(void)port_last;
	(void)info;
	ck_assert_uint_eq(states, DIAG_LISTEN);
	__atomic_add_fetch(&looks, 1, __ATOMIC_RELAXED);
	look();
	for (uint64_t cookie = 1; cookie <= REQUESTS; cookie++) {
		struct diag_socket socket = {
			.family = AF_INET6, .cookie = cookie,
			.local.port = (uint16_t)(1000 + (share_port ? 0 : cookie)),
		};

		each(&socket, data);
	}
	return 0;
}

int directory_listener_add(uint32_t vni, const struct in6_addr *addr, uint16_t port)
{
	(void)vni;
	(void)addr;
	(void)port;
	announced++;
	return 0;
}

void directory_listener_remove(uint32_t vni, const struct in6_addr *addr, uint16_t port)
{
	(void)vni;
	(void)addr;
	(void)port;
	announced--;
}

void directory_listener_busy(uint32_t vni, const struct in6_addr *addr, uint16_t port, bool busy)
{
	(void)vni;
	(void)addr;
	(void)port;
	(void)busy;
}

void housekeeping_hurry(void)
{
}

/* --- */

static void out_of_time(struct loop_timer *unused)
{
	(void)unused;
	loop_stop(loop);
}

static void setup(void)
{
	rcu_register_thread();
	loop = loop_new();
	aside_init(loop);
	CDS_INIT_LIST_HEAD(&container.listeners);
	CDS_INIT_LIST_HEAD(&container.looks.requests);
	ck_assert_int_eq(listeners_init(loop), 0);
	deadline.handle = out_of_time;
}

static void teardown(void)
{
	ck_assert(aside_exit());
	rcu_read_lock();
	loop_run_tasks(loop);
	container.dead = true;
	listener_withdraw_all(&container);
	rcu_read_unlock();
	rcu_barrier();
	ck_assert_uint_eq(refs, 0);
	loop_free(loop);
	rcu_unregister_thread();
}

static void run_for(unsigned int ms)
{
	loop_timer_set(loop, &deadline, ms);
	loop_run(loop);
}

static void take_long(void)
{
	const struct timespec slow = { .tv_nsec = SLOW_MS * 1000000 };

	nanosleep(&slow, NULL);
}

static void cost_much(void)
{
	uint64_t end = clock_ms(CLOCK_THREAD_CPUTIME_ID) + 50;

	while (clock_ms(CLOCK_THREAD_CPUTIME_ID) < end)
		;
}

static void answered(struct listener_request *unused, int err)
{
	(void)unused;
	ck_assert_int_eq(err, 0);
	answers++;
}

static void ask(struct listener_request *request, uint64_t cookie)
{
	*request = (struct listener_request){ .cookie = cookie, .done = answered };
	listener_register(&container, request);
}

static uint64_t fired_at;

static void fire(struct loop_timer *unused)
{
	(void)unused;
	fired_at = clock_ms(CLOCK_MONOTONIC);
}

START_TEST(the_control_thread_does_not_wait)
{
	struct listener_request request;
	struct loop_timer timer = { .handle = fire };
	uint64_t then = clock_ms(CLOCK_MONOTONIC);

	look = take_long;
	rcu_read_lock();
	ask(&request, 1);
	rcu_read_unlock();
	ck_assert_uint_eq(answers, 0);
	loop_timer_set(loop, &timer, 10);
	run_for(2 * SLOW_MS);
	ck_assert_uint_ge(fired_at, then);
	ck_assert_uint_le(fired_at - then, SLOW_MS / 2);
	ck_assert_uint_eq(answers, 1);
	ck_assert_uint_eq(container.listeners_num, 1);
}
END_TEST

START_TEST(all_who_wait_are_answered_by_one)
{
	static struct listener_request requests[REQUESTS];

	look = take_long;
	rcu_read_lock();
	for (unsigned int i = 0; i < REQUESTS; i++)
		ask(&requests[i], i + 1);
	rcu_read_unlock();
	run_for(3 * SLOW_MS);
	ck_assert_uint_eq(answers, REQUESTS);
	ck_assert_uint_eq(looks, 2);
	ck_assert_uint_eq(container.listeners_num, REQUESTS);
}
END_TEST

static struct loop_timer hint;

static void give_hint(struct loop_timer *unused)
{
	(void)unused;
	listener_check_soon(&container, false);
	loop_timer_set(loop, &hint, 1);
}

/* 50 ms each: those that half a second is for at first, then one in 250 ms. */
START_TEST(no_more_than_a_fifth_of_a_processor)
{
	struct listener_request request;

	look = cost_much;
	rcu_read_lock();
	ask(&request, 1);
	rcu_read_unlock();
	hint.handle = give_hint;
	loop_timer_set(loop, &hint, 1);
	run_for(1500);
	loop_timer_clear(loop, &hint);
	ck_assert_uint_ge(looks, 3);
	ck_assert_uint_le(looks, 10);
}
END_TEST

static void cost_nothing(void)
{
}

/* One after the other */
static const struct step {
	uint64_t cookie;
	unsigned int flags;
	int announced;		/* then */
} steps[] = {
	{ 1, 0, 1 },
	{ 1, SLIM_LISTEN_PACKET, 0 },
	{ 1, 0, 1 },
	{ 2, 0, 1 },
	{ 2, SLIM_LISTEN_PACKET, 0 },
	{ 3, 0, 0 },
	{ 3, SLIM_LISTEN_PACKET, 0 },
	{ 2, 0, 0 },
	{ 3, SLIM_LISTEN_DEFER_ACCEPT, 1 },
};

#define STEPS	(sizeof(steps) / sizeof(steps[0]))

static void next_step(struct loop_timer *unused);

static struct loop_timer later = { .handle = next_step };

static void step_answered(struct listener_request *unused, int err)
{
	(void)unused;
	ck_assert_int_eq(err, 0);
	ck_assert_int_eq(announced, steps[answers].announced);
	if (++answers == STEPS)
		loop_stop(loop);
	else
		loop_timer_set(loop, &later, 1);
}

static void next_step(struct loop_timer *unused)
{
	static struct listener_request request;

	(void)unused;
	request = (struct listener_request){
		.cookie = steps[answers].cookie, .flags = steps[answers].flags, .done = step_answered,
	};
	listener_register(&container, &request);
}

/*
 * An option was set with which connections cannot be Slim's: then those of no socket can that shares the
 * port, since any of them may get a ticket.
 */
START_TEST(ones_that_are_for_the_packet_path)
{
	look = cost_nothing;
	share_port = true;
	rcu_read_lock();
	next_step(NULL);
	rcu_read_unlock();
	run_for(20000);
	share_port = false;
	ck_assert_uint_eq(answers, STEPS);
	ck_assert_uint_eq(container.listeners_num, 3);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("listener");
	TCase *tc = tcase_create("listener");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, the_control_thread_does_not_wait);
	tcase_add_test(tc, all_who_wait_are_answered_by_one);
	tcase_add_test(tc, no_more_than_a_fifth_of_a_processor);
	tcase_add_test(tc, ones_that_are_for_the_packet_path);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
