/* SPDX-License-Identifier: MIT */
/*
 * limiting.h - what an allowing rule limits: connections at once and set-ups a second, of each source
 *
 * Theory of operation: the connecting router counts all connections of its containers by the rule that
 * has allowed them (quota.h), and denies what is too much. So does the accepting one, for its own
 * containers' connections, by its own policy; but it may learn later that one is over, so what is too
 * much there waits, and is reset when it has waited for long.
 *
 * Programs close sockets without telling. So where there is no place, the kernel is asked about some of
 * those that sit, before anything is denied. One that its source has closed gives its place up, though it
 * lives on until all is sent and the other end has closed it, too. (The accepting one, which cannot tell that from
 * half a close, counts it until its own end is closed.)
 *
 * A limit is about what is set up: a lower one, or another rule that a new policy says is responsible, ends
 * nothing, and counts what is there.
 */
#ifndef LIMITING_H
#define LIMITING_H

#include <errno.h>
#include <stdbool.h>

#include "ledger.h"
#include "policy_force.h"
#include "quota.h"

/* What one connection asks for; all zero: nothing is limited */
struct limiting {
	struct quota_key key;
	struct quota_limits limits;
};

/* Of -errno: no place */
static inline bool limiting_is(int err)
{
	return err == -EUSERS || err == -EDQUOT;
}

/* --- under the read lock --- */

/* Whose limits hold for an end that @verdict allows; any rule or NULL where there are none */
const struct policy_rule *limiting_rule(const struct policy_verdict *verdict,
					enum ledger_direction direction);

/* Of a connection that @verdict allows and one of this host's containers makes */
void limiting_out(struct limiting *limiting, const struct policy_verdict *verdict, uint32_t vni,
		  uint32_t container_id);

/* ... that one with @source accepts, from @source of tenant @vni, as the router with @host_id says */
void limiting_in(struct limiting *limiting, const struct policy_verdict *verdict, uint32_t vni,
		 const struct slim_endpoint *source, uint64_t host_id);

/*
 * A place for it, or NULL where nothing is limited. 0; -EUSERS (as many connections) or -EDQUOT (as many
 * set-ups): it must not be; -ENOMEM. The next time, @limiting asks for no further set-up.
 */
int limiting_take(struct limiting *limiting, struct quota **quota);

/* In the ledger, it goes by @verdict from now on, which allows it. 0 or -ENOMEM */
int limiting_follow(struct ledger_entry *entry, const struct policy_verdict *verdict);

/* The same of one that is only being set up. -EUSERS: there is no place, and it must not be */
int limiting_follow_new(struct ledger_entry *entry, const struct policy_verdict *verdict);

#endif
