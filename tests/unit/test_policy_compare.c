/* SPDX-License-Identifier: MIT */
/*
 * test_policy_compare.c - in what two policies differ
 *
 * links: router/policy.c router/policy_build.c router/policy_check.c router/policy_compare.c router/policy_lex.c router/policy_pack.c router/policy_ends.c router/policy_include.c router/policy_parse.c router/policy_parser.c router/policy_rule.c router/policy_report.c router/policy_source.c router/policy_statement.c router/policy_value.c router/config.c router/config_lex.c router/config_parse.c router/config_report.c router/config_value.c router/config_word.c router/base64.c router/endpoint.c router/log.c
 * libs: check
 */
#include <check.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../router/policy_compare.h"
#include "../../router/policy_pack.h"
#include "suite.h"

/* A stream that has no memory at its end: it says nothing, and leaves no text. */
static bool starved;

static ssize_t take_all(void *cookie, const char *bytes, size_t len)
{
	(void)cookie;
	(void)bytes;
	return (ssize_t)len;
}

static FILE *starved_stream(char **text, size_t *len)
{
	*text = NULL;
	*len = 0;
	return fopencookie(NULL, "w", (cookie_io_functions_t){ .write = take_all });
}

FILE *open_memstream(char **text, size_t *len)
{
	static FILE *(*libc_open_memstream)(char **text, size_t *len);

	if (!libc_open_memstream)
		libc_open_memstream = (FILE *(*)(char **, size_t *))dlsym(RTLD_NEXT, "open_memstream");
	return starved ? starved_stream(text, len) : libc_open_memstream(text, len);
}

static struct policy *parse(const char *text)
{
	char *errors;
	struct policy *policy = policy_parse("p", text, strlen(text), NULL, &errors);

	ck_assert_msg(policy != NULL, "%s", errors);
	return policy;
}

static void put(FILE *out, const struct policy_statement *statement)
{
	if (statement)
		fprintf(out, " %u[%s]", statement->place.line, statement->text);
	else
		fputs(" -", out);
}

/* "added rule - 3[allow tcp]; moved ..." */
static char *differences(const char *before, const char *after)
{
	struct policy *one = parse(before), *other = parse(after);
	struct policy_changes changes = { 0 };
	struct policy_statements old, new;
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	ck_assert_int_eq(policy_statements_make(&old, one), 0);
	ck_assert_int_eq(policy_statements_make(&new, other), 0);
	ck_assert_int_eq(policy_changes_find(&changes, &old, &new), 0);
	for (uint32_t i = 0; i < changes.num; i++) {
		const struct policy_change *change = &changes.list[i];
		const struct policy_statement *any = change->after ? change->after : change->before;

		fprintf(out, "%s%s %s %s", i ? "; " : "", any->tenant,
			policy_change_type_name(change->type), policy_statement_kind_name(any->kind));
		put(out, change->before);
		put(out, change->after);
	}
	fclose(out);
	policy_changes_free(&changes);
	policy_statements_free(&old);
	policy_statements_free(&new);
	policy_free(one);
	policy_free(other);
	return text;
}

static const struct {
	const char *before, *after, *changes;
} cases[] = {
	{ "", "", "" },
	{ "tenant a\nallow tcp\n", "tenant a # that one\n\n  allow\ttcp # all\n", "" },
	{ "tenant a\nallow tcp from 10.0.0.1,10.0.0.2\n",
	  "tenant a\nallow tcp \\\n from 10.0.0.1 , 10.0.0.2", "" },
	{ "tenant a\nallow tcp\n", "tenant a\nallow tcp log\n",
	  "a removed rule 2[allow tcp] -; a added rule - 2[allow tcp log]" },
	/* Order */
	{ "tenant a\nallow tcp\nallow udp\nallow icmp\n", "tenant a\nallow icmp\nallow tcp\nallow udp\n",
	  "a moved rule 4[allow icmp] 2[allow icmp]" },
	{ "tenant a\nallow tcp\nallow udp\nallow icmp\n", "tenant a\nallow udp\nallow icmp\nallow tcp\n",
	  "a moved rule 2[allow tcp] 4[allow tcp]" },
	{ "tenant a\nallow tcp\ndeny tcp\nallow tcp\n", "tenant a\nallow tcp\nallow tcp\ndeny tcp\n",
	  "a moved rule 3[deny tcp] 4[deny tcp]" },
	/* Tenants have an order each, and none among them. */
	{ "tenant a\nallow tcp\ntenant b\nallow tcp\n", "tenant b\nallow tcp\ntenant a\nallow tcp\n", "" },
	{ "tenant a\nallow tcp\n", "tenant b\nallow tcp\n",
	  "a removed rule 2[allow tcp] -; b added rule - 2[allow tcp]" },
	{ "tenant a\nallow tcp\ntenant b\nallow udp\ntenant a\ndeny any\n",
	  "tenant a\nallow tcp\ndeny any\ntenant b\nallow udp\n", "" },
	/* As often as they are said */
	{ "tenant a\nallow tcp\nallow tcp\n", "tenant a\nallow tcp\n", "a removed rule 3[allow tcp] -" },
	/* Groups and defaults are about something, and change. */
	{ "tenant a\ngroup g = any\ngroup h = 10.0.0.1\nallow tcp from g to h\n",
	  "tenant a\ngroup h = 10.0.0.2\ngroup g = any\nallow tcp from g to h\n",
	  "a changed group 3[group h = 10.0.0.1] 2[group h = 10.0.0.2]" },
	{ "tenant a\ngroup g = any\n", "tenant a\ngroup gg = any\n",
	  "a removed group 2[group g = any] -; a added group - 2[group gg = any]" },
	{ "tenant a\ndefault allow\n", "tenant a\ndefault deny\n",
	  "a changed default 2[default allow] 2[default deny]" },
	{ "tenant a\n", "tenant a\ndefault allow\n", "a added default - 2[default allow]" },
	{ "tenant a\nlimit tenant rate 1gbit\nlimit each 10.0.0.1 rate 1mbit\n",
	  "tenant a\nlimit each 10.0.0.1 rate 1mbit\nlimit tenant rate 2gbit\n",
	  "a removed limit 2[limit tenant rate 1gbit] -; a added limit - 3[limit tenant rate 2gbit]" },
	{ "tenant a\nallow tcp from container x\n", "tenant a\nallow tcp from container \"x\"\n",
	  "a removed rule 2[allow tcp from container x] -; "
	  "a added rule - 2[allow tcp from container \"x\"]" },
};

START_TEST(known)
{
	char *found = differences(cases[_i].before, cases[_i].after);

	ck_assert_str_eq(found, cases[_i].changes);
	free(found);
}
END_TEST

/* --- random ones, done again by who reads the changes --- */

#define RULES_MAX	24

struct row {
	int rules[2 * RULES_MAX];
	int num;
};

static void random_row(struct row *row)
{
	row->num = rand() % RULES_MAX;
	for (int i = 0; i < row->num; i++)
		row->rules[i] = rand() % 12;
}

static char *row_text(const struct row *row)
{
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	fputs("tenant a\n", out);
	for (int i = 0; i < row->num; i++)
		fprintf(out, "allow tcp port %d\n", row->rules[i] + 1);
	fclose(out);
	return text;
}

/* Length of the longest common subsequence, from the definition */
static int longest(const struct row *a, const struct row *b)
{
	int table[RULES_MAX + 1][RULES_MAX + 1] = { 0 };

	for (int i = a->num - 1; i >= 0; i--)
		for (int j = b->num - 1; j >= 0; j--) {
			int best = table[i + 1][j] > table[i][j + 1] ? table[i + 1][j] : table[i][j + 1];

			if (a->rules[i] == b->rules[j] && table[i + 1][j + 1] + 1 > best)
				best = table[i + 1][j + 1] + 1;
			table[i][j] = best;
		}
	return table[0][0];
}

static int compare_ints(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/*
 * @marks: of the rules before and after, which ones are named. What is not named must be the same row, what
 * has moved must be one rule on both sides; what has come and gone must make the difference.
 */
static void check_changes(const struct row *before, const struct row *after,
			  const struct policy_changes *changes)
{
	bool gone[RULES_MAX] = { 0 }, come[RULES_MAX] = { 0 };
	int removed[RULES_MAX], added[RULES_MAX], num[POLICY_CHANGE_NUM] = { 0 }, j = 0;

	for (uint32_t i = 0; i < changes->num; i++) {
		const struct policy_change *change = &changes->list[i];
		int b = change->before ? (int)change->before->place.line - 2 : -1;
		int a = change->after ? (int)change->after->place.line - 2 : -1;

		ck_assert(b < 0 || !gone[b]);
		ck_assert(a < 0 || !come[a]);
		ck_assert_int_eq(change->type, b < 0 ? POLICY_CHANGE_ADDED :
				 a < 0 ? POLICY_CHANGE_REMOVED : POLICY_CHANGE_MOVED);
		if (b >= 0 && a >= 0)
			ck_assert_int_eq(before->rules[b], after->rules[a]);
		if (b >= 0)
			gone[b] = true;
		if (a >= 0)
			come[a] = true;
		if (a < 0)
			removed[num[POLICY_CHANGE_REMOVED]] = before->rules[b];
		if (b < 0)
			added[num[POLICY_CHANGE_ADDED]] = after->rules[a];
		num[change->type]++;
	}
	for (int i = 0; i < before->num; i++) {
		if (gone[i])
			continue;
		while (j < after->num && come[j])
			j++;
		ck_assert_int_lt(j, after->num);
		ck_assert_int_eq(before->rules[i], after->rules[j++]);
	}
	while (j < after->num && come[j])
		j++;
	ck_assert_int_eq(j, after->num);
	/* Nothing that both have is said to have come or gone. */
	qsort(removed, (size_t)num[POLICY_CHANGE_REMOVED], sizeof(int), compare_ints);
	qsort(added, (size_t)num[POLICY_CHANGE_ADDED], sizeof(int), compare_ints);
	for (int i = 0; i < num[POLICY_CHANGE_REMOVED]; i++)
		ck_assert_ptr_null(bsearch(&removed[i], added, (size_t)num[POLICY_CHANGE_ADDED],
					   sizeof(int), compare_ints));
	ck_assert_int_le(before->num - num[POLICY_CHANGE_REMOVED] - num[POLICY_CHANGE_MOVED],
			 longest(before, after));
}

START_TEST(random_rows)
{
	unsigned int seed = (unsigned int)_i + 1;

	srand(seed);
	for (int round = 0; round < 500; round++) {
		struct policy_changes changes = { 0 };
		struct policy_statements old, new;
		struct row before, after;
		struct policy *one, *other;
		char *text, *other_text;

		random_row(&before);
		random_row(&after);
		text = row_text(&before);
		other_text = row_text(&after);
		one = parse(text);
		other = parse(other_text);
		ck_assert_int_eq(policy_statements_make(&old, one), 0);
		ck_assert_int_eq(policy_statements_make(&new, other), 0);
		ck_assert_int_eq(policy_changes_find(&changes, &old, &new), 0);
		check_changes(&before, &after, &changes);
		policy_changes_free(&changes);
		policy_statements_free(&old);
		policy_statements_free(&new);
		policy_free(one);
		policy_free(other);
		free(text);
		free(other_text);
	}
}
END_TEST

/* Distinct rules: no more have moved than must. */
START_TEST(fewest_moves)
{
	srand(7);
	for (int round = 0; round < 500; round++) {
		struct row before = { .num = RULES_MAX }, after;
		char *text, *other_text, *found;
		int moved = 0;

		for (int i = 0; i < RULES_MAX; i++)
			before.rules[i] = i;
		after = before;
		for (int i = 0; i < rand() % 8; i++) {
			int a = rand() % RULES_MAX, b = rand() % RULES_MAX, rule = after.rules[a];

			after.rules[a] = after.rules[b];
			after.rules[b] = rule;
		}
		text = row_text(&before);
		other_text = row_text(&after);
		found = differences(text, other_text);
		for (const char *at = found; (at = strstr(at, "moved")); at++)
			moved++;
		ck_assert_int_eq(moved, RULES_MAX - longest(&before, &after));
		free(found);
		free(text);
		free(other_text);
	}
}
END_TEST

static const struct {
	const char *text, *shown;
} rows[] = {
	{ "tenant a\nallow tcp\n", "allow tcp" },
	{ "tenant a\n\n  allow\ttcp  # \"why\" \\\ndeny any", "  allow\ttcp  # \"why\" \\" },
	{ "tenant a\nallow tcp \\\n\tport 80 \\ \r\n  rate 1mbit  # fast\ndeny any\n",
	  "allow tcp port 80 rate 1mbit  # fast" },
	{ "tenant a\nallow tcp \\\n\\\n port 80", "allow tcp  port 80" },
	{ "tenant a\nallow tcp \\\n", "allow tcp " },
	{ "tenant a\nallow tcp \\", "allow tcp \\" },
	{ "tenant a\n\\\n  allow tcp", "  allow tcp" },
};

START_TEST(shown)
{
	struct policy *policy = parse(rows[_i].text);
	size_t len;
	char *text = policy_statement_text(policy, &policy->rules[0].place, &len);

	ck_assert_uint_eq(len, strlen(rows[_i].shown));
	ck_assert_str_eq(text, rows[_i].shown);
	free(text);
	policy_free(policy);
}
END_TEST

START_TEST(no_memory)
{
	struct policy *policy = parse("tenant a\nallow tcp\n");
	struct policy_statements statements;

	starved = true;
	ck_assert_int_eq(policy_statements_make(&statements, policy), -ENOMEM);
	policy_statements_free(&statements);
	starved = false;
	ck_assert_int_eq(policy_statements_make(&statements, policy), 0);
	policy_statements_free(&statements);
	policy_free(policy);
}
END_TEST

/* --- files in one --- */

START_TEST(packed)
{
	struct policy_sources sources = { 0 }, again;
	uint32_t index;
	char *bytes;
	size_t len;
	FILE *file = open_memstream(&bytes, &len);

	ck_assert_int_eq(policy_sources_add(&sources, "/a", "x\0y", 3, &index), 0);
	ck_assert_int_eq(policy_sources_add(&sources, "/b", "", 0, &index), 0);
	ck_assert_int_eq(policy_pack_write(file, &sources), 0);
	fclose(file);
	for (size_t cut = 1; cut <= len; cut++) {
		file = fmemopen(bytes, cut, "r");
		ck_assert_int_eq(policy_pack_read(file, &again), cut < len ? -EPROTO : 0);
		fclose(file);
	}
	ck_assert_uint_eq(again.files_num, 2);
	ck_assert_str_eq(again.files[0].name, "/a");
	ck_assert_uint_eq(again.files[0].len, 3);
	ck_assert_mem_eq(again.files[0].text, "x\0y", 3);
	policy_sources_free(&again);
	policy_sources_free(&sources);
	free(bytes);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("policy_compare");
	TCase *tc = tcase_create("userspace");

	tcase_add_loop_test(tc, known, 0, (int)(sizeof(cases) / sizeof(cases[0])));
	tcase_add_loop_test(tc, random_rows, 0, 4);
	tcase_add_test(tc, fewest_moves);
	tcase_add_loop_test(tc, shown, 0, (int)(sizeof(rows) / sizeof(rows[0])));
	tcase_add_test(tc, no_memory);
	tcase_add_test(tc, packed);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
