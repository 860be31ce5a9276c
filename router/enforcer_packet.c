/* SPDX-License-Identifier: MIT */
/*
 * enforcer_packet.c - a policy on the packet path: nftables follows what is in force
 *
 * Theory of operation: what packets are asked depends on the policy, on who is called how and on
 * the containers here. Whenever one of these changes, all of it is made again from what is in force then,
 * in a thread of its own, as nftables takes a second for a hundred thousand rules; changes that come
 * meanwhile are taken up in one go after that.
 */
#include "enforcer_packet.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <urcu.h>

#include "aside.h"
#include "container.h"
#include "enforcer.h"
#include "log.h"
#include "packet_cutting.h"
#include "packet_denials.h"
#include "packetpath.h"
#include "packetpath_tenant.h"
#include "peer.h"
#include "policy_force.h"
#include "ruleset_policy.h"

#define AGAIN_MS	200
#define AGAIN_MAX_MS	10000
#define FOLLOW_NICE	5
#define EARLY_MS	5000	/* in which peers may have to tell yet who they have */

/* A container here, as it was when the work began */
struct port {
	uint32_t vni;
	char ifname[IFNAMSIZ];
	struct in6_addr addresses[PACKETPATH_ADDRESSES];
	size_t addresses_num;
};

/* A tenant's part of the work; @ruleset borrows from the rest */
struct part {
	struct ruleset_policy_tenant ruleset;
	struct policy_profiles profiles;
	struct in6_addr *addresses;
	const char **ports;
	char vxlan[IFNAMSIZ];
};

static struct {
	struct loop *loop;
	struct aside aside;
	struct loop_timer again;
	bool begun;			/* all containers of an earlier router are there */
	bool running, wanted;
	bool behind;			/* what is in force is not loaded yet */
	bool revoked;			/* there is another policy */
	bool loaded;			/* there may be a table */
	bool empty;			/* what was run last: there is none */
	unsigned int delay;
	uint64_t early_until;		/* 0: there is nothing to keep */
	struct port *ports;
	size_t ports_num;
	int result;
	char error[512];
} follow;

/* --- aside --- */

static int compare_addresses(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct in6_addr));
}

static int take_ports(struct part *part, uint32_t vni)
{
	struct ruleset_policy_tenant *ruleset = &part->ruleset;

	part->addresses = calloc(follow.ports_num * PACKETPATH_ADDRESSES + 1,
				 sizeof(*part->addresses));
	part->ports = calloc(follow.ports_num + 1, sizeof(*part->ports));
	if (!part->addresses || !part->ports)
		return -ENOMEM;
	for (size_t i = 0; i < follow.ports_num; i++) {
		const struct port *port = &follow.ports[i];

		if (port->vni != vni)
			continue;
		part->ports[ruleset->ports_num++] = port->ifname;
		memcpy(part->addresses + ruleset->addresses_num, port->addresses,
		       port->addresses_num * sizeof(*port->addresses));
		ruleset->addresses_num += port->addresses_num;
	}
	qsort(part->addresses, ruleset->addresses_num, sizeof(*part->addresses),
	      compare_addresses);
	snprintf(part->vxlan, sizeof(part->vxlan), PACKETPATH_VXLAN_PREFIX "%06x", vni);
	ruleset->vni = vni;
	ruleset->addresses = part->addresses;
	ruleset->ports = part->ports;
	ruleset->vxlan = part->vxlan;
	ruleset->profiles = &part->profiles;
	return 0;
}

/* All parts; @num: those that have containers here */
struct parts {
	const struct policy_compiled *compiled;
	struct part *parts;
	size_t num;
};

static int make_part(struct parts *parts, const struct policy_domain *domain,
		     const struct classifier_set *dynamic)
{
	struct part *part = &parts->parts[parts->num];
	int err = 0;

	if (domain->source != domain->destination)
		return 0;
	parts->num++;
	err = take_ports(part, domain->owner);
	part->ruleset.action = domain->action;
	if (!err && part->ruleset.ports_num)
		err = policy_profiles_build(&part->profiles, parts->compiled, domain, dynamic,
					    part->addresses, part->ruleset.addresses_num);
	return err;
}

static int make_dynamic(uint32_t domain, const struct classifier_set *sets, void *data)
{
	struct parts *parts = data;

	return make_part(parts, &parts->compiled->domains[domain], sets);
}

static int make_parts(struct parts *parts)
{
	int err = 0;

	parts->parts = calloc(parts->compiled->domains_num + 1u, sizeof(*parts->parts));
	if (!parts->parts)
		return -ENOMEM;
	for (uint32_t i = 0; i < parts->compiled->domains_num && !err; i++)
		if (!parts->compiled->domains[i].dynamic_num)
			err = make_part(parts, &parts->compiled->domains[i], NULL);
	return err ? err : policy_members_each(parts->compiled, make_dynamic, parts);
}

static int load(const struct parts *parts)
{
	struct ruleset_policy_tenant *tenants = calloc(parts->num + 1, sizeof(*tenants));
	size_t num = 0;
	int err = -ENOMEM;

	for (size_t i = 0; i < parts->num && tenants; i++)
		if (parts->parts[i].ruleset.ports_num)
			tenants[num++] = parts->parts[i].ruleset;
	if (tenants)
		err = ruleset_policy_load(tenants, num, follow.error, sizeof(follow.error));
	free(tenants);
	return err;
}

static void free_parts(struct parts *parts)
{
	for (size_t i = 0; i < parts->num; i++) {
		policy_profiles_free(&parts->parts[i].profiles);
		free(parts->parts[i].addresses);
		free(parts->parts[i].ports);
	}
	free(parts->parts);
}

static void run(struct aside *unused)
{
	struct parts parts = { 0 };

	(void)unused;
	/* Whoever sets connections up, or ends those that are denied, comes first. */
	setpriority(PRIO_PROCESS, (id_t)gettid(), FOLLOW_NICE);
	follow.error[0] = '\0';
	follow.result = 0;
	rcu_read_lock();
	parts.compiled = policy_in_force();
	if (parts.compiled)
		follow.result = make_parts(&parts);
	rcu_read_unlock();
	if (!follow.result)
		follow.result = load(&parts);
	follow.empty = !parts.compiled;
	free_parts(&parts);
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
		struct port *port = &follow.ports[follow.ports_num++];

		port->vni = container->vni;
		memcpy(port->ifname, container->port.host_ifname, sizeof(port->ifname));
		memcpy(port->addresses, container->addresses, sizeof(port->addresses));
		port->addresses_num = container->addresses_num;
	}
	return 0;
}

static void later(int err)
{
	static struct log_limit limit = { .burst = 1 };

	if (log_limit_ok(&limit))
		log_warning("the packet path does not follow the policy: %s; trying again",
			    follow.error[0] ? follow.error : strerror(-err));
	loop_timer_set(follow.loop, &follow.again, follow.delay);
	if (follow.delay < AGAIN_MAX_MS)
		follow.delay *= 2;
}

static void done(struct aside *unused)
{
	(void)unused;
	follow.running = false;
	if (!follow.result) {
		follow.delay = AGAIN_MS;
		follow.loaded = !follow.empty;
		follow.behind = follow.wanted;
		packet_cutting_start(false);
	}
	if (follow.wanted)
		enforcer_packet_follow();
	else if (follow.result)
		later(follow.result);
}

/* Names are not known yet, which an earlier router's rules know. */
static bool is_early(void)
{
	const struct policy_compiled *compiled = policy_in_force();

	return compiled && compiled->uses_num && loop_now(follow.loop) < follow.early_until &&
	       !peers_are_complete();
}

void enforcer_packet_follow(void)
{
	int err;

	if (!follow.begun || policy_is_closed() || (!policy_in_force() && !follow.loaded))
		return;
	follow.behind = true;
	if (is_early()) {
		loop_timer_set(follow.loop, &follow.again, EARLY_MS);
		return;
	}
	packet_cutting_start(follow.revoked);
	follow.revoked = false;
	follow.wanted = true;
	if (follow.running)
		return;
	follow.wanted = false;
	follow.aside.run = run;
	follow.aside.done = done;
	err = snapshot();
	if (!err)
		err = aside_start(&follow.aside);
	if (err) {
		later(err);
		return;
	}
	follow.running = true;
	follow.loaded = true;
}

bool enforcer_packet_is_current(void)
{
	return !follow.behind;
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

/* Does the policy in force speak of the tenant, or may one that is not known? */
static bool judges(uint32_t vni)
{
	const struct policy_compiled *compiled = policy_in_force();

	return policy_is_closed() || (compiled && policy_domain_find(compiled, vni, vni, vni));
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
	free(follow.ports);
	follow.ports = NULL;
}

/* It follows when the policy is in force, by revoke(). */
static int stage(struct policy_compiled *unused)
{
	(void)unused;
	return 0;
}

static int commit(void)
{
	return 0;
}

static void abort_stage(void)
{
}

static void revoke_denied(void)
{
	follow.revoked = true;
	enforcer_packet_follow();
}

const struct enforcer enforcer_packet = {
	.name = "packet path",
	.stage = stage,
	.commit = commit,
	.abort = abort_stage,
	.revoke = revoke_denied,
};
