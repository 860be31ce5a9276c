/* SPDX-License-Identifier: MIT */
/*
 * policy_row.h - what rules decide of each service, where their addresses match
 *
 * A row is painted with one rule after the other, the first one first; what is painted stays.
 */
#ifndef POLICY_ROW_H
#define POLICY_ROW_H

#include <stdbool.h>
#include <stdint.h>

#include "policy.h"

/* Services as CLASSIFIER_SERVICE; both ends belong to it. */
struct policy_stretch {
	uint32_t first, last;
	enum policy_action action;
};

/*
 * Zero-filled: nothing is decided.
 * @stretches:	in order, apart
 * @covered:	how many services they are
 * @work:	of painting so far, in steps of some nanoseconds; grows with what is there already
 */
struct policy_row {
	struct policy_stretch *stretches;
	uint32_t num, max;
	uint64_t covered;
	uint64_t work;
};

/* What of the rule's services is not decided yet, is decided so. 0 or -ENOMEM */
int policy_row_paint(struct policy_row *row, const struct policy *policy,
		     const struct policy_rule *rule);

/* Nothing is left to decide. */
bool policy_row_is_full(const struct policy_row *row);

/* Nothing is decided; what memory and @work there are, stay. */
void policy_row_clear(struct policy_row *row);
void policy_row_free(struct policy_row *row);

#endif
