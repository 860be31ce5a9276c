/* SPDX-License-Identifier: MIT */
/* shaping_tree.c - a device's HTB tree, which keeps aggregate rates */
#include "shaping_tree.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <netlink/route/class.h>
#include <netlink/route/qdisc.h>
#include <netlink/route/qdisc/htb.h>
#include <stdlib.h>
#include <string.h>

#include "link.h"
#include "link_request.h"

#define KIND		"htb"
#define HANDLE		TC_H_MAKE(SHAPING_TREE_MAJOR << 16, 0)
#define RATE_ANY	(1ull << 40)	/* bytes a second: more than any device has */
#define RATE_SHARED	1000		/* ... of its own, of a class that borrows */
#define QUANTUM		65536		/* bytes by turns: as much as one packet can be */

/* What may come at once after a pause: what the rate makes in that part of a second, as timers are late */
#define BURST_PART	100
#define BURST_MIN	4096u
#define BURST_MAX	(1u << 30)

/* Around a full segment: Ethernet, IPv4 and TCP with time stamps */
#define HEADER_LINK	14
#define HEADER_TCP	52

/* --- the root --- */

/* Of another handle, or where nobody has chosen a root, the kernel knows nothing. */
bool shaping_tree_is_there(struct nl_sock *sock, int ifindex)
{
	struct tcmsg info = {
		.tcm_ifindex = ifindex, .tcm_parent = TC_H_ROOT, .tcm_handle = HANDLE,
	};

	return !link_request(sock, link_message(RTM_GETQDISC, 0, &info, sizeof(info)));
}

static int add_root(struct nl_sock *sock, int ifindex)
{
	struct rtnl_qdisc *qdisc = rtnl_qdisc_alloc();
	struct nl_msg *msg = NULL;
	int err = -ENOMEM;

	if (!qdisc)
		return err;
	rtnl_tc_set_ifindex(TC_CAST(qdisc), ifindex);
	rtnl_tc_set_parent(TC_CAST(qdisc), TC_H_ROOT);
	rtnl_tc_set_handle(TC_CAST(qdisc), HANDLE);
	if (!rtnl_tc_set_kind(TC_CAST(qdisc), KIND) &&
	    !rtnl_qdisc_build_add_request(qdisc, NLM_F_CREATE | NLM_F_EXCL, &msg))
		err = link_request(sock, msg);
	rtnl_qdisc_put(qdisc);
	return err == -EEXIST && shaping_tree_is_there(sock, ifindex) ? 0 : err;
}

static int remove_root(struct nl_sock *sock, int ifindex)
{
	struct tcmsg info = {
		.tcm_ifindex = ifindex, .tcm_parent = TC_H_ROOT, .tcm_handle = HANDLE,
	};

	return link_request(sock, link_message(RTM_DELQDISC, 0, &info, sizeof(info)));
}

/* --- classes --- */

static uint64_t on_the_wire(uint64_t rate, unsigned int mtu)
{
	if (mtu <= 2 * HEADER_TCP)
		return rate;
	return rate * (mtu + HEADER_LINK) / (mtu - HEADER_TCP);
}

static uint32_t burst(uint64_t rate)
{
	uint64_t bytes = rate / BURST_PART;

	return bytes < BURST_MIN ? BURST_MIN : bytes > BURST_MAX ? BURST_MAX : (uint32_t)bytes;
}

static void set_rates(struct rtnl_class *class, uint64_t rate, uint64_t ceil)
{
	rtnl_htb_set_rate64(class, rate);
	rtnl_htb_set_ceil64(class, ceil);
	rtnl_htb_set_rbuffer(class, burst(rate));
	rtnl_htb_set_cbuffer(class, burst(ceil));
	rtnl_htb_set_quantum(class, QUANTUM);
}

static int add_class(struct nl_sock *sock, int ifindex, unsigned int mtu,
		     const struct shaping_class *is)
{
	uint64_t ceil = is->rate ? on_the_wire(is->rate, mtu) : RATE_ANY;
	struct rtnl_class *class = rtnl_class_alloc();
	struct nl_msg *msg = NULL;
	int err = -ENOMEM;

	if (!class)
		return err;
	rtnl_tc_set_ifindex(TC_CAST(class), ifindex);
	rtnl_tc_set_mtu(TC_CAST(class), mtu);
	rtnl_tc_set_parent(TC_CAST(class), is->parent ? HANDLE | is->parent : HANDLE);
	rtnl_tc_set_handle(TC_CAST(class), HANDLE | is->minor);
	if (!rtnl_tc_set_kind(TC_CAST(class), KIND)) {
		set_rates(class, is->shared && ceil > RATE_SHARED ? RATE_SHARED : ceil, ceil);
		if (!rtnl_class_build_add_request(class, NLM_F_CREATE | NLM_F_REPLACE, &msg))
			err = link_request(sock, msg);
	}
	rtnl_class_put(class);
	return err;
}

static int remove_class(struct nl_sock *sock, int ifindex, uint16_t minor)
{
	struct tcmsg info = { .tcm_ifindex = ifindex, .tcm_handle = HANDLE | minor };

	return link_request(sock, link_message(RTM_DELTCLASS, 0, &info, sizeof(info)));
}

/* --- what is there and is no longer wanted --- */

struct found {
	struct shaping_class *classes;		/* numbers and parents alone */
	size_t num;
	int err;
};

static bool class_found(struct nlmsghdr *nlh, void *data)
{
	const struct tcmsg *info = nlmsg_data(nlh);
	struct shaping_class *grown;
	struct found *found = data;

	if (TC_H_MAJ(info->tcm_handle) != HANDLE)
		return true;
	grown = reallocarray(found->classes, found->num + 1, sizeof(*grown));
	if (!grown) {
		found->err = -ENOMEM;
		return true;
	}
	found->classes = grown;
	found->classes[found->num++] = (struct shaping_class){
		.minor = (uint16_t)TC_H_MIN(info->tcm_handle),
		.parent = info->tcm_parent == TC_H_ROOT ? 0 : (uint16_t)TC_H_MIN(info->tcm_parent),
	};
	return true;
}

static int compare_minors(const void *a, const void *b)
{
	const struct shaping_class *first = a, *second = b;

	return first->minor - second->minor;
}

/* In its place: the kernel moves none. */
static bool is_wanted(const struct shaping_class *class, const struct shaping_class *classes,
		      size_t num)
{
	for (size_t i = 0; i < num; i++)
		if (classes[i].minor == class->minor)
			return classes[i].parent == class->parent;
	return false;
}

/* Tenants' have the highest numbers: they go when they have none below them. */
static int remove_others(struct nl_sock *sock, int ifindex, const struct shaping_class *classes,
			 size_t num)
{
	struct tcmsg info = { .tcm_ifindex = ifindex };
	struct found found = { 0 };
	int err = link_query(sock, link_message(RTM_GETTCLASS, NLM_F_DUMP, &info, sizeof(info)),
			     class_found, &found);

	if (!err)
		err = found.err;
	if (found.num)
		qsort(found.classes, found.num, sizeof(*found.classes), compare_minors);
	for (size_t i = 0; i < found.num && !err; i++)
		if (!is_wanted(&found.classes[i], classes, num))
			err = remove_class(sock, ifindex, found.classes[i].minor);
	free(found.classes);
	return err;
}

int shaping_tree_set(struct nl_sock *sock, int ifindex, const struct shaping_class *classes,
		     size_t num)
{
	unsigned int mtu = link_mtu(sock, ifindex);
	int err = add_root(sock, ifindex);

	if (!err)
		err = remove_others(sock, ifindex, classes, num);
	for (size_t i = 0; i < num && !err; i++)
		err = add_class(sock, ifindex, mtu, &classes[i]);
	return err;
}

/* --- all devices --- */

struct roots {
	int *devices;
	size_t num;
	int err;
};

static bool is_ours(const struct tcmsg *info, struct nlmsghdr *nlh)
{
	struct nlattr *kind = nlmsg_find_attr(nlh, sizeof(*info), TCA_KIND);

	return info->tcm_parent == TC_H_ROOT && info->tcm_handle == HANDLE && kind &&
	       !nla_strcmp(kind, KIND);
}

static bool device_found(struct nlmsghdr *nlh, void *data)
{
	const struct tcmsg *info = nlmsg_data(nlh);
	struct roots *found = data;
	int *grown;

	if (!is_ours(info, nlh))
		return true;
	grown = reallocarray(found->devices, found->num + 1, sizeof(*grown));
	if (!grown) {
		found->err = -ENOMEM;
		return true;
	}
	found->devices = grown;
	found->devices[found->num++] = info->tcm_ifindex;
	return true;
}

static bool is_kept(int ifindex, const int *kept, size_t num)
{
	for (size_t i = 0; i < num; i++)
		if (kept[i] == ifindex)
			return true;
	return false;
}

int shaping_tree_sweep(struct nl_sock *sock, const int *kept, size_t num)
{
	struct tcmsg info = { 0 };
	struct roots found = { 0 };
	int err = link_query(sock, link_message(RTM_GETQDISC, NLM_F_DUMP, &info, sizeof(info)),
			     device_found, &found);

	if (!err)
		err = found.err;
	for (size_t i = 0; i < found.num && !err; i++)
		if (!is_kept(found.devices[i], kept, num))
			err = remove_root(sock, found.devices[i]);
	free(found.devices);
	return err;
}
