/* SPDX-License-Identifier: MIT */
/*
 * policy_members.h - which addresses belong to the names and labels that a policy speaks of
 */
#ifndef POLICY_MEMBERS_H
#define POLICY_MEMBERS_H

#include "policy_compile.h"

/* One of each domain, NULL where that has no dynamic sets */
struct policy_members {
	uint32_t num;
	struct classifier_members *of[];
};

/*
 * Asks the directory, as it is now. Takes about a microsecond for each container and each of its
 * labels. *@members is to be freed with policy_members_free(). 0, -ENOMEM or -E2BIG. Any thread, in no
 * read section or in one.
 */
int policy_members_build(const struct policy_compiled *compiled, struct policy_members **members);
void policy_members_free(struct policy_members *members);

/* @sets: as many as the domain's dynamic_num; borrowed. 0, or what ends it */
typedef int policy_members_take(uint32_t domain, const struct classifier_set *sets, void *data);

/* Calls @take for each domain that has dynamic sets, with those as they are now. As
 * policy_members_build() */
int policy_members_each(const struct policy_compiled *compiled, policy_members_take *take,
			void *data);

/* Does the policy speak of any of the tenant's containers by name or label? */
bool policy_members_matter(const struct policy_compiled *compiled, uint32_t vni);

#endif
