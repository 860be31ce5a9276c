/* SPDX-License-Identifier: MIT */
/*
 * test_nft_process.c - nft commands run in another process, which costs this one nothing
 * links: router/nft_process.c tests/unit/open_fds.c
 * libs: nftables pthread
 */
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../router/nft_process.h"
#include "open_fds.h"
#include "suite.h"

#define THREADS		4
#define ROUNDS		5
#define LARGE		20000		/* elements of a set */
#define OFTEN		50
#define HIGH		64		/* numbers that the kernel copies no table for */

static int run(const char *commands, char **answer)
{
	return nft_process_run(commands, strlen(commands), answer);
}

/* They may be run in this test's own namespace. */
static void alone(void)
{
	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
}

START_TEST(commands_are_run)
{
	int before = open_fds();
	char *answer;

	ck_assert_int_eq(run("add table inet one\nadd table inet two\n", &answer), 0);
	free(answer);
	ck_assert_int_eq(run("list tables", &answer), 0);
	ck_assert_str_eq(answer, "table inet one\ntable inet two\n");
	free(answer);
	ck_assert_int_eq(open_fds(), before);
	/* Nobody is left to be waited for. */
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
	ck_assert_int_eq(errno, ECHILD);
}
END_TEST

START_TEST(all_or_nothing)
{
	char *answer;

	ck_assert_int_eq(run("add table inet one\nadd nonsense\n", &answer), -EIO);
	ck_assert_ptr_nonnull(strstr(answer, "syntax error"));
	free(answer);
	ck_assert_int_eq(run("list tables", &answer), 0);
	ck_assert_str_eq(answer, "");
	free(answer);
}
END_TEST

START_TEST(many_commands)
{
	char *text = NULL, *answer;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	fputs("add table inet one\nadd set inet one many { type ipv4_addr; }\n"
	      "add element inet one many { ", out);
	for (int i = 0; i < LARGE; i++)
		fprintf(out, "%s10.1.%d.%d", i ? ", " : "", i / 250, i % 250);
	fputs(" }\n", out);
	fclose(out);
	ck_assert_int_eq(nft_process_run(text, len, &answer), 0);
	free(answer);
	free(text);
	ck_assert_int_eq(run("list ruleset", &answer), 0);
	ck_assert_ptr_nonnull(strstr(answer, "10.1.79.249"));
	free(answer);
}
END_TEST

START_TEST(no_files)
{
	struct rlimit before, limit;
	char *answer;
	int err;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	limit = before;
	limit.rlim_cur = 3;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	err = run("add table inet one\n", &answer);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
	ck_assert_int_eq(err, -EMFILE);
	ck_assert_ptr_null(answer);
}
END_TEST

static void *in_own_namespace(void *data)
{
	const char *name = data;
	char text[64], *answer;
	size_t len = (size_t)snprintf(text, sizeof(text), "add table inet %s\n", name);
	long wrong = unshare(CLONE_NEWNET) ? 1 : 0;

	for (int i = 0; i < ROUNDS; i++) {
		wrong += nft_process_run(text, len, &answer) != 0;
		free(answer);
		wrong += run("list tables", &answer) != 0;
		/* What was said of it, but for "add " */
		wrong += !answer || strcmp(answer, text + 4) != 0;
		free(answer);
	}
	return (void *)wrong;
}

START_TEST(each_thread_in_its_namespace)
{
	static char names[THREADS][8] = { "one", "two", "six", "ten" };
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, in_own_namespace, names[i]);
	for (int i = 0; i < THREADS; i++) {
		void *wrong;

		pthread_join(threads[i], &wrong);
		ck_assert_ptr_null(wrong);
	}
}
END_TEST

/* Who closes a pipe closes it for all: the process holds none of ours, for no moment. */
static void *often(void *run_num)
{
	for (int i = 0; i < OFTEN; i++) {
		char *answer;

		run("list tables", &answer);
		free(answer);
		__atomic_add_fetch((int *)run_num, 1, __ATOMIC_SEQ_CST);
	}
	return NULL;
}

START_TEST(holds_no_files)
{
	static int run_num;
	pthread_t thread;

	/* (The kernel copies low numbers in any case.) */
	while (dup(STDIN_FILENO) < HIGH)
		;
	pthread_create(&thread, NULL, often, &run_num);
	while (__atomic_load_n(&run_num, __ATOMIC_SEQ_CST) < OFTEN) {
		struct pollfd pollfd;
		int ends[2];

		ck_assert_int_eq(pipe(ends), 0);
		pollfd = (struct pollfd){ .fd = ends[0] };
		close(ends[1]);
		/* Somebody else has the writing end where it does not end at once. */
		ck_assert_int_eq(poll(&pollfd, 1, 0), 1);
		close(ends[0]);
	}
	pthread_join(thread, NULL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("nft_process");
	TCase *tcase = tcase_create("nft_process");

	tcase_add_checked_fixture(tcase, alone, NULL);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, commands_are_run);
	tcase_add_test(tcase, all_or_nothing);
	tcase_add_test(tcase, many_commands);
	tcase_add_test(tcase, no_files);
	tcase_add_test(tcase, each_thread_in_its_namespace);
	tcase_add_test(tcase, holds_no_files);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
