/* SPDX-License-Identifier: MIT */
/*
 * policy_class.h - which addresses the same rules are about
 *
 * Theory of operation: at first all addresses are one class, and every rule splits those of which it is about
 * a part. So there are as many lists of rules as classes, and not as many as addresses.
 */
#ifndef POLICY_CLASS_H
#define POLICY_CLASS_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

#include "policy_compile.h"

enum policy_side {
	POLICY_SIDE_FROM,	/* the address is the source */
	POLICY_SIDE_TO,
	POLICY_SIDE_NUM
};

/*
 * A domain's rules, and its sets as they are now.
 * @dynamic:	those that are the domain's dynamic ones
 * @set_of:	for each of the policy's sets its index in @dynamic, or POLICY_NONE
 */
struct policy_ends {
	const struct policy_compiled *compiled;
	const struct policy_domain *domain;
	const struct classifier_set *dynamic;
	uint32_t *set_of;
};

/* 0 or -ENOMEM; policy_ends_exit() in any case. */
int policy_ends_init(struct policy_ends *ends, const struct policy_compiled *compiled,
		     const struct policy_domain *domain, const struct classifier_set *dynamic);
void policy_ends_exit(struct policy_ends *ends);

/* @set: the policy's */
struct classifier_set policy_ends_of(const struct policy_ends *ends, uint32_t set);

/*
 * @members:	how many addresses; 0: it stands for nothing
 * @rules:	that are about them, as the policy counts them, in their order
 * @made, @split, @next: while classes are being made: by which rule; the last one that has split some off, and
 *		into which class (of one without members: the next such)
 */
struct policy_class {
	uint32_t members;
	uint32_t *rules;
	uint32_t rules_num, rules_max;
	uint32_t made, split, next;
};

/* @of: each address's class */
struct policy_classes {
	uint32_t *of;
	struct policy_class *classes;
	uint32_t num;
	uint32_t free;
};

/*
 * @addresses:	@num of them, sorted, all different
 *
 * 0, -ENOMEM or -E2BIG (too many rules); policy_classes_free() in any case.
 */
int policy_classes_make(struct policy_classes *classes, const struct policy_ends *ends,
		       enum policy_side side, const struct in6_addr *addresses, size_t num);
void policy_classes_free(struct policy_classes *classes);

#endif
