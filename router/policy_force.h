/* SPDX-License-Identifier: MIT */
/*
 * policy_force.h - the policy that is in force
 *
 * Theory of operation: whoever sets up a connection asks, enters it into the ledger, and at last asks
 * again if the generation has become another one meanwhile. Whoever puts a policy in force sweeps the
 * ledger after that (cutting.h). So a connection that the new policy denies is either seen by the sweep
 * or was asked about again: each side first writes what the other one reads, with full barriers in
 * between. A generation is a policy together with who is called how: containers that come or go make a
 * new one.
 *
 * Written by the control thread alone.
 */
#ifndef POLICY_FORCE_H
#define POLICY_FORCE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "ends.h"
#include "policy_compile.h"
#include "policy_members.h"

/* A connection or packet, as its source sees it; tenants by their VNIs */
struct policy_question {
	uint32_t source_vni, destination_vni;
	uint8_t source[16], destination[16];
	uint32_t service;		/* CLASSIFIER_SERVICE */
};

/*
 * @provisional: denied, while nobody knows who has one of its ends, which is a container's: peers have yet
 *		to tell, since this router began to run, and names or labels may allow it then
 * @rule:	that has decided; NULL: none matches
 * @number:	of it in the policy
 * @second:	between tenants, where both allow: the destination's tenant's rule, @rule being the source's
 *		tenant's; NULL: none matches
 * @policy:	NULL: there is none, or nothing is allowed
 * @limits:	whose hold: those of the source's tenant's rule, and of the destination's; within a tenant
 *		that is one. @quota as in policy_compiled.quotas, 0: it has none
 * @generation:	by which it was decided
 */
struct policy_verdict {
	bool allowed;
	bool provisional;
	const struct policy_rule *rule;
	uint32_t number;
	const struct policy_rule *second;
	uint32_t second_number;
	const struct policy *policy;
	struct {
		const struct policy_rule *rule;
		uint64_t quota;
	} limits[2];
	uint64_t generation;
};

/* --- any thread, under the read lock --- */

/* As long as that is held, *@verdict is good. */
void policy_ask(const struct policy_question *question, struct policy_verdict *verdict);

/* The same by a policy that is not in force: *@verdict is good as long as that is there. */
void policy_ask_other(struct policy_compiled *compiled, struct policy_members *members,
		      const struct policy_question *question, struct policy_verdict *verdict);

/* What to ask of a TCP connection */
struct policy_question policy_question_tcp(const struct ends *ends);

/* policy_ask() for a TCP connection. */
void policy_ask_tcp(const struct ends *ends, struct policy_verdict *verdict);

/* Counts the verdict for its rules: once for each set-up, on each host. */
void policy_count(const struct policy_verdict *verdict);

/*
 * Has something been put in force since @verdict? Asked when the connection is in the ledger and its
 * socket connects: a full barrier.
 */
bool policy_is_stale(const struct policy_verdict *verdict);

/* What is in force, or NULL; also in the control thread without the lock, which writes it. */
const struct policy_compiled *policy_in_force(void);

/* Does it limit what any container or tenant sends? */
static inline bool policy_has_limits(void)
{
	const struct policy_compiled *compiled = policy_in_force();

	return compiled && compiled->policy->limits_num;
}
/* The same, to be given up by policy_compiled_put(). Any thread, in no read section or in one. */
struct policy_compiled *policy_in_force_get(void);
/* By policy_publish_closed(); then nothing is in force. */
bool policy_is_closed(void);
uint64_t policy_generation(void);

/* --- control thread --- */

/*
 * Puts @compiled in force, with @members; owns both. NULL, NULL: within each tenant everything is
 * allowed.
 */
int policy_publish(struct policy_compiled *compiled, struct policy_members *members);

/* The same policy with other members; owns them. */
int policy_publish_members(struct policy_members *members);

/* Nothing at all is allowed: no policy is known, though there is one. */
int policy_publish_closed(void);

/* No reader is left. */
void policy_force_exit(void);

#endif
