/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * force.h - the policy that is in force on a host
 *
 * Theory of operation: whoever seals a socket enters it into the table of tagged sockets first, and asks after that;
 * both within one read section of RCU ends before a commit, which has replaced the pointer, walks the table. So a
 * socket that the new policy denies was either asked about it, or is seen by the walk.
 *
 * Compiled by core/classifier.h, as the router's own. Immutable, but for the hits of rules. One policy may be in
 * several forces, one after the other, of which each has other members of the dynamic sets.
 */
#ifndef KMOD_FORCE_H
#define KMOD_FORCE_H

#include <linux/refcount.h>
#include <linux/slim.h>
#include <linux/types.h>

struct classifier;
struct classifier_members;

struct rule {
	struct slim_shape shape;
	u32 id;
	bool allow;
	atomic64_t hits;
};

/* @rules:	of the policy's; @classifier: NULL where there are none */
struct domain {
	u32 owner, source, destination;
	bool allow;
	u32 sets_dynamic;
	u32 rules_num;
	struct rule *rules;
	struct classifier *classifier;
};

/* @domains:	sorted; @size: bytes */
struct policy {
	refcount_t users;
	size_t size;
	u32 domains_num;
	u32 rules_num;
	struct domain *domains;
	struct rule *rules;
};

/*
 * @closed:	nothing is allowed
 * @policy:	NULL: within each tenant all is allowed
 * @members:	for each domain, NULL where it has no dynamic sets
 */
struct force {
	u64 generation;
	bool closed;
	struct policy *policy;
	struct classifier_members **members;
};

/* @rule: that decides, or NULL; @second: the destination's tenant's where both allow a connection between two */
struct verdict {
	bool allowed;
	struct rule *rule;
	struct rule *second;
};

extern const struct classifier_allocator force_allocator;

/* An empty policy with room for @domains_num and @rules_num, or NULL */
struct policy *policy_alloc(u32 domains_num, u32 rules_num);
void policy_put(struct policy *policy);

/* Owns @policy, also where it fails. */
struct force *force_alloc(u64 generation, struct policy *policy);
void force_free(struct force *force);

/* Under rcu_read_lock() for as long as *@verdict is used; @force: or NULL. Any context. */
void force_ask(const struct force *force, const struct slim_question *question,
	       struct verdict *verdict);

/* Counts it for its rules. */
void verdict_count(const struct verdict *verdict);

/* What its rule says of the connection's shape: between tenants the source's */
struct slim_shape verdict_shape(const struct verdict *verdict);

size_t force_size(const struct force *force);

#endif
