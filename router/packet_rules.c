/* SPDX-License-Identifier: MIT */
/* packet_rules.c - a policy and the containers here become nftables' rules */
#include "packet_rules.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "packetpath_tenant.h"
#include "policy_crossing.h"
#include "policy_members.h"
#include "policy_profile.h"
#include "ruleset_policy.h"

/* A tenant that has containers here; @ruleset borrows from the rest */
struct part {
	struct ruleset_policy_tenant ruleset;
	struct policy_profiles profiles;
	struct in6_addr *addresses;
	const char **ports;
	char vxlan[IFNAMSIZ];
};

struct work {
	const struct policy_compiled *compiled;
	const struct packet_rules_port *ports;
	size_t ports_num;
	struct policy_profile_budget budget;
	struct part *parts;
	size_t num;
};

static int compare_addresses(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct in6_addr));
}

static size_t count_ports(const struct work *work, uint32_t vni)
{
	size_t num = 0;

	for (size_t i = 0; i < work->ports_num; i++)
		num += work->ports[i].vni == vni;
	return num;
}

static int take_ports(const struct work *work, struct part *part, uint32_t vni, size_t num)
{
	struct ruleset_policy_tenant *ruleset = &part->ruleset;

	part->addresses = calloc(num * PACKETPATH_ADDRESSES, sizeof(*part->addresses));
	part->ports = calloc(num, sizeof(*part->ports));
	if (!part->addresses || !part->ports)
		return -ENOMEM;
	for (size_t i = 0; i < work->ports_num; i++) {
		const struct packet_rules_port *port = &work->ports[i];

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

static int make_part(struct work *work, const struct policy_domain *domain,
		     const struct classifier_set *dynamic)
{
	size_t num = count_ports(work, domain->owner);
	struct part *part;
	int err;

	if (domain->source != domain->destination || !num)
		return 0;
	part = &work->parts[work->num++];
	part->ruleset.action = domain->action;
	part->ruleset.crossings = policy_crossing_from(work->compiled, domain->owner,
						       &part->ruleset.crossings_num);
	err = take_ports(work, part, domain->owner, num);
	if (!err)
		err = policy_profiles_build(&part->profiles, work->compiled, domain, dynamic,
					    part->addresses, part->ruleset.addresses_num,
					    &work->budget);
	return err;
}

static int make_dynamic(uint32_t domain, const struct classifier_set *sets, void *data)
{
	struct work *work = data;

	return make_part(work, &work->compiled->domains[domain], sets);
}

static int make_parts(struct work *work)
{
	const struct policy_compiled *compiled = work->compiled;
	int err = 0;

	work->parts = calloc(compiled->domains_num + 1u, sizeof(*work->parts));
	if (!work->parts)
		return -ENOMEM;
	for (uint32_t i = 0; i < compiled->domains_num && !err; i++)
		if (!compiled->domains[i].dynamic_num)
			err = make_part(work, &compiled->domains[i], NULL);
	return err ? err : policy_members_each(compiled, make_dynamic, work);
}

static int load(const struct work *work, char *error, size_t size)
{
	struct ruleset_policy_tenant *tenants = calloc(work->num + 1, sizeof(*tenants));
	int err = -ENOMEM;

	for (size_t i = 0; i < work->num && tenants; i++)
		tenants[i] = work->parts[i].ruleset;
	if (tenants)
		err = ruleset_policy_load(tenants, work->num, error, size);
	free(tenants);
	return err;
}

static void free_parts(struct work *work)
{
	for (size_t i = 0; i < work->num; i++) {
		policy_profiles_free(&work->parts[i].profiles);
		free(work->parts[i].addresses);
		free(work->parts[i].ports);
	}
	free(work->parts);
}

int packet_rules_load(const struct policy_compiled *compiled,
		      const struct packet_rules_port *ports, size_t num, char *error, size_t size)
{
	struct work work = {
		.compiled = compiled, .ports = ports, .ports_num = num,
		.budget = POLICY_PROFILE_BUDGET,
	};
	int err = compiled ? make_parts(&work) : 0;

	*error = '\0';
	if (!err)
		err = load(&work, error, size);
	free_parts(&work);
	if (err == -E2BIG)
		snprintf(error, size, "for the containers here the policy comes to more than %u sets of "
			 "addresses and ports, or its rules overlap too much; fewer or simpler rules, or "
			 "containers that the same rules are about, are needed",
			 POLICY_PROFILE_BUDGET.boxes);
	else if (err && !*error)
		snprintf(error, size, "%s", strerror(-err));
	return err;
}
