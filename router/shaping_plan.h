/* SPDX-License-Identifier: MIT */
/*
 * shaping_plan.h - which classes of traffic a policy's limits make of the containers here
 *
 * A tenant that has any limit is a class, and each of its containers that is limited, by itself or with its
 * tenant, is one below it. Their numbers depend on the containers' and tenants' own, so that hardly
 * ever one changes while others come and go, or another router takes over.
 */
#ifndef SHAPING_PLAN_H
#define SHAPING_PLAN_H

#include <net/if.h>
#include <stddef.h>
#include <stdint.h>

#include "packetpath.h"
#include "policy_compile.h"

#define SHAPING_TENANTS_FIRST	0xf000u	/* classes from here on are tenants' */
#define SHAPING_CLASSES_END	0xffffu

/* A container here. @minor: of its class, 0: it has none */
struct shaping_port {
	uint32_t id, vni;
	char ifname[IFNAMSIZ];			/* of the host's end of its veth */
	struct in6_addr addresses[PACKETPATH_ADDRESSES];
	size_t addresses_num;
	uint16_t minor;
};

/*
 * @parent:	the tenant's, or 0 where it is one
 * @rate:	bytes a second that it may send; 0: any
 * @shared:	it has no more than what the parent's others leave
 */
struct shaping_class {
	uint16_t minor, parent;
	uint64_t rate;
	bool shared;
};

/* @classes: tenants' before their containers' */
struct shaping_plan {
	struct shaping_port *ports;
	size_t ports_num;
	struct shaping_class *classes;
	size_t classes_num;
};

/*
 * Sorts the plan's ports, names their classes and makes these. @compiled: NULL: there is no policy, and no
 * class. Read lock held, any thread. 0, -ENOMEM, or -EXFULL: there are more than numbers
 */
int shaping_plan_make(struct shaping_plan *plan, const struct policy_compiled *compiled);
void shaping_plan_free(struct shaping_plan *plan);

#endif
