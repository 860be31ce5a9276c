/* SPDX-License-Identifier: MIT */
/*
 * policy_compare.h - in what two policies differ
 *
 * Theory of operation: statements of one tenant with equal texts are one and the same, the first with
 * the first and so on. Of the rules that both have, most keep their order (a longest rising row); the
 * others have moved. That matters, since the first rule that matches decides; the order of tenants, groups
 * and limits, files and lines do not.
 */
#ifndef POLICY_COMPARE_H
#define POLICY_COMPARE_H

#include "policy_statement.h"

enum policy_change_type {
	POLICY_CHANGE_ADDED,
	POLICY_CHANGE_REMOVED,
	POLICY_CHANGE_MOVED,
	POLICY_CHANGE_CHANGED,		/* what a group holds, the default */
	POLICY_CHANGE_NUM
};

/* @before, @after: of the statements that were compared; NULL: it was not, or is no more, there */
struct policy_change {
	enum policy_change_type type;
	const struct policy_statement *before, *after;
};

/* All zero when new. @list: by kind and tenant, in the order of the policies */
struct policy_changes {
	struct policy_change *list;
	uint32_t num;
};

/* Takes some hundred ms for 100,000 rules. 0 or -ENOMEM; policy_changes_free() in any case */
int policy_changes_find(struct policy_changes *changes, const struct policy_statements *before,
			const struct policy_statements *after);
void policy_changes_free(struct policy_changes *changes);

const char *policy_change_type_name(enum policy_change_type type);

#endif
