/* SPDX-License-Identifier: MIT */
/* policy_compare.c - in what two policies differ */
#include "policy_compare.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NONE	UINT32_MAX

/* @partner: of each statement the other side's; NONE: there is none */
struct side {
	const struct policy_statements *all;
	uint32_t *partner;
	uint32_t *sorted;
};

/*
 * @kept:	of those before: its partner is where it was, among the others
 * @ends, @previous: of rising rows (find_kept())
 */
struct comparison {
	struct side before, after;
	bool *kept;
	uint32_t *ends, *previous;
	struct policy_changes *changes;
};

/* --- who is whose partner --- */

static int compare_names(const struct policy_statement *a, const struct policy_statement *b)
{
	size_t len = a->name_len < b->name_len ? a->name_len : b->name_len;
	int order;

	if (a->hash != b->hash)
		return a->hash < b->hash ? -1 : 1;
	order = policy_statement_compare(a, b);
	if (!order)
		order = memcmp(a->text, b->text, len);
	if (!order && a->name_len != b->name_len)
		order = a->name_len < b->name_len ? -1 : 1;
	return order;
}

static int compare_numbers(const void *a, const void *b, void *data)
{
	const struct policy_statement *list = data;
	uint32_t first = *(const uint32_t *)a, second = *(const uint32_t *)b;
	int order = compare_names(&list[first], &list[second]);

	return order ? order : (first > second) - (first < second);
}

static int side_init(struct side *side, const struct policy_statements *all)
{
	side->all = all;
	side->partner = malloc((all->num + 1u) * sizeof(*side->partner));
	side->sorted = malloc((all->num + 1u) * sizeof(*side->sorted));
	if (!side->partner || !side->sorted)
		return -ENOMEM;
	for (uint32_t i = 0; i < all->num; i++) {
		side->partner[i] = NONE;
		side->sorted[i] = i;
	}
	qsort_r(side->sorted, all->num, sizeof(*side->sorted), compare_numbers, all->list);
	return 0;
}

static void side_exit(struct side *side)
{
	free(side->partner);
	free(side->sorted);
}

static void find_partners(struct comparison *c)
{
	const struct side *before = &c->before, *after = &c->after;
	uint32_t i = 0, j = 0;

	while (i < before->all->num && j < after->all->num) {
		uint32_t m = before->sorted[i], n = after->sorted[j];
		int order = compare_names(&before->all->list[m], &after->all->list[n]);

		if (!order) {
			before->partner[m] = n;
			after->partner[n] = m;
		}
		i += order <= 0;
		j += order >= 0;
	}
}

/* --- what keeps its order --- */

/* Which of the rows so far, by their lengths, a partner @n makes longer */
static uint32_t find_row(const struct comparison *c, uint32_t num, uint32_t n)
{
	uint32_t low = 0, high = num;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (c->before.partner[c->ends[middle]] < n)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Of the rules from @first on: the longest row of partners that rises (patience sorting). */
static void find_kept(struct comparison *c, uint32_t first, uint32_t end)
{
	uint32_t num = 0;

	for (uint32_t i = first; i < end; i++) {
		uint32_t row;

		if (c->before.partner[i] == NONE)
			continue;
		row = find_row(c, num, c->before.partner[i]);
		c->previous[i] = row ? c->ends[row - 1] : NONE;
		c->ends[row] = i;
		num += row == num;
	}
	for (uint32_t i = num ? c->ends[num - 1] : NONE; i != NONE; i = c->previous[i])
		c->kept[i] = true;
}

/* --- changes --- */

static void add(struct comparison *c, enum policy_change_type type, uint32_t before, uint32_t after)
{
	c->changes->list[c->changes->num++] = (struct policy_change){
		type, before == NONE ? NULL : &c->before.all->list[before],
		after == NONE ? NULL : &c->after.all->list[after],
	};
}

/* Rules of one tenant: both rows at once, so that what has gone stands beside what has come. */
static void compare_rules(struct comparison *c, uint32_t i, uint32_t i_end, uint32_t j,
			  uint32_t j_end)
{
	find_kept(c, i, i_end);
	while (i < i_end || j < j_end) {
		uint32_t m = j < j_end ? c->after.partner[j] : NONE;

		if (i < i_end && c->before.partner[i] == NONE) {
			add(c, POLICY_CHANGE_REMOVED, i++, NONE);
		} else if (i < i_end && !c->kept[i]) {
			i++;		/* said where it is now */
		} else if (j < j_end && m == NONE) {
			add(c, POLICY_CHANGE_ADDED, NONE, j++);
		} else if (j < j_end && !c->kept[m]) {
			add(c, POLICY_CHANGE_MOVED, m, j++);
		} else {
			i++;
			j++;
		}
	}
}

static void compare_others(struct comparison *c, uint32_t i, uint32_t i_end, uint32_t j,
			   uint32_t j_end)
{
	for (; i < i_end; i++)
		if (c->before.partner[i] == NONE)
			add(c, POLICY_CHANGE_REMOVED, i, NONE);
	for (; j < j_end; j++) {
		uint32_t m = c->after.partner[j];

		if (m == NONE)
			add(c, POLICY_CHANGE_ADDED, NONE, j);
		else if (strcmp(c->before.all->list[m].text, c->after.all->list[j].text) != 0)
			add(c, POLICY_CHANGE_CHANGED, m, j);
	}
}

/* Where those end that are of @first's kind and tenant */
static uint32_t find_end(const struct policy_statements *all, uint32_t at,
			 const struct policy_statement *first)
{
	while (at < all->num && !policy_statement_compare(&all->list[at], first))
		at++;
	return at;
}

static void compare_all(struct comparison *c)
{
	const struct policy_statements *before = c->before.all, *after = c->after.all;
	uint32_t i = 0, j = 0;

	while (i < before->num || j < after->num) {
		const struct policy_statement *first = i < before->num ? &before->list[i] : NULL;
		uint32_t i_end, j_end;

		if (!first || (j < after->num && policy_statement_compare(first, &after->list[j]) > 0))
			first = &after->list[j];
		i_end = find_end(before, i, first);
		j_end = find_end(after, j, first);
		if (first->kind == POLICY_STATEMENT_RULE)
			compare_rules(c, i, i_end, j, j_end);
		else
			compare_others(c, i, i_end, j, j_end);
		i = i_end;
		j = j_end;
	}
}

int policy_changes_find(struct policy_changes *changes, const struct policy_statements *before,
			const struct policy_statements *after)
{
	struct comparison c = { .changes = changes };
	int err = side_init(&c.before, before);

	if (!err)
		err = side_init(&c.after, after);
	c.kept = calloc(before->num + 1u, sizeof(*c.kept));
	c.ends = calloc(before->num + 1u, sizeof(*c.ends));
	c.previous = calloc(before->num + 1u, sizeof(*c.previous));
	changes->list = calloc((size_t)before->num + after->num + 1, sizeof(*changes->list));
	if (!c.kept || !c.ends || !c.previous || !changes->list)
		err = -ENOMEM;
	if (!err) {
		find_partners(&c);
		compare_all(&c);
	}
	free(c.kept);
	free(c.ends);
	free(c.previous);
	side_exit(&c.before);
	side_exit(&c.after);
	return err;
}

void policy_changes_free(struct policy_changes *changes)
{
	free(changes->list);
	memset(changes, 0, sizeof(*changes));
}

const char *policy_change_type_name(enum policy_change_type type)
{
	static const char *const names[POLICY_CHANGE_NUM] = {
		[POLICY_CHANGE_ADDED] = "added",
		[POLICY_CHANGE_REMOVED] = "removed",
		[POLICY_CHANGE_MOVED] = "moved",
		[POLICY_CHANGE_CHANGED] = "changed",
	};

	return names[type];
}
