/* SPDX-License-Identifier: MIT */
/*
 * policy_profile.h - what the policy says of one address
 *
 * Theory of operation: a packet filter knows maps of intervals that do not overlap, and no order among
 * them. With one end of a connection held fast (an address of a container here), what is left of
 * a policy are intervals of the other end's addresses, and within each of those intervals of services;
 * the first rule decides in each. So a profile is a list of such boxes, apart from each other, of
 * what is decided otherwise than by default. Addresses that are in the same sets have the same one.
 */
#ifndef POLICY_PROFILE_H
#define POLICY_PROFILE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy_compile.h"
#include "policy_class.h"

/*
 * What may be spent on all profiles of a policy.
 * @boxes:	of all profiles together
 * @work:	steps, of some nanoseconds each (policy_row.h)
 */
struct policy_profile_budget {
	uint32_t boxes;
	uint64_t work;
};

#define POLICY_PROFILE_BUDGET	((struct policy_profile_budget){ 1u << 20, 1ull << 28 })

/* Of the other end. Both ends of each interval belong to it; @first and @last are of one family. */
struct policy_box {
	struct in6_addr first, last;
	uint32_t service_first, service_last;
};

/* One of a domain within a tenant. @action: of the boxes */
struct policy_profile {
	enum policy_action action;
	struct policy_box *boxes;
	uint32_t boxes_num, boxes_max;
};

/* @of: for each address and side the index of its profile */
struct policy_profiles {
	struct policy_profile *profiles;
	uint32_t num;
	uint32_t (*of)[POLICY_SIDE_NUM];
};

/**
 * policy_profiles_build() - the profiles of some addresses of a tenant
 * @domain:	within a tenant
 * @dynamic:	its dynamic sets, as they are now
 * @addresses:	@num of them, sorted, all different
 * @budget:	becomes less by what these have taken
 *
 * Returns 0, -ENOMEM or -E2BIG (it does not suffice); policy_profiles_free() in any case. Any thread.
 */
int policy_profiles_build(struct policy_profiles *profiles, const struct policy_compiled *compiled,
			  const struct policy_domain *domain,
			  const struct classifier_set *dynamic, const struct in6_addr *addresses,
			  size_t num, struct policy_profile_budget *budget);
void policy_profiles_free(struct policy_profiles *profiles);

#endif
