/* SPDX-License-Identifier: MIT */
/*
 * test_packet_cutting.c - connections of the packet path that are denied, and sockets that keep who asks
 *
 * links: router/packet_cutting.c router/port_mac.c router/dealing.c router/endpoint.c
 * libs: urcu urcu-common
 */
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <urcu.h>

#include "../../router/aside.h"
#include "../../router/container.h"
#include "../../router/counters.h"
#include "../../router/denial.h"
#include "../../router/diag.h"
#include "../../router/endpoint.h"
#include "../../router/log.h"
#include "../../router/packet_cutting.h"
#include "../../router/policy_compile.h"
#include "../../router/policy_force.h"
#include "../../router/port_mac.h"
#include "suite.h"

#define PATIENCE_MS	3000
#define OUT		1000	/* ports of the peer: only what is made to there is denied, */
#define IN		2000	/* ... only what comes from there, */
#define BOTH		3000	/* ... both */

/* --- a loop whose clock can be put forward --- */

static uint64_t skipped;
static struct loop_timer *timers[8];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct aside *ended[64];
static size_t ended_num;
static unsigned int running;

static uint64_t real_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

uint64_t loop_now(const struct loop *loop)
{
	(void)loop;
	return real_ms() + skipped;
}

void loop_timer_clear(struct loop *loop, struct loop_timer *timer)
{
	(void)loop;
	for (size_t i = 0; i < 8; i++)
		if (timers[i] == timer)
			timers[i] = NULL;
	timer->expires = 0;
}

void loop_timer_set(struct loop *loop, struct loop_timer *timer, unsigned int delay)
{
	size_t i = 0;

	loop_timer_clear(loop, timer);
	while (timers[i])
		i++;
	timers[i] = timer;
	timer->expires = loop_now(loop) + delay;
}

static void *run(void *arg)
{
	struct aside *aside = arg;

	rcu_register_thread();
	aside->run(aside);
	rcu_unregister_thread();
	pthread_mutex_lock(&lock);
	ended[ended_num++] = aside;
	pthread_mutex_unlock(&lock);
	return NULL;
}

int aside_start(struct aside *aside)
{
	pthread_t thread;

	running++;
	ck_assert_int_eq(pthread_create(&thread, NULL, run, aside), 0);
	pthread_detach(thread);
	return 0;
}

static void turn(void)
{
	struct aside *aside = NULL;

	for (size_t i = 0; i < 8; i++) {
		struct loop_timer *timer = timers[i];

		if (!timer || timer->expires > loop_now(NULL))
			continue;
		loop_timer_clear(NULL, timer);
		timer->handle(timer);
	}
	pthread_mutex_lock(&lock);
	if (ended_num)
		aside = ended[--ended_num];
	pthread_mutex_unlock(&lock);
	if (!aside) {
		usleep(1000);
		return;
	}
	running--;
	aside->done(aside);
}

static bool come(bool (*holds)(void))
{
	uint64_t end = real_ms() + PATIENCE_MS;

	while (!holds() && real_ms() < end)
		turn();
	return holds();
}

/* --- the router around it --- */

CDS_LIST_HEAD(containers);
unsigned int containers_num = 1;
struct counters counters;
static struct container container = { .id = 7, .vni = 1, .addresses_num = 1, .netns_fd = -1 };
static struct policy_compiled compiled;
static struct policy_domain domain;
static unsigned int warnings;

void log_info(const char *format, ...)
{
	(void)format;
}

void log_warning(const char *format, ...)
{
	(void)format;
	warnings++;
}

bool log_limit_ok(struct log_limit *limit)
{
	(void)limit;
	return true;
}

struct container *container_by_id(uint32_t id)
{
	return id == container.id ? &container : NULL;
}

bool container_get(struct container *unused)
{
	(void)unused;
	return true;
}

void container_put(struct container *unused)
{
	(void)unused;
}

bool container_has_address(const struct container *of, const struct in6_addr *addr)
{
	return !memcmp(&of->addresses[0], addr, sizeof(*addr));
}

const struct policy_compiled *policy_in_force(void)
{
	return &compiled;
}

const struct policy_domain *policy_domain_find(const struct policy_compiled *unused, uint32_t owner,
					       uint32_t source, uint32_t destination)
{
	(void)unused, (void)owner, (void)source, (void)destination;
	return &domain;
}

/* By the peer's port */
void policy_ask_tcp(const struct ends *ends, struct policy_verdict *verdict)
{
	bool out = ends->destination.port >= OUT;
	unsigned int kind = out ? ends->destination.port : ends->source.port;

	kind -= kind % 1000;
	*verdict = (struct policy_verdict){ .allowed = kind != BOTH && kind != (out ? OUT : IN) };
}

void denial_cut_packet(const struct ends *ends)
{
	(void)ends;
}

/* --- its sockets; the cookie is the peer's port --- */

#define SOCKETS	8

static struct {
	struct diag_socket socket;
	enum diag_opener opener;	/* as info says */
	bool keeps;			/* whoever examines or destroys it */
	unsigned int asked;
	bool gone;
} sockets[SOCKETS];
static unsigned int sockets_num, dumps, dumps_with_info;
static unsigned int dump_ms;		/* of the processor's time */

struct diag *diag_open(int netns_fd)
{
	(void)netns_fd;
	return (struct diag *)sockets;
}

void diag_close(struct diag *diag)
{
	(void)diag;
}

static uint64_t spent_ms(void)
{
	struct timespec spent;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &spent);
	return (uint64_t)spent.tv_sec * 1000 + (uint64_t)spent.tv_nsec / 1000000;
}

int diag_dump(struct diag *diag, unsigned int states, uint16_t port_first, uint16_t port_last,
	      bool info, void (*each)(const struct diag_socket *socket, void *data), void *data)
{
	(void)diag, (void)states, (void)port_first, (void)port_last;
	for (uint64_t end = spent_ms() + dump_ms; spent_ms() < end;)
		;
	pthread_mutex_lock(&lock);
	dumps++;
	dumps_with_info += info;
	for (unsigned int i = 0; i < sockets_num; i++)
		if (!sockets[i].gone)
			each(&sockets[i].socket, data);
	pthread_mutex_unlock(&lock);
	return 0;
}

/* With the lock held */
static unsigned int wait_for(const struct diag_socket *socket)
{
	unsigned int i = 0;

	while (sockets[i].socket.cookie != socket->cookie)
		i++;
	sockets[i].asked++;
	while (sockets[i].keeps)
		pthread_cond_wait(&changed, &lock);
	return i;
}

int diag_examine(struct diag *diag, struct diag_socket *socket)
{
	(void)diag;
	pthread_mutex_lock(&lock);
	socket->opener = sockets[wait_for(socket)].opener;
	pthread_mutex_unlock(&lock);
	return 0;
}

int diag_destroy(struct diag *diag, const struct diag_socket *socket)
{
	(void)diag;
	pthread_mutex_lock(&lock);
	sockets[wait_for(socket)].gone = true;
	pthread_mutex_unlock(&lock);
	return 0;
}

static void has(unsigned int port, enum diag_opener opener, bool keeps)
{
	struct in6_addr peer = addr_map4(htonl(0x0a000002));
	unsigned int i = sockets_num++;

	sockets[i].socket = (struct diag_socket){
		.cookie = port,
		.local = endpoint_make(&container.addresses[0], 1),
		.peer = endpoint_make(&peer, (uint16_t)port),
	};
	sockets[i].opener = opener;
	sockets[i].keeps = keeps;
}

static void let_go(unsigned int i)
{
	pthread_mutex_lock(&lock);
	sockets[i].keeps = false;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
}

/* --- tests --- */

static void setup(void)
{
	container.addresses[0] = addr_map4(htonl(0x0a000001));
	cds_list_add(&container.node, &containers);
	packet_cutting_init(NULL);
}

static bool is_gone(unsigned int i)
{
	bool gone;

	pthread_mutex_lock(&lock);
	gone = sockets[i].gone;
	pthread_mutex_unlock(&lock);
	return gone;
}

static bool all_gone(void)
{
	for (unsigned int i = 0; i < sockets_num; i++)
		if (!sockets[i].keeps && !is_gone(i))
			return false;
	return true;
}

static unsigned int wanted_dumps;

/* Time flies meanwhile. */
static bool dumped(void)
{
	bool enough;

	skipped += 100;
	pthread_mutex_lock(&lock);
	enough = dumps >= wanted_dumps;
	pthread_mutex_unlock(&lock);
	return enough;
}

/* Nothing is under way, and no timer but for much later. */
static bool is_idle(void)
{
	for (size_t i = 0; i < 8; i++)
		if (timers[i] && timers[i]->expires < loop_now(NULL) + 20000)
			return false;
	return true;
}

static bool no_hand_is_left(void)
{
	return !running;
}

START_TEST(denied_ones_go_and_others_stay)
{
	setup();
	has(OUT, DIAG_OPENER_LOCAL, false);
	has(IN, DIAG_OPENER_PEER, false);
	has(BOTH, DIAG_OPENER_UNKNOWN, false);
	has(OUT + 1, DIAG_OPENER_PEER, false);
	has(500, DIAG_OPENER_LOCAL, false);
	packet_cutting_start(true);
	ck_assert(come(is_idle));
	ck_assert(is_gone(0) && is_gone(1) && is_gone(2));
	ck_assert(!is_gone(3) && !is_gone(4));
	/* What is denied whoever made it, nobody need be asked about. */
	ck_assert_uint_eq(sockets[2].asked, 1);
}
END_TEST

/* One that keeps its hand, denied itself or only to be asked about, protects no other. */
START_TEST(one_that_keeps_its_hand_protects_no_other)
{
	setup();
	has(_i ? BOTH : OUT, DIAG_OPENER_LOCAL, true);
	has(_i ? BOTH + 1 : OUT + 1, DIAG_OPENER_LOCAL, true);
	has(OUT + 2, DIAG_OPENER_LOCAL, true);
	has(OUT + 3, DIAG_OPENER_LOCAL, false);
	has(IN, DIAG_OPENER_PEER, false);
	has(BOTH + 2, DIAG_OPENER_LOCAL, false);
	packet_cutting_start(true);
	ck_assert(come(all_gone));
	for (unsigned int i = 0; i < 3; i++)
		ck_assert_uint_le(sockets[i].asked, 1);
	for (unsigned int i = 0; i < 3; i++)
		let_go(i);
	ck_assert(come(all_gone));
}
END_TEST

/* How long a hand was kept says nothing of what sweeps cost. */
START_TEST(a_hand_that_was_kept_puts_nothing_off)
{
	uint64_t began;

	setup();
	has(OUT, DIAG_OPENER_LOCAL, true);
	packet_cutting_start(true);
	ck_assert(come(is_idle));
	skipped += 25000;
	let_go(0);
	ck_assert(come(no_hand_is_left));
	ck_assert(is_gone(0));
	has(BOTH, DIAG_OPENER_LOCAL, false);
	began = real_ms();
	packet_cutting_start(false);
	ck_assert(come(all_gone));
	ck_assert_uint_lt(real_ms() - began, 2000);
}
END_TEST

/* A sweep that took long is followed by a pause; but another policy waits for none. */
START_TEST(another_policy_comes_at_once)
{
	setup();
	dump_ms = 500;
	packet_cutting_start(true);
	while (running)
		turn();
	dump_ms = 0;
	has(BOTH, DIAG_OPENER_LOCAL, false);
	for (uint64_t end = real_ms() + 300; real_ms() < end; turn())
		packet_cutting_start(false);
	ck_assert(!is_gone(0));
	packet_cutting_start(true);
	for (uint64_t end = real_ms() + 1000; real_ms() < end && !is_gone(0);)
		turn();
	ck_assert(is_gone(0));
}
END_TEST

/* What was half open, without a socket, is one a good while later. */
START_TEST(later_ones_are_seen)
{
	setup();
	packet_cutting_start(true);
	ck_assert(come(is_idle));
	for (unsigned int i = 0; i < 2; i++) {
		has(BOTH + i, DIAG_OPENER_LOCAL, false);
		ck_assert(come(is_idle));
		ck_assert(!is_gone(i));
		skipped += i ? 100000 : 30000;
		ck_assert(come(all_gone));
		ck_assert(come(is_idle));
	}
}
END_TEST

/* Said once, after a while */
START_TEST(unknown_ones_are_said)
{
	setup();
	has(OUT, DIAG_OPENER_UNKNOWN, false);
	packet_cutting_start(true);
	for (wanted_dumps = 2; wanted_dumps <= 30; wanted_dumps++) {
		ck_assert(come(dumped));
		ck_assert(wanted_dumps >= 10 || !warnings);
	}
	ck_assert_uint_eq(warnings, 1);
	ck_assert(!is_gone(0));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("packet_cutting");
	TCase *tc = tcase_create("userspace");

	rcu_register_thread();
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, denied_ones_go_and_others_stay);
	tcase_add_loop_test(tc, one_that_keeps_its_hand_protects_no_other, 0, 2);
	tcase_add_test(tc, a_hand_that_was_kept_puts_nothing_off);
	tcase_add_test(tc, another_policy_comes_at_once);
	tcase_add_test(tc, later_ones_are_seen);
	tcase_add_test(tc, unknown_ones_are_said);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
