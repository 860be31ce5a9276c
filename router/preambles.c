/* SPDX-License-Identifier: MIT */
/* preambles.c - connections whose preambles have not all come */
#include "preambles.h"

#include <stddef.h>
#include <string.h>

#include "endpoint.h"

void preambles_init(struct preambles *preambles)
{
	memset(preambles, 0, sizeof(*preambles));
	CDS_INIT_LIST_HEAD(&preambles->list);
}

void preambles_add(struct preambles *preambles, struct preambles_entry *entry,
		   const struct slim_endpoint *host_peer)
{
	entry->origin = hash_bytes(host_peer->addr, sizeof(host_peer->addr), hash_seed()) %
			PREAMBLES_ORIGINS;
	cds_list_add_tail(&entry->node, &preambles->list);
	preambles->from[entry->origin]++;
	preambles->num++;
}

void preambles_remove(struct preambles *preambles, struct preambles_entry *entry)
{
	cds_list_del(&entry->node);
	preambles->from[entry->origin]--;
	preambles->num--;
}

struct preambles_entry *preambles_victim(const struct preambles *preambles)
{
	struct preambles_entry *entry;
	unsigned int most = 0;

	if (preambles->num < PREAMBLES_MAX)
		return NULL;
	for (unsigned int i = 1; i < PREAMBLES_ORIGINS; i++)
		if (preambles->from[i] > preambles->from[most])
			most = i;
	cds_list_for_each_entry(entry, &preambles->list, node)
		if (entry->origin == most)
			return entry;
	return NULL;
}
