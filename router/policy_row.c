/* SPDX-License-Identifier: MIT */
/* policy_row.c - what rules decide of each service, where their addresses match */
#include "policy_row.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../core/classifier.h"

#define MOVED_A_STEP	64	/* stretches that are moved in the time of a step */

/* The first stretch that does not end before @service */
static uint32_t find(const struct policy_row *row, uint32_t service)
{
	uint32_t low = 0, high = row->num;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (row->stretches[middle].last < service)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int insert(struct policy_row *row, uint32_t at, const struct policy_stretch *stretch)
{
	uint32_t more = row->max ? row->max * 2 : 16;
	struct policy_stretch *bigger;

	if (row->num == row->max) {
		bigger = reallocarray(row->stretches, more, sizeof(*bigger));
		if (!bigger)
			return -ENOMEM;
		row->stretches = bigger;
		row->max = more;
	}
	memmove(row->stretches + at + 1, row->stretches + at,
		(row->num - at) * sizeof(*row->stretches));
	row->work += (row->num - at) / MOVED_A_STEP;
	row->stretches[at] = *stretch;
	row->num++;
	row->covered += stretch->last - stretch->first + 1ull;
	return 0;
}

static int paint(struct policy_row *row, uint32_t first, uint32_t last, enum policy_action action)
{
	uint32_t at = find(row, first);
	int err = 0;

	while (!err && first <= last) {
		struct policy_stretch stretch = { first, last, action };

		row->work++;
		if (at < row->num && row->stretches[at].first <= first) {
			if (row->stretches[at].last >= last)
				return 0;
			first = row->stretches[at++].last + 1;
			continue;
		}
		if (at < row->num && row->stretches[at].first <= last)
			stretch.last = row->stretches[at].first - 1;
		err = insert(row, at++, &stretch);
		first = stretch.last + 1;
	}
	return err;
}

int policy_row_paint(struct policy_row *row, const struct policy *policy,
		     const struct policy_rule *rule)
{
	static const uint32_t protocols[POLICY_PROTOCOL_NUM] = {
		[POLICY_PROTOCOL_TCP] = CLASSIFIER_TCP,
		[POLICY_PROTOCOL_UDP] = CLASSIFIER_UDP,
		[POLICY_PROTOCOL_ICMP] = CLASSIFIER_ICMP,
	};
	uint32_t protocol = protocols[rule->protocol];
	int err = 0;

	if (rule->protocol == POLICY_PROTOCOL_ANY)
		return paint(row, 0, CLASSIFIER_SERVICE_MAX, rule->action);
	if (!rule->ports_num)
		return paint(row, CLASSIFIER_SERVICE(protocol, 0),
			     CLASSIFIER_SERVICE(protocol, 0xffff), rule->action);
	for (uint32_t i = 0; i < rule->ports_num && !err; i++) {
		const struct policy_ports *ports = &policy->ports[rule->ports + i];

		err = paint(row, CLASSIFIER_SERVICE(protocol, ports->first),
			    CLASSIFIER_SERVICE(protocol, ports->last), rule->action);
	}
	return err;
}

bool policy_row_is_full(const struct policy_row *row)
{
	return row->covered > CLASSIFIER_SERVICE_MAX;
}

void policy_row_clear(struct policy_row *row)
{
	row->num = 0;
	row->covered = 0;
}

void policy_row_free(struct policy_row *row)
{
	free(row->stretches);
	*row = (struct policy_row){ 0 };
}
