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

const struct policy_crossing *policy_crossing_from(const struct policy_compiled *compiled, uint32_t vni,
						   uint32_t *num)
{
	uint32_t low = 0, high = compiled->crossings_num;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (compiled->crossings[middle].from < vni)
			low = middle + 1;
		else
			high = middle;
	}
	*num = 0;
	while (low + *num < compiled->crossings_num && compiled->crossings[low + *num].from == vni)
		++*num;
	return compiled->crossings + low;
}

void policy_crossing_each(uint32_t vni, void (*each)(const struct config_tenant *tenant, void *data),
			  void *data)
{
	const struct policy_compiled *compiled = policy_in_force();
	const struct policy_crossing *crossings;
	uint32_t num;

	if (!compiled)
		return;
	crossings = policy_crossing_from(compiled, vni, &num);
	for (uint32_t i = 0; i < num; i++)
		each(crossings[i].to, data);
}

uint32_t policy_crossing_stamp(void)
{
	const struct policy_compiled *compiled = policy_in_force();

	return compiled ? compiled->crossing_stamp : 0;
}
