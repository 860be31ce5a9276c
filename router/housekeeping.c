/* SPDX-License-Identifier: MIT */
/*
 * housekeeping.c - the ledger's sweep, now and then
 *
 * Each second while connections come and go; ever less often while nothing is set
 * up, since a sweep looks at every TCP socket of the host, but within a second when something is.
 */
#include "housekeeping.h"

#include <errno.h>
#include <string.h>

#include "aside.h"
#include "counters.h"
#include "diag.h"
#include "ledger.h"
#include "log.h"
#include "peer.h"
#include "quota.h"

#define SWEEP_MS	1000
#define SWEEP_SOON_MS	200
#define SWEEP_MAX_MS	16000

static struct loop *loop;
static struct loop_timer timer;
static struct diag *diag;
static unsigned int delay = SWEEP_MS;
static uint64_t set_up;
static unsigned int wanted;	/* ms: the next sweep, after the one that runs; 0: no hurry */
static bool stopped;
static bool resting;		/* atomic: the next sweep is more than a second off */
static bool called, hurried;	/* atomic: that task is on its way */

/* @before: so many connections there were when it @began (ms) */
static struct {
	struct aside aside;
	bool runs;
	int err;
	unsigned long before;
	uint64_t began;
} look;

/* All slim ports that this host and its peers have or had, since old connections stay where
 * they are: the kernel picks the sockets out for us by them. */
static uint16_t port_first, port_last;

static void widen(const struct peer_info *peer, void *data)
{
	(void)data;
	if (!port_first || peer->port_first < port_first)
		port_first = peer->port_first;
	if (peer->port_last > port_last)
		port_last = peer->port_last;
}

/* @changes: some were found to be over, or may be; or it is not known */
static void end(bool changes)
{
	uint64_t now_set_up = __atomic_load_n(&counters.connects_slim, __ATOMIC_RELAXED) +
			      __atomic_load_n(&counters.tickets, __ATOMIC_RELAXED);
	unsigned int ms;

	if (now_set_up != set_up || changes)
		delay = SWEEP_MS;
	else if (delay < SWEEP_MAX_MS)
		delay *= 2;
	quota_sweep(loop_now(loop));
	set_up = now_set_up;
	ms = wanted && wanted < delay ? wanted : delay;
	wanted = 0;
	__atomic_store_n(&resting, ms > SWEEP_MS, __ATOMIC_RELAXED);
	loop_timer_set(loop, &timer, ms);
}

/* It takes too long for the control thread, which others wait for. */
static void look_run(struct aside *unused)
{
	(void)unused;
	look.err = ledger_look(diag, port_first, port_last);
}

static void look_done(struct aside *unused)
{
	bool changes = look.err;

	(void)unused;
	look.runs = false;
	if (stopped) {
		diag_close(diag);
		return;
	}
	if (!look.err)
		changes = ledger_sweep(look.began) || ledger_count() != look.before;
	peers_settle();
	end(changes);
}

static void sweep(struct loop_timer *unused)
{
	(void)unused;
	look.before = ledger_count();
	if (!look.before) {
		end(false);
		return;
	}
	peers_each(widen, NULL);
	look.began = loop_now(loop);
	look.aside.run = look_run;
	look.aside.done = look_done;
	look.runs = !aside_start(&look.aside);
	if (!look.runs)
		end(true);
}

static void bring_forward(unsigned int ms)
{
	if (look.runs)
		wanted = wanted && wanted < ms ? wanted : ms;
	else if (timer.expires > loop_now(loop) + ms)
		loop_timer_set(loop, &timer, ms);
}

static void end_rest(struct loop_task *unused)
{
	(void)unused;
	__atomic_store_n(&resting, false, __ATOMIC_RELAXED);
	__atomic_store_n(&called, false, __ATOMIC_RELEASE);
	bring_forward(SWEEP_MS);
}

void housekeeping_set_up(void)
{
	static struct loop_task task = { .run = end_rest };

	if (__atomic_load_n(&resting, __ATOMIC_RELAXED) &&
	    !__atomic_exchange_n(&called, true, __ATOMIC_ACQ_REL))
		loop_post(loop, &task);
}

static void hurry(struct loop_task *unused)
{
	(void)unused;
	__atomic_store_n(&hurried, false, __ATOMIC_RELEASE);
	bring_forward(SWEEP_SOON_MS);
}

void housekeeping_hurry(void)
{
	static struct loop_task task = { .run = hurry };

	if (!__atomic_exchange_n(&hurried, true, __ATOMIC_ACQ_REL))
		loop_post(loop, &task);
}

int housekeeping_start(struct loop *control)
{
	loop = control;
	diag = diag_open(-1);
	if (!diag) {
		log_error("cannot open sock_diag: %s; the kernel needs CONFIG_INET_DIAG",
			  strerror(errno));
		return -errno;
	}
	stopped = false;
	timer.handle = sweep;
	loop_timer_set(loop, &timer, SWEEP_MS);
	return 0;
}

void housekeeping_stop(void)
{
	loop_timer_clear(loop, &timer);
	stopped = true;
	if (!look.runs)
		diag_close(diag);
}
