/* SPDX-License-Identifier: MIT */
/* packet_cutting.c - ends the live connections of the packet path that the policy in force denies */
#include "packet_cutting.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <urcu.h>

#include "../include/slim/channel.h"
#include "container.h"
#include "counters.h"
#include "dealing.h"
#include "denial.h"
#include "diag.h"
#include "endpoint.h"
#include "log.h"
#include "policy_force.h"
#include "port_mac.h"

#define AGAIN_MS	50	/* until the next sweep; twice as long each time */
#define AGAIN_MAX_MS	3200
#define SWEEPS_IDLE	2	/* in a row, that find nothing */
#define PAUSE		4	/* after a sweep, times the processor's time that it took */
#define EXAMINATIONS	4	/* of one socket in a sweep */
#define SUSPECTS_FEW	64	/* that are examined one by one */
#define UNKNOWN_SWEEPS	10	/* in a row, until it is said */

/* ms after the last sweep that found nothing: half-open connections of before may be completed so late */
static const unsigned int late_looks[] = { 30000, 100000 };

#define LATE_LOOKS	(sizeof(late_looks) / sizeof(late_looks[0]))

/*
 * A sweep
 * @error:	of the last container that was not looked at; atomic
 */
struct round {
	struct deal deal;
	uint64_t began;			/* ms */
	uint64_t destroyed;		/* atomic */
	int error;
};

/* A socket that policy denies in one direction at least. @both: in both */
struct suspect {
	struct diag_socket socket;
	bool both, judged;
};

/* A container's; @whole: there was memory for all */
struct suspects {
	const struct container *container;
	struct suspect *list;
	size_t num, max;
	bool whole;
};

static struct {
	struct loop *loop;
	struct dealing dealing;
	struct loop_timer again;
	bool wanted, urgent;
	bool unsettled;			/* something was found, or not known; atomic */
	unsigned int unknown;		/* who opened them is not known; atomic */
	unsigned int unknown_sweeps;	/* in a row */
	unsigned int idle, delay;
	unsigned int late;		/* of late_looks */
	bool running;			/* a sweep that has not been accounted for */
	uint64_t spent;			/* us of the processor's time; atomic */
	uint64_t due;			/* ms: the next one, unless it is urgent */
} cutting;

/* --- one container: in a hand's thread --- */

static bool denies(const struct container *container, const struct slim_endpoint *source,
		   const struct slim_endpoint *destination)
{
	const struct ends ends = { container->vni, container->vni, *source, *destination };
	struct policy_verdict verdict;

	policy_ask_tcp(&ends, &verdict);
	return !verdict.allowed && !verdict.provisional;
}

/* Its link-local address is the one that its port is pinned to. */
static bool has_address(const struct container *container, const struct in6_addr *addr)
{
	struct in6_addr link_local = port_mac_link_local(container->port.mac);

	return container_has_address(container, addr) || !memcmp(addr, &link_local, sizeof(*addr));
}

/* Of the container's own; tickets come from there, too, which are of the slim path. */
static bool is_inside(const struct container *container, const struct in6_addr *addr)
{
	static const struct in6_addr ticket6 = { { SLIM_TICKET_ADDR6 } };

	return has_address(container, addr) || IN6_IS_ADDR_LOOPBACK(addr) ||
	       IN6_ARE_ADDR_EQUAL(addr, &ticket6) || (addr_is4(addr) && addr->s6_addr[12] == 127);
}

bool packet_cutting_judges(const struct container *container, const struct diag_socket *socket)
{
	struct in6_addr local = endpoint_addr(&socket->local);
	struct in6_addr peer = endpoint_addr(&socket->peer);

	return has_address(container, &local) && !is_inside(container, &peer);
}

static void collect(const struct diag_socket *socket, void *data)
{
	struct suspects *suspects = data;
	const struct container *container = suspects->container;
	bool out, in;

	if (!packet_cutting_judges(container, socket))
		return;
	rcu_read_lock();
	out = denies(container, &socket->local, &socket->peer);
	in = denies(container, &socket->peer, &socket->local);
	rcu_read_unlock();
	if (!out && !in)
		return;
	if (suspects->num == suspects->max) {
		size_t more = suspects->max ? suspects->max * 2 : 64;
		struct suspect *bigger = reallocarray(suspects->list, more, sizeof(*bigger));

		if (!bigger) {
			suspects->whole = false;
			return;
		}
		suspects->list = bigger;
		suspects->max = more;
	}
	suspects->list[suspects->num++] = (struct suspect){ *socket, out && in, false };
}

static int compare_cookies(const void *a, const void *b)
{
	const struct suspect *first = a, *second = b;

	return first->socket.cookie < second->socket.cookie ? -1 :
	       first->socket.cookie > second->socket.cookie;
}

static void learn(const struct diag_socket *socket, void *data)
{
	const struct suspect key = { .socket = *socket };
	struct suspects *suspects = data;
	struct suspect *suspect = bsearch(&key, suspects->list, suspects->num, sizeof(key),
					  compare_cookies);

	if (suspect)
		suspect->socket = *socket;
}

/* Is nothing to be asked before it is judged? */
static bool is_plain(const struct suspect *suspect)
{
	return suspect->both || suspect->socket.opener != DIAG_OPENER_UNKNOWN;
}

/* Who opened them, of many at once. 0 or -errno */
static int learn_openers(struct diag *diag, struct suspects *suspects)
{
	size_t num = 0;

	for (size_t i = 0; i < suspects->num; i++)
		num += !is_plain(&suspects->list[i]);
	if (num <= SUSPECTS_FEW)
		return 0;
	qsort(suspects->list, suspects->num, sizeof(*suspects->list), compare_cookies);
	return diag_dump(diag, DIAG_LIVE, 0, 0, true, learn, suspects);
}

/* Who opened it, if that can be known now. 0 or -errno */
static int examine(struct diag *diag, struct diag_socket *socket)
{
	int err = 0;

	for (int i = 0; i < EXAMINATIONS && !err && socket->opener == DIAG_OPENER_UNKNOWN; i++)
		err = diag_examine(diag, socket);
	return err;
}

static int destroy(struct round *round, struct diag *diag, const struct container *container,
		   const struct diag_socket *socket)
{
	bool out = socket->opener != DIAG_OPENER_PEER;
	int err = diag_destroy(diag, socket);

	if (err)
		return err;
	__atomic_store_n(&cutting.unsettled, true, __ATOMIC_RELAXED);
	counter_inc(connections_cut_packet);
	__atomic_fetch_add(&round->destroyed, 1, __ATOMIC_RELAXED);
	rcu_read_lock();
	denial_cut_packet(&(struct ends){ container->vni, container->vni,
					  out ? socket->local : socket->peer,
					  out ? socket->peer : socket->local });
	rcu_read_unlock();
	return 0;
}

static int judge(struct round *round, struct diag *diag, const struct container *container,
		 struct suspect *suspect)
{
	struct diag_socket *socket = &suspect->socket;
	int err = is_plain(suspect) ? 0 : examine(diag, socket);
	bool out, in;

	if (err)
		return err;
	rcu_read_lock();
	out = denies(container, &socket->local, &socket->peer);
	in = denies(container, &socket->peer, &socket->local);
	rcu_read_unlock();
	if (!out && !in)
		return 0;
	if ((out || socket->opener == DIAG_OPENER_PEER) &&
	    (in || socket->opener == DIAG_OPENER_LOCAL))
		return destroy(round, diag, container, socket);
	if (socket->opener == DIAG_OPENER_UNKNOWN) {
		__atomic_store_n(&cutting.unsettled, true, __ATOMIC_RELAXED);
		__atomic_fetch_add(&cutting.unknown, 1, __ATOMIC_RELAXED);
	}
	return 0;
}

/* All that have not been. 0 or -errno */
static int judge_all(struct round *round, struct deal_hand *hand, struct diag *diag,
		     struct suspects *suspects, bool only_plain)
{
	int error = 0;

	for (size_t i = 0; i < suspects->num; i++) {
		struct suspect *suspect = &suspects->list[i];
		int err;

		if (suspect->judged || (only_plain && !is_plain(suspect)) ||
		    !deal_take(hand, suspect->socket.cookie))
			continue;
		suspect->judged = true;
		err = judge(round, diag, suspects->container, suspect);
		/* It has gone by itself. */
		if (err && err != -ENOENT && err != -ESTALE)
			error = err;
	}
	return error;
}

/* All that asks about a socket may wait for it: so those come first of which nothing is to be asked. */
static int look(struct round *round, struct deal_hand *hand, const struct deal_heap *heap,
		struct diag *diag, struct suspects *suspects)
{
	int error = diag_dump(diag, DIAG_LIVE, 0, 0, false, collect, suspects);
	int err = judge_all(round, hand, diag, suspects, true);

	error = err ? err : error;
	if (!heap->kept && deal_take(hand, DEAL_SEVERAL)) {
		err = learn_openers(diag, suspects);
		error = err && err != -EINTR ? err : error;
	}
	err = judge_all(round, hand, diag, suspects, false);
	error = err ? err : error;
	return !error && !suspects->whole ? -ENOMEM : error;
}

static struct round *round_of(struct deal *deal)
{
	return caa_container_of(deal, struct round, deal);
}

/* us of this thread's processor time: to wait costs nothing */
static uint64_t spent_us(void)
{
	struct timespec spent;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &spent);
	return (uint64_t)spent.tv_sec * 1000000 + (uint64_t)spent.tv_nsec / 1000;
}

static int work_on(struct round *round, struct deal_hand *hand, const struct deal_heap *heap,
		   const struct container *container)
{
	struct suspects suspects = { .container = container, .whole = true };
	struct diag *diag = diag_open(container->netns_fd);
	int err = diag ? look(round, hand, heap, diag, &suspects) : -errno;

	diag_close(diag);
	free(suspects.list);
	return err;
}

static void work(struct deal_hand *hand, struct deal *deal, const struct deal_heap *heap)
{
	struct round *round = round_of(deal);
	uint64_t before = spent_us();
	struct container *container;
	int err;

	rcu_read_lock();
	container = container_by_id(heap->container_id);
	if (container && !container_get(container))
		container = NULL;
	rcu_read_unlock();
	if (!container)
		return;
	err = work_on(round, hand, heap, container);
	container_put(container);
	__atomic_fetch_add(&cutting.spent, spent_us() - before, __ATOMIC_RELAXED);
	if (err)
		__atomic_store_n(&cutting.unsettled, true, __ATOMIC_RELAXED);
	/* -EINTR: the sockets changed meanwhile, and the next sweep sees the rest. */
	if (err && err != -EINTR)
		__atomic_store_n(&round->error, err, __ATOMIC_RELAXED);
}

/* --- one sweep after the other: control thread --- */

/* For a moment that is nothing to speak of. */
static void say_unknown(unsigned int num)
{
	cutting.unknown_sweeps = num ? cutting.unknown_sweeps + 1 : 0;
	if (cutting.unknown_sweeps == UNKNOWN_SWEEPS)
		log_warning("policy: %u connections of the packet path that are denied in one direction go on: "
			    "who opened them cannot be told", num);
}

static void say(const struct round *round)
{
	static struct log_limit limit = { .burst = 1 };

	if (round->destroyed)
		log_info("policy: %llu live connections of the packet path were cut, "
			 "%llu ms after it was decided",
			 (unsigned long long)round->destroyed,
			 (unsigned long long)(loop_now(cutting.loop) - round->began));
	if (round->error && log_limit_ok(&limit))
		log_warning("cannot look for connections of the packet path that the policy "
			    "denies: %s; trying again", strerror(-round->error));
}

static void round_free(struct deal *deal)
{
	struct round *round = round_of(deal);

	say(round);
	free(deal->heaps);
	free(round);
}

/* Of the containers whose tenants have a policy. NULL: no memory */
static struct round *round_new(const struct policy_compiled *compiled)
{
	struct round *round = calloc(1, sizeof(*round));
	struct container *container;

	if (!round)
		return NULL;
	round->deal.heaps = calloc(containers_num + 1u, sizeof(*round->deal.heaps));
	if (!round->deal.heaps) {
		free(round);
		return NULL;
	}
	cds_list_for_each_entry(container, &containers, node) {
		uint32_t vni = container->vni;

		if (policy_domain_find(compiled, vni, vni, vni))
			round->deal.heaps[round->deal.heaps_num++].container_id = container->id;
	}
	round->deal.work = work;
	round->deal.free = round_free;
	round->began = loop_now(cutting.loop);
	return round;
}

static void later(unsigned int delay)
{
	uint64_t now = loop_now(cutting.loop);

	if (now + delay < cutting.due)
		delay = (unsigned int)(cutting.due - now);
	loop_timer_set(cutting.loop, &cutting.again, delay);
}

static void again_soon(void)
{
	later(cutting.delay);
	if (cutting.delay < AGAIN_MAX_MS)
		cutting.delay *= 2;
}

static void sweep(void)
{
	const struct policy_compiled *compiled = policy_in_force();
	struct round *round;

	cutting.wanted = cutting.urgent = false;
	cutting.idle++;
	if (!compiled)
		return;
	round = round_new(compiled);
	if (!round) {
		again_soon();
		return;
	}
	cutting.running = true;
	dealing_start(&cutting.dealing, &round->deal);
}

static void proceed(void)
{
	if (dealing_is_busy(&cutting.dealing))
		return;
	if (cutting.wanted && (cutting.urgent || loop_now(cutting.loop) >= cutting.due))
		sweep();
	else if (cutting.wanted)
		later(0);
	else if (cutting.idle < SWEEPS_IDLE)
		again_soon();
	else if (cutting.late < LATE_LOOKS && !cutting.again.expires)
		loop_timer_set(cutting.loop, &cutting.again, late_looks[cutting.late++]);
}

/* For what hands have done by now */
static void pay(void)
{
	uint64_t spent = __atomic_exchange_n(&cutting.spent, 0, __ATOMIC_RELAXED);
	uint64_t now = loop_now(cutting.loop);

	if (cutting.due < now)
		cutting.due = now;
	cutting.due += PAUSE * spent / 1000;
}

static void sweep_ended(void)
{
	if (!cutting.running || dealing_is_busy(&cutting.dealing))
		return;
	cutting.running = false;
	say_unknown(__atomic_exchange_n(&cutting.unknown, 0, __ATOMIC_RELAXED));
}

static void freed(struct dealing *unused, bool missed)
{
	(void)unused;
	pay();
	sweep_ended();
	if (__atomic_exchange_n(&cutting.unsettled, false, __ATOMIC_RELAXED))
		cutting.idle = 0;
	cutting.wanted |= missed;
	proceed();
}

static void again_handle(struct loop_timer *unused)
{
	(void)unused;
	if (!dealing_is_busy(&cutting.dealing))
		sweep();
}

void packet_cutting_init(struct loop *control)
{
	cutting.loop = control;
	cutting.dealing.freed = freed;
	dealing_init(&cutting.dealing, control);
	cutting.again.handle = again_handle;
	cutting.delay = AGAIN_MS;
	cutting.idle = SWEEPS_IDLE;
}

void packet_cutting_start(bool hurry)
{
	cutting.urgent |= hurry;
	cutting.idle = 0;
	cutting.late = 0;
	cutting.delay = AGAIN_MS;
	cutting.wanted = true;
	proceed();
}

void packet_cutting_exit(void)
{
	dealing_exit(&cutting.dealing);
	loop_timer_clear(cutting.loop, &cutting.again);
}
