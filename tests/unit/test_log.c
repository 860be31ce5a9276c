/* SPDX-License-Identifier: MIT */
/*
 * test_log.c - what is logged, and what is kept of it for whoever asked
 * links: router/log.c
 */
#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../router/log.h"
#include "suite.h"

static int said[2];

static void setup(void)
{
	unsetenv("JOURNAL_STREAM");
	ck_assert_int_eq(pipe(said), 0);
	ck_assert_int_eq(dup2(said[1], STDERR_FILENO), STDERR_FILENO);
	log_error_forget();
}

START_TEST(lines_cannot_be_forged)
{
	char line[256];
	ssize_t len;

	log_warning("%s", "one\ntwo\x1b[2J\x7f");
	len = read(said[0], line, sizeof(line) - 1);
	ck_assert_int_gt(len, 0);
	line[len] = '\0';
	ck_assert_ptr_nonnull(strstr(line, " warning: one?two?[2J?\n"));
}
END_TEST

START_TEST(the_first_error_is_kept)
{
	ck_assert_str_eq(log_error_first(), "");
	log_warning("not this");
	ck_assert_str_eq(log_error_first(), "");
	log_error("no %s\n", "room");
	log_error("therefore nothing");
	ck_assert_str_eq(log_error_first(), "no room?");
	log_error_forget();
	ck_assert_str_eq(log_error_first(), "");
}
END_TEST

START_TEST(a_long_one_is_cut)
{
	char text[2000];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	log_error("%s", text);
	ck_assert_uint_gt(strlen(log_error_first()), 400);
	ck_assert_uint_lt(strlen(log_error_first()), 1000);
}
END_TEST

static void *fail_elsewhere(void *unused)
{
	(void)unused;
	log_error("in another thread");
	return NULL;
}

START_TEST(other_threads_do_not_count)
{
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, fail_elsewhere, NULL), 0);
	pthread_join(thread, NULL);
	ck_assert_str_eq(log_error_first(), "");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("log");
	TCase *tcase = tcase_create("log");

	tcase_add_checked_fixture(tcase, setup, NULL);
	tcase_add_test(tcase, lines_cannot_be_forged);
	tcase_add_test(tcase, the_first_error_is_kept);
	tcase_add_test(tcase, a_long_one_is_cut);
	tcase_add_test(tcase, other_threads_do_not_count);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
