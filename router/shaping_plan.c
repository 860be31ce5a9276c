/* SPDX-License-Identifier: MIT */
/* shaping_plan.c - which classes of traffic a policy's limits make of the containers here */
#include "shaping_plan.h"

#include <errno.h>
#include <stdlib.h>

#include "directory.h"
#include "policy_limit.h"

#define CONTAINERS_FIRST	1u

static int compare_ports(const void *a, const void *b)
{
	const struct shaping_port *first = a, *second = b;

	if (first->vni != second->vni)
		return first->vni < second->vni ? -1 : 1;
	return first->id < second->id ? -1 : first->id > second->id;
}

static bool is_taken(const struct shaping_plan *plan, uint32_t minor)
{
	for (size_t i = 0; i < plan->classes_num; i++)
		if (plan->classes[i].minor == minor)
			return true;
	return false;
}

/* The first from @wish on that nobody has, or 0 */
static uint16_t take_minor(const struct shaping_plan *plan, uint32_t first, uint32_t end,
			   uint32_t wish)
{
	for (uint32_t i = 0; i < end - first; i++) {
		uint32_t minor = first + (wish + i) % (end - first);

		if (!is_taken(plan, minor))
			return (uint16_t)minor;
	}
	return 0;
}

static uint16_t add_class(struct shaping_plan *plan, uint16_t minor, uint16_t parent,
			  uint64_t rate, bool shared)
{
	if (minor)
		plan->classes[plan->classes_num++] = (struct shaping_class){
			minor, parent, rate, shared,
		};
	return minor;
}

static uint64_t rate_of(const struct policy_compiled *compiled, const struct shaping_port *port)
{
	const struct tags *tags = port->addresses_num ?
				  directory_tags(port->vni, &port->addresses[0]) : NULL;

	return policy_limit_container(compiled, port->vni, port->addresses, port->addresses_num,
				      tags);
}

/* @tenant: its class, or 0; made with the first container that needs it */
static int plan_port(struct shaping_plan *plan, const struct policy_compiled *compiled,
		     struct shaping_port *port, uint16_t *tenant)
{
	uint64_t all = policy_limit_tenant(compiled, port->vni);
	uint64_t own = rate_of(compiled, port);

	if (!all && !own)
		return 0;
	if (!*tenant)
		*tenant = add_class(plan, take_minor(plan, SHAPING_TENANTS_FIRST,
						     SHAPING_CLASSES_END, port->vni), 0, all, false);
	if (!*tenant)
		return -EXFULL;
	if (!own || (all && all < own))
		own = all;
	port->minor = add_class(plan, take_minor(plan, CONTAINERS_FIRST, SHAPING_TENANTS_FIRST,
						 port->id), *tenant, own, all > 0);
	return port->minor ? 0 : -EXFULL;
}

int shaping_plan_make(struct shaping_plan *plan, const struct policy_compiled *compiled)
{
	uint16_t tenant = 0;
	int err = 0;

	if (!compiled || !compiled->policy->limits_num || !plan->ports_num)
		return 0;
	plan->classes = calloc(2 * plan->ports_num, sizeof(*plan->classes));
	if (!plan->classes)
		return -ENOMEM;
	qsort(plan->ports, plan->ports_num, sizeof(*plan->ports), compare_ports);
	for (size_t i = 0; i < plan->ports_num && !err; i++) {
		if (i && plan->ports[i].vni != plan->ports[i - 1].vni)
			tenant = 0;
		err = plan_port(plan, compiled, &plan->ports[i], &tenant);
	}
	return err;
}

void shaping_plan_free(struct shaping_plan *plan)
{
	free(plan->ports);
	free(plan->classes);
	*plan = (struct shaping_plan){ 0 };
}
