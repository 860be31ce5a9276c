/* SPDX-License-Identifier: MIT */
/* policy_uses.h - which dynamic sets hold a container of some name or label */
#ifndef POLICY_USES_H
#define POLICY_USES_H

#include <stdint.h>

#include "policy_compile.h"

/* Fills @compiled->uses, when its domains are there. 0, -ENOMEM, or -E2BIG: more than CLASSIFIER_RANGES_MAX */
int policy_uses_make(struct policy_compiled *compiled);

/* The first of those uses that are of this container's name (@value: NULL) or label, and their
 * number */
const struct policy_use *policy_uses_find(const struct policy_compiled *compiled, uint32_t vni,
					  const char *name, const char *value, uint32_t *num);

#endif
