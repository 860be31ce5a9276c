/* SPDX-License-Identifier: MIT */
/*
 * policy_compile.h - a policy as it is asked: classifiers
 *
 * Theory of operation: a domain is what one tenant's rules say of connections from one tenant to
 * another, most often of those within itself; each has a classifier. Sets with names of containers or
 * labels are the classifier's dynamic ones: who is called so comes in struct policy_members
 * (policy_members.h), and nothing here changes with it.
 */
#ifndef POLICY_COMPILE_H
#define POLICY_COMPILE_H

#include <stdbool.h>
#include <stdint.h>

#include "../core/classifier.h"
#include "config.h"
#include "policy.h"
#include "policy_resolve.h"

/*
 * @owner, @source, @destination: VNIs; @owner is one of the others
 * @action:	of what no rule matches
 * @classifier:	NULL where there are no rules
 * @rules:	of each of the classifier's rules the policy's
 * @dynamic:	of each of the classifier's dynamic sets the policy's
 */
struct policy_domain {
	uint32_t owner, source, destination;
	enum policy_action action;
	struct classifier *classifier;
	uint32_t *rules;
	uint32_t rules_num;
	uint32_t *dynamic;
	uint32_t dynamic_num;
};

/* A test of a domain's dynamic set (its number there) */
struct policy_use {
	uint32_t vni;
	struct policy_test test;
	uint32_t domain, set;
};

/* There are rules about connections from tenant @from to @to, whose configuration outlives the policy. */
struct policy_crossing {
	uint32_t from;
	const struct config_tenant *to;
};

/*
 * Immutable, but for @hits and @users.
 * @users:	who have to give it up yet; atomic
 * @policy:	owned
 * @config:	which it was compiled with
 * @domains:	sorted by owner, source, destination
 * @uses:	sorted by VNI and by name and value as text
 * @crossings:	each once, sorted by where they are from; @crossing_stamp: a hash of them, 0: there are none
 * @hits:	how often each rule has decided, atomic
 * @quotas:	of each rule with limits of its own policy_identity_of(), of others 0; NULL: there are none
 */
struct policy_compiled {
	unsigned long users;
	struct policy *policy;
	const struct config *config;
	struct policy_resolved resolved;
	struct policy_domain *domains;
	uint32_t domains_num;
	struct policy_use *uses;
	uint32_t uses_num;
	struct policy_crossing *crossings;
	uint32_t crossings_num, crossing_stamp;
	uint64_t *hits;
	uint64_t *quotas;
};

/**
 * policy_compile() - compile a policy
 * @policy:	without errors, made with @config, which outlives the result; the result's from then on
 *		if there is one
 * @errors:	set to what there is too much of, in words (policy_report.h), or to NULL; to be freed
 *
 * Returns what is to be given up by policy_compiled_put(); NULL with *@errors set (but for memory that did not
 * suffice). Any thread.
 */
struct policy_compiled *policy_compile(struct policy *policy, const struct config *config,
				       char **errors);
/* Another user, who will give it up, too. Any thread that is sure of one. */
void policy_compiled_get(struct policy_compiled *compiled);
/* The last one frees it. Any thread; @compiled: or NULL */
void policy_compiled_put(struct policy_compiled *compiled);

/* NULL: the policy says nothing of these. */
const struct policy_domain *policy_domain_find(const struct policy_compiled *compiled,
					       uint32_t owner, uint32_t source,
					       uint32_t destination);

#endif
