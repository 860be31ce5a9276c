/* SPDX-License-Identifier: MIT */
/*
 * enforcer_packet.c - a policy on the packet path: nftables follows what is in force
 *
 * Theory of operation: what packets are asked depends on the policy, on who is called how and on
 * the containers here. Whenever one of these changes, all of it is made again from what is in force then,
 * in a thread of its own, as nftables takes a second for a hundred thousand rules; changes that come
 * meanwhile are taken up in one go after that. A load keeps attaches waiting and takes a core, and peers can
 * make changes; so there is a pause after each, twice as long as it took. But that of another policy, or of a
 * container whose port lets nothing through until then, comes at once.
 */
#include "enforcer_packet.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "aside.h"
#include "container.h"
#include "enforcer.h"
#include "log.h"
#include "packet_cutting.h"
#include "packet_denials.h"
#include "packet_rules.h"
#include "packetpath.h"
#include "peer.h"
#include "policy_force.h"

#define AGAIN_MS	200
#define AGAIN_MAX_MS	10000
#define FOLLOW_NICE	5
#define EARLY_MS	5000	/* in which peers may have to tell yet who they have */
#define PAUSE		2	/* after a load, times what it took */
#define PAUSE_MAX_MS	10000
#define BURST_MS	10000	/* so much of loads and their pauses is not waited for */

static struct {
	struct loop *loop;
	struct aside aside;
	struct loop_timer again;
	bool begun;			/* all containers of an earlier router are there */
	bool running, wanted;
	bool behind;			/* what is in force is not loaded yet */
	bool revoked;			/* there is another policy */
	bool urgent;			/* ... or a port is held */
	bool loaded;			/* there may be a table */
	unsigned int delay;
	uint64_t began, due;		/* ms: the last one; the next one, unless it is urgent */
	uint64_t paid;			/* ms: until then loads have had their time, with pauses */
	uint64_t early_until;		/* 0: there is nothing to keep */
	struct policy_compiled *compiled;	/* what is being loaded, the thread's; NULL: no policy */
	bool empty;			/* ... that was so the last time */
	struct packet_rules_port *ports;
	size_t ports_num;
	int result;
	char error[512];
	char failure[512];		/* of the last one; "": it has succeeded */
} follow;

static void run(struct aside *unused)
{
	(void)unused;
	/* Whoever sets connections up, or ends those that are denied, comes first. */
	setpriority(PRIO_PROCESS, (id_t)gettid(), FOLLOW_NICE);
	follow.result = packet_rules_load(follow.compiled, follow.ports, follow.ports_num,
					  follow.error, sizeof(follow.error));
	follow.empty = !follow.compiled;
	policy_compiled_put(follow.compiled);
}

/* --- in the control thread --- */

static int snapshot(void)
{
	struct container *container;

	free(follow.ports);
	follow.ports_num = 0;
	follow.ports = calloc(containers_num + 1, sizeof(*follow.ports));
	if (!follow.ports)
		return -ENOMEM;
	cds_list_for_each_entry(container, &containers, node) {
		struct packet_rules_port *port = &follow.ports[follow.ports_num++];

		port->vni = container->vni;
		memcpy(port->ifname, container->port.host_ifname, sizeof(port->ifname));
		memcpy(port->addresses, container->addresses, sizeof(port->addresses));
		port->addresses_num = container->addresses_num;
	}
	return 0;
}

static void say(const char *failure)
{
	static struct log_limit limit = { .burst = 1 };

	snprintf(follow.failure, sizeof(follow.failure), "%s", failure);
	if (log_limit_ok(&limit))
		log_warning("the packet path does not follow the policy, and goes by what was loaded "
			    "last: %s", failure);
}

static void later(void)
{
	loop_timer_set(follow.loop, &follow.again, follow.delay);
	if (follow.delay < AGAIN_MAX_MS)
		follow.delay *= 2;
}

static void succeeded(void)
{
	follow.failure[0] = '\0';
	follow.delay = AGAIN_MS;
	follow.loaded = !follow.empty;
	follow.behind = follow.wanted;
	packet_cutting_start(false);
}

/* One change, or a few, are loaded at once; where they do not end, loads have a third of the time. */
static void pay(uint64_t now)
{
	const uint64_t most = now + BURST_MS + PAUSE_MAX_MS;

	if (follow.paid < follow.began)
		follow.paid = follow.began;
	follow.paid += (1 + PAUSE) * (now - follow.began);
	if (follow.paid > most)
		follow.paid = most;
	follow.due = follow.paid > BURST_MS ? follow.paid - BURST_MS : 0;
}

static void done(struct aside *unused)
{
	uint64_t now = loop_now(follow.loop);

	(void)unused;
	follow.running = false;
	pay(now);
	if (!follow.result)
		succeeded();
	else
		say(follow.error);
	if (follow.wanted)
		enforcer_packet_follow();
	/* What is too large stays so until something changes. */
	else if (follow.result && follow.result != -E2BIG)
		later();
}

static void start(void)
{
	int err = snapshot();

	follow.wanted = false;
	follow.urgent = false;
	follow.began = loop_now(follow.loop);
	follow.aside.run = run;
	follow.aside.done = done;
	follow.compiled = policy_in_force_get();
	if (!err)
		err = aside_start(&follow.aside);
	if (!err) {
		follow.running = true;
		follow.loaded = true;
		return;
	}
	policy_compiled_put(follow.compiled);
	say(strerror(-err));
	later();
}

/* Names are not known yet, which an earlier router's rules know. */
static bool is_early(void)
{
	const struct policy_compiled *compiled = policy_in_force();

	return compiled && compiled->uses_num && loop_now(follow.loop) < follow.early_until &&
	       !peers_are_complete();
}

/* Does the policy in force speak of the tenant, or may one that is not known? */
static bool judges(uint32_t vni)
{
	const struct policy_compiled *compiled = policy_in_force();

	return policy_is_closed() || (compiled && policy_domain_find(compiled, vni, vni, vni));
}

void enforcer_packet_follow(void)
{
	uint64_t now = loop_now(follow.loop);

	if (!follow.begun || policy_is_closed() || (!policy_in_force() && !follow.loaded))
		return;
	follow.behind = true;
	follow.wanted = true;
	if (is_early()) {
		loop_timer_set(follow.loop, &follow.again, EARLY_MS);
		return;
	}
	packet_cutting_start(follow.revoked);
	follow.urgent |= follow.revoked;
	follow.revoked = false;
	if (follow.running)
		return;
	if (follow.urgent || now >= follow.due)
		start();
	else
		loop_timer_set(follow.loop, &follow.again, (unsigned int)(follow.due - now));
}

void enforcer_packet_attached(uint32_t vni)
{
	follow.urgent |= judges(vni);
	enforcer_packet_follow();
}

bool enforcer_packet_is_current(void)
{
	return !follow.behind;
}

const char *enforcer_packet_failure(void)
{
	return follow.behind && follow.failure[0] ? follow.failure : NULL;
}

void enforcer_packet_begin(void)
{
	follow.begun = true;
	if (containers_num)
		follow.early_until = loop_now(follow.loop) + EARLY_MS;
	enforcer_packet_follow();
}

static void again_handle(struct loop_timer *unused)
{
	(void)unused;
	enforcer_packet_follow();
}

void enforcer_packet_init(struct loop *control)
{
	follow.loop = control;
	follow.again.handle = again_handle;
	follow.behind = true;
	follow.delay = AGAIN_MS;
	/* An earlier router's */
	follow.loaded = true;
	packetpath_set_judged(judges);
	packet_cutting_init(control);
	packet_denials_init(control);
}

void enforcer_packet_exit(void)
{
	packetpath_set_judged(NULL);
	packet_cutting_exit();
	packet_denials_exit();
	loop_timer_clear(follow.loop, &follow.again);
	if (!follow.running)
		free(follow.ports);
}

static void revoke_denied(void)
{
	follow.revoked = true;
	enforcer_packet_follow();
}

/* It follows when the policy is in force. */
const struct enforcer enforcer_packet = {
	.revoke = revoke_denied,
};
