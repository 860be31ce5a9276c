/* SPDX-License-Identifier: MIT */
/* packet_cutting.c - ends the live connections of the packet path that the policy in force denies */
#include "packet_cutting.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
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

#define AGAIN_MS	50	/* until the next sweep; twice as long each time */
#define AGAIN_MAX_MS	3200
#define SWEEPS_IDLE	2	/* in a row, that find nothing */
#define PAUSE		4	/* after a sweep, times what it took */
#define EXAMINATIONS	4	/* of one socket in a sweep */
#define SUSPECTS_FEW	64	/* that are examined one by one */

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

/* A container's sockets that policy denies in one direction at least */
struct suspects {
	const struct container *container;
	struct diag_socket *sockets;
	size_t num, max;
	bool whole;
};

static struct {
	struct loop *loop;
	struct dealing dealing;
	struct loop_timer again;
	bool wanted;
	bool unsettled;			/* something was found, or not known; atomic */
	unsigned int idle, delay;
	uint64_t began, due;		/* ms: the last sweep; the next one, unless it is urgent */
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

/* Of the container's own; tickets come from there, too, which are of the slim path. */
static bool is_inside(const struct container *container, const struct in6_addr *addr)
{
	static const struct in6_addr ticket6 = { { SLIM_TICKET_ADDR6 } };

	return container_has_address(container, addr) || IN6_IS_ADDR_LOOPBACK(addr) ||
	       IN6_ARE_ADDR_EQUAL(addr, &ticket6) || (addr_is4(addr) && addr->s6_addr[12] == 127);
}

bool packet_cutting_judges(const struct container *container, const struct diag_socket *socket)
{
	struct in6_addr local = endpoint_addr(&socket->local);
	struct in6_addr peer = endpoint_addr(&socket->peer);

	return container_has_address(container, &local) && !is_inside(container, &peer);
}

static void collect(const struct diag_socket *socket, void *data)
{
	struct suspects *suspects = data;
	const struct container *container = suspects->container;
	bool suspect;

	if (!packet_cutting_judges(container, socket))
		return;
	rcu_read_lock();
	suspect = denies(container, &socket->local, &socket->peer) ||
		  denies(container, &socket->peer, &socket->local);
	rcu_read_unlock();
	if (!suspect)
		return;
	if (suspects->num == suspects->max) {
		size_t more = suspects->max ? suspects->max * 2 : 64;
		struct diag_socket *bigger = reallocarray(suspects->sockets, more,
							  sizeof(*bigger));

		if (!bigger) {
			suspects->whole = false;
			return;
		}
		suspects->sockets = bigger;
		suspects->max = more;
	}
	suspects->sockets[suspects->num++] = *socket;
}

static int compare_cookies(const void *a, const void *b)
{
	const struct diag_socket *first = a, *second = b;

	return first->cookie < second->cookie ? -1 : first->cookie > second->cookie;
}

static void learn(const struct diag_socket *socket, void *data)
{
	struct suspects *suspects = data;
	struct diag_socket *suspect = bsearch(socket, suspects->sockets, suspects->num,
					      sizeof(*socket), compare_cookies);

	if (suspect)
		*suspect = *socket;
}

/* Who opened them, of many at once. 0 or -errno */
static int learn_openers(struct diag *diag, struct suspects *suspects)
{
	if (suspects->num <= SUSPECTS_FEW)
		return 0;
	qsort(suspects->sockets, suspects->num, sizeof(*suspects->sockets), compare_cookies);
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
		 struct diag_socket *socket)
{
	int err = examine(diag, socket);
	bool out, in;

	if (err)
		return err;
	rcu_read_lock();
	out = denies(container, &socket->local, &socket->peer);
	in = denies(container, &socket->peer, &socket->local);
	rcu_read_unlock();
	if (!out && !in)
		return 0;
	if (socket->opener == DIAG_OPENER_UNKNOWN)
		__atomic_store_n(&cutting.unsettled, true, __ATOMIC_RELAXED);
	if ((out || socket->opener == DIAG_OPENER_PEER) &&
	    (in || socket->opener == DIAG_OPENER_LOCAL))
		return destroy(round, diag, container, socket);
	return 0;
}

static int look(struct round *round, struct diag *diag, struct suspects *suspects)
{
	int error = diag_dump(diag, DIAG_LIVE, 0, 0, false, collect, suspects);
	int err = learn_openers(diag, suspects);

	if (err && err != -EINTR)
		error = err;
	for (size_t i = 0; i < suspects->num; i++) {
		err = judge(round, diag, suspects->container, &suspects->sockets[i]);
		/* It has gone by itself. */
		if (err && err != -ENOENT && err != -ESTALE)
			error = err;
		deal_progress(&round->deal);
	}
	return !error && !suspects->whole ? -ENOMEM : error;
}

static struct round *round_of(struct deal *deal)
{
	return caa_container_of(deal, struct round, deal);
}

static int work_on(struct round *round, const struct container *container)
{
	struct suspects suspects = { .container = container, .whole = true };
	struct diag *diag = diag_open(container->netns_fd);
	int err = diag ? look(round, diag, &suspects) : -errno;

	diag_close(diag);
	free(suspects.sockets);
	return err;
}

static void work(struct deal *deal, const struct deal_heap *heap)
{
	struct round *round = round_of(deal);
	struct container *container;
	int err;

	rcu_read_lock();
	container = container_by_id(heap->container_id);
	if (container && !container_get(container))
		container = NULL;
	rcu_read_unlock();
	if (!container)
		return;
	err = work_on(round, container);
	container_put(container);
	if (err)
		__atomic_store_n(&cutting.unsettled, true, __ATOMIC_RELAXED);
	/* -EINTR: the sockets changed meanwhile, and the next sweep sees the rest. */
	if (err && err != -EINTR)
		__atomic_store_n(&round->error, err, __ATOMIC_RELAXED);
}

/* --- one sweep after the other: control thread --- */

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

	cutting.wanted = false;
	cutting.idle++;
	if (!compiled)
		return;
	round = round_new(compiled);
	if (!round) {
		again_soon();
		return;
	}
	cutting.began = round->began;
	dealing_start(&cutting.dealing, &round->deal);
}

static void proceed(void)
{
	if (dealing_is_busy(&cutting.dealing))
		return;
	if (cutting.wanted && loop_now(cutting.loop) >= cutting.due)
		sweep();
	else if (cutting.wanted)
		later(0);
	else if (cutting.idle < SWEEPS_IDLE)
		again_soon();
}

static void freed(struct dealing *unused, bool missed)
{
	uint64_t now = loop_now(cutting.loop);

	(void)unused;
	if (!dealing_is_busy(&cutting.dealing))
		cutting.due = now + PAUSE * (now - cutting.began);
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
	if (hurry)
		cutting.due = 0;
	cutting.idle = 0;
	cutting.delay = AGAIN_MS;
	cutting.wanted = true;
	proceed();
}

void packet_cutting_exit(void)
{
	dealing_exit(&cutting.dealing);
	loop_timer_clear(cutting.loop, &cutting.again);
}
