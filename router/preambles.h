/* SPDX-License-Identifier: MIT */
/*
 * preambles.h - connections whose preambles have not all come
 *
 * Nobody knows yet what they are. Where there are too many, the oldest from where most of them
 * come goes: whoever opens many displaces his own. They are their worker's alone.
 */
#ifndef PREAMBLES_H
#define PREAMBLES_H

#include <urcu/list.h>

#include "../include/slim/endpoint.h"

#define PREAMBLES_MAX		1024
#define PREAMBLES_ORIGINS	256

/**
 * struct preambles - a worker's
 * @list:	of struct preambles_entry, the oldest first
 * @from:	how many, by a hash of where they come from
 */
struct preambles {
	struct cds_list_head list;
	unsigned int num;
	unsigned int from[PREAMBLES_ORIGINS];
};

/* Embedded in a connection */
struct preambles_entry {
	struct cds_list_head node;
	unsigned int origin;
};

void preambles_init(struct preambles *preambles);

/* @host_peer: where it comes from */
void preambles_add(struct preambles *preambles, struct preambles_entry *entry,
		   const struct slim_endpoint *host_peer);
void preambles_remove(struct preambles *preambles, struct preambles_entry *entry);

/* Who must go before another one is added; NULL: there is room. */
struct preambles_entry *preambles_victim(const struct preambles *preambles);

#endif
