/* SPDX-License-Identifier: MIT */
/*
 * suite.h - what all unit tests want
 */
#ifndef TESTS_UNIT_SUITE_H
#define TESTS_UNIT_SUITE_H

#include <check.h>
#include <stdlib.h>

/*
 * As ck_assert(), for what is asked many thousand times, or by threads that are not to wait for one another: where it
 * holds, that costs no system call. (Check writes down where each of its own was.)
 */
#define suite_assert(expression)						\
	((expression) ? (void)0 : ck_abort_msg("Assertion '%s' failed", #expression))

/*
 * suite_run() - runs @suite, which is freed, and says what came of it as CK_VERBOSITY asks; returns what
 * main() has to
 */
static inline int suite_run(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
