/* SPDX-License-Identifier: MIT */
/* policy_crossing.c - connections from tenant to tenant: to which ones there may be any */
#include "policy_crossing.h"

#include "policy_force.h"

struct search {
	const struct in6_addr *addr;
	uint32_t vni;
};

static void look(const struct config_tenant *tenant, void *data)
{
	struct search *search = data;

	for (size_t i = 0; i < tenant->prefixes_num; i++)
		if (config_prefix_covers(&tenant->prefixes[i], search->addr))
			search->vni = tenant->vni;
}

uint32_t policy_crossing_to(uint32_t vni, const struct in6_addr *addr)
{
	struct search search = { addr, vni };

	policy_crossing_each(vni, look, &search);
	return search.vni;
}

/* The first of those from @vni, where there are any */
static uint32_t find(const struct policy_compiled *compiled, uint32_t vni)
{
	uint32_t low = 0, high = compiled->crossings_num;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (compiled->crossings[middle].from < vni)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

void policy_crossing_each(uint32_t vni, void (*each)(const struct config_tenant *tenant, void *data),
			  void *data)
{
	const struct policy_compiled *compiled = policy_in_force();

	if (!compiled)
		return;
	for (uint32_t i = find(compiled, vni); i < compiled->crossings_num; i++) {
		if (compiled->crossings[i].from != vni)
			break;
		each(compiled->crossings[i].to, data);
	}
}

uint32_t policy_crossing_stamp(void)
{
	const struct policy_compiled *compiled = policy_in_force();

	return compiled ? compiled->crossing_stamp : 0;
}
