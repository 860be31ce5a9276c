/* SPDX-License-Identifier: MIT */
/*
 * enforcer_rates.c - a policy's limits: HTB trees and the marks of packets follow what is in force
 *
 * Theory of operation: what is limited depends on the policy and on the containers here. Whenever one
 * of these changes, the classes are planned anew (shaping_plan.h), and every device over which
 * containers' traffic leaves gets a tree of them (shaping_tree.h): those of the peers' routes, those of
 * the default routes where there is egress, and loopback. Then packets are told their classes
 * (ruleset_rates.h). All that is done in a thread of its own. As long as there is a limit, routes are
 * looked at again every few seconds.
 *
 * What an earlier router has left holds until then, and is adopted class by class.
 */
#include "enforcer_rates.h"

#include <errno.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <urcu.h>

#include "aside.h"
#include "container.h"
#include "enforcer.h"
#include "link_request.h"
#include "link_route.h"
#include "log.h"
#include "policy_force.h"
#include "ruleset_rates.h"
#include "shaping_plan.h"
#include "shaping_tree.h"

#define DEVICES_MAX	64
#define LOOPBACK	1		/* its index in every namespace */
#define AGAIN_MS	200
#define AGAIN_MAX_MS	10000
#define LOOK_MS		5000		/* how often routes are looked at */

struct devices {
	int ifindexes[DEVICES_MAX];
	size_t num;
};

static struct {
	const struct config *config;
	struct loop *loop;
	struct aside aside;
	struct loop_timer again;
	bool begun;
	bool running, wanted;
	bool looking;			/* only for devices: there is nothing else new */
	bool loaded;			/* there may be trees and tables */
	unsigned int delay;
	struct shaping_plan plan;
	struct devices devices;		/* that have the tree */
	struct devices foreign;		/* that have a root of somebody else's, as was said */
	int result;
	char error[512];
	char failed[128];		/* the last device that could not have its tree, and why */
} follow;

/* --- aside: devices --- */

static bool has_device(const struct devices *devices, int ifindex)
{
	for (size_t i = 0; i < devices->num; i++)
		if (devices->ifindexes[i] == ifindex)
			return true;
	return false;
}

static void take_device(int ifindex, void *data)
{
	struct devices *devices = data;

	if (ifindex && !has_device(devices, ifindex) && devices->num < DEVICES_MAX)
		devices->ifindexes[devices->num++] = ifindex;
}

static void find_devices(struct nl_sock *sock, struct devices *devices)
{
	const struct config *config = follow.config;

	devices->num = 0;
	take_device(LOOPBACK, devices);
	for (size_t i = 0; i < config->peers_num; i++)
		for (size_t j = 0; j < config->peers[i].addresses_num; j++)
			take_device(link_route_device(sock, &config->peers[i].addresses[j]),
				    devices);
	if (config->egress != CONFIG_EGRESS_MASQUERADE)
		return;
	(void)link_route_defaults(sock, AF_INET, take_device, devices);
	(void)link_route_defaults(sock, AF_INET6, take_device, devices);
}

static void say_foreign(int ifindex)
{
	char name[IF_NAMESIZE];

	if (!if_indextoname((unsigned int)ifindex, name))
		return;
	log_warning("device %s has a queueing discipline that is not Slim's: the policy's limits are not "
		    "kept there (`tc qdisc del dev %s root` lets them be)", name, name);
}

/* --- aside --- */

static int set_tree(struct nl_sock *sock, int ifindex, struct devices *foreign)
{
	int err = shaping_tree_set(sock, ifindex, follow.plan.classes, follow.plan.classes_num);

	if (!err)
		take_device(ifindex, &follow.devices);
	if (err != -EEXIST)
		return err == -ENODEV ? 0 : err;
	if (!has_device(&follow.foreign, ifindex))
		say_foreign(ifindex);
	take_device(ifindex, foreign);
	return 0;
}

static void say_failed(int ifindex, int err)
{
	char name[IF_NAMESIZE];

	if (!if_indextoname((unsigned int)ifindex, name))
		snprintf(name, sizeof(name), "%d", ifindex);
	snprintf(follow.failed, sizeof(follow.failed), "device %s: %s", name, strerror(-err));
}

/* A device that cannot have one keeps what it has, and the others from nothing. */
static int set_trees(struct nl_sock *sock, const struct devices *devices)
{
	struct devices foreign = { .num = 0 }, kept = { .num = 0 };
	int error = 0, err;

	follow.devices.num = 0;
	for (size_t i = 0; i < devices->num; i++) {
		int ifindex = devices->ifindexes[i];

		err = set_tree(sock, ifindex, &foreign);
		if (err || has_device(&follow.devices, ifindex))
			take_device(ifindex, &kept);
		if (!err)
			continue;
		say_failed(ifindex, err);
		error = err;
	}
	follow.foreign = foreign;
	err = shaping_tree_sweep(sock, kept.ifindexes, kept.num);
	return error ? error : err;
}

static bool is_same(struct nl_sock *sock, const struct devices *devices)
{
	for (size_t i = 0; i < devices->num; i++)
		if (!has_device(&follow.devices, devices->ifindexes[i]) ||
		    !shaping_tree_is_there(sock, devices->ifindexes[i]))
			return false;
	return devices->num == follow.devices.num;
}

static int apply(struct nl_sock *sock)
{
	struct devices devices = { .num = 0 };
	int err = 0, error;

	if (follow.plan.classes_num)
		find_devices(sock, &devices);
	if (follow.looking && is_same(sock, &devices))
		return 0;
	error = set_trees(sock, &devices);
	if (!follow.looking)
		err = ruleset_rates_load(&follow.plan, follow.error, sizeof(follow.error));
	if (!err && error)
		snprintf(follow.error, sizeof(follow.error), "%s", follow.failed);
	return err ? err : error;
}

static void run(struct aside *unused)
{
	struct nl_sock *sock = link_socket();

	(void)unused;
	follow.error[0] = follow.failed[0] = '\0';
	follow.result = sock ? 0 : -errno;
	if (!follow.result && !follow.looking) {
		rcu_read_lock();
		follow.result = shaping_plan_make(&follow.plan, policy_in_force());
		rcu_read_unlock();
	}
	if (!follow.result)
		follow.result = apply(sock);
	nl_socket_free(sock);
}

/* --- in the control thread --- */

static int snapshot(void)
{
	struct container *container;

	shaping_plan_free(&follow.plan);
	follow.plan.ports = calloc(containers_num + 1, sizeof(*follow.plan.ports));
	if (!follow.plan.ports)
		return -ENOMEM;
	cds_list_for_each_entry(container, &containers, node) {
		struct shaping_port *port = &follow.plan.ports[follow.plan.ports_num++];

		port->id = container->id;
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
		log_warning("the policy's limits are not kept everywhere: %s; trying again",
			    follow.error[0] ? follow.error : strerror(-err));
	follow.wanted = true;
	loop_timer_set(follow.loop, &follow.again, follow.delay);
	if (follow.delay < AGAIN_MAX_MS)
		follow.delay *= 2;
}

static void start(bool looking);

static void done(struct aside *unused)
{
	(void)unused;
	follow.running = false;
	if (follow.result) {
		later(follow.result);
		return;
	}
	follow.delay = AGAIN_MS;
	follow.loaded = follow.plan.classes_num > 0;
	if (follow.wanted)
		start(false);
	else if (follow.loaded)
		loop_timer_set(follow.loop, &follow.again, LOOK_MS);
}

static void start(bool looking)
{
	int err = 0;

	follow.wanted = false;
	follow.looking = looking;
	follow.aside.run = run;
	follow.aside.done = done;
	if (!looking)
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

void enforcer_rates_follow(void)
{
	if (!follow.begun || (!policy_has_limits() && !follow.loaded))
		return;
	if (follow.running)
		follow.wanted = true;
	else
		start(false);
}

void enforcer_rates_begin(void)
{
	follow.begun = true;
	enforcer_rates_follow();
}

static void again_handle(struct loop_timer *unused)
{
	(void)unused;
	if (!follow.running)
		start(!follow.wanted);
}

void enforcer_rates_init(const struct config *config, struct loop *control)
{
	follow.config = config;
	follow.loop = control;
	follow.again.handle = again_handle;
	follow.delay = AGAIN_MS;
	/* An earlier router's */
	follow.loaded = true;
}

void enforcer_rates_exit(void)
{
	loop_timer_clear(follow.loop, &follow.again);
	if (!follow.running)
		shaping_plan_free(&follow.plan);
}

/* It follows when the policy is in force. */
const struct enforcer enforcer_rates = {
	.revoke = enforcer_rates_begin,
};
