/* SPDX-License-Identifier: MIT */
/*
 * test_ruleset_batch.c - what nftables refuses is logged as it says it
 * links: router/nft_process.c router/ruleset_batch.c router/endpoint.c router/log.c
 * libs: nftables crypto
 */
#include <check.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../router/ruleset_batch.h"
#include "suite.h"

START_TEST(complaints_have_lines)
{
	struct ruleset_batch batch;
	char text[4096];
	int said[2];
	ssize_t len;

	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	ck_assert_int_eq(pipe(said), 0);
	ck_assert_int_eq(dup2(said[1], STDERR_FILENO), STDERR_FILENO);
	ck_assert_int_eq(ruleset_batch_begin(&batch), 0);
	fputs("add nonsense\n", batch.out);
	ck_assert_int_lt(ruleset_batch_run(&batch, "do that"), 0);
	len = read(said[0], text, sizeof(text) - 1);
	ck_assert_int_gt(len, 0);
	text[len] = '\0';
	ck_assert_ptr_nonnull(strstr(text, "cannot do that: nftables says: "));
	ck_assert_ptr_nonnull(strstr(text, "nftables says: add nonsense\n"));
	ck_assert_ptr_null(strchr(text, '?'));
	ck_assert_ptr_null(strchr(text, '^'));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ruleset_batch");
	TCase *tcase = tcase_create("ruleset_batch");

	tcase_add_test(tcase, complaints_have_lines);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
