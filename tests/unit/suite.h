/* SPDX-License-Identifier: MIT */
/*
 * suite.h - how a unit test's main() ends
 */
#ifndef TESTS_UNIT_SUITE_H
#define TESTS_UNIT_SUITE_H

#include <check.h>
#include <stdlib.h>

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
