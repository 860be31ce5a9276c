// SPDX-License-Identifier: GPL-2.0-only
/* host.c - a network namespace in which a router works */
#include "host.h"

#include <linux/capability.h>
#include <linux/netlink.h>
#include <linux/nsproxy.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <net/netns/generic.h>

#include "force.h"
#include "staged.h"

static unsigned int host_id __read_mostly;

static LIST_HEAD(hosts);
static DEFINE_MUTEX(hosts_lock);

struct host *host_of(const struct net *net)
{
	return net_generic(net, host_id);
}

bool host_may_seal(const struct net *net)
{
	return capable(CAP_NET_ADMIN) && net == current->nsproxy->net_ns &&
	       READ_ONCE(host_of(net)->known);
}

int host_own(struct host *host, u32 portid)
{
	int err = 0;

	mutex_lock(&hosts_lock);
	if (host->owner && host->owner != portid) {
		err = -EBUSY;
	} else {
		mutex_lock(&host->lock);
		host->owner = portid;
		mutex_unlock(&host->lock);
		if (!host->known)
			list_add(&host->node, &hosts);
		WRITE_ONCE(host->known, true);
	}
	mutex_unlock(&hosts_lock);
	return err;
}

int host_check_owner(const struct host *host, u32 portid)
{
	lockdep_assert_held(&host->lock);
	if (!host->owner)
		return -ESTALE;
	return host->owner == portid ? 0 : -EPERM;
}

struct tenant *host_tenant(struct host *host, u32 vni)
{
	struct tenant *tenant = xa_load(&host->tenants, vni), *first;

	if (tenant)
		return tenant;
	tenant = kzalloc(sizeof(*tenant), GFP_KERNEL_ACCOUNT);
	if (!tenant)
		return NULL;
	tenant->vni = vni;
	first = xa_cmpxchg(&host->tenants, vni, NULL, tenant, GFP_KERNEL_ACCOUNT);
	if (!first)
		return tenant;
	kfree(tenant);
	return xa_is_err(first) ? NULL : first;
}

/* --- owners that go --- */

static void host_disown(struct host *host)
{
	mutex_lock(&host->lock);
	host->owner = 0;
	staged_free(host->staged);
	host->staged = NULL;
	mutex_unlock(&host->lock);
}

static int netlink_notify(struct notifier_block *block, unsigned long event, void *data)
{
	const struct netlink_notify *notify = data;
	struct host *host;

	if (event != NETLINK_URELEASE || notify->protocol != NETLINK_GENERIC ||
	    !net_eq(notify->net, &init_net))
		return NOTIFY_DONE;
	mutex_lock(&hosts_lock);
	list_for_each_entry(host, &hosts, node) {
		/* Others do not wait for what an owner has under way. */
		if (host->owner == notify->portid)
			host_disown(host);
	}
	mutex_unlock(&hosts_lock);
	return NOTIFY_DONE;
}

static struct notifier_block notifier = { .notifier_call = netlink_notify };

/* --- namespaces --- */

static int __net_init host_init(struct net *net)
{
	struct host *host = host_of(net);

	host->net = net;
	INIT_LIST_HEAD(&host->node);
	mutex_init(&host->lock);
	xa_init(&host->tenants);
	return 0;
}

/* No socket of the namespace is left. */
static void __net_exit host_exit(struct net *net)
{
	struct host *host = host_of(net);
	struct tenant *tenant;
	unsigned long vni;

	mutex_lock(&hosts_lock);
	list_del(&host->node);
	mutex_unlock(&hosts_lock);
	staged_free(host->staged);
	force_free(rcu_dereference_protected(host->force, true));
	xa_for_each(&host->tenants, vni, tenant)
		kfree(tenant);
	xa_destroy(&host->tenants);
}

static struct pernet_operations net_ops = {
	.init = host_init,
	.exit = host_exit,
	.id = &host_id,
	.size = sizeof(struct host),
};

int hosts_init(void)
{
	int err = register_pernet_subsys(&net_ops);

	if (err)
		return err;
	err = netlink_register_notifier(&notifier);
	if (err)
		unregister_pernet_subsys(&net_ops);
	return err;
}

void hosts_exit(void)
{
	netlink_unregister_notifier(&notifier);
	unregister_pernet_subsys(&net_ops);
}
