/* SPDX-License-Identifier: MIT */
/*
 * test_upgrade.c - a program that is to replace the router rehearses, whatever it does
 * links: router/upgrade.c router/program.c router/aside.c router/slice.c router/loop.c router/log.c
 * links: tests/unit/own_copy.c
 * libs: urcu urcu-common jansson
 */
#include <check.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <fcntl.h>
#include <unistd.h>
#include <urcu.h>

#include "own_copy.h"

#include "../../router/aside.h"
#include "../../router/inherited.h"
#include "../../router/keeper.h"
#include "../../router/rehearsal.h"
#include "../../router/upgrade.h"
#include "suite.h"

#define MOVED	"--moved"
#define CPU_MS	300

static char directory[] = "/tmp/slim-test-upgrade-XXXXXX";
static struct loop *loop;
static char said[1024];
static const char *expected_path;

/* --- what upgrade.c is linked with elsewhere --- */

const struct keeper_upgrade *keeper_upgraded(void)
{
	return NULL;
}

void keeper_upgrade_settled(void)
{
}

void keeper_exit_for(const struct keeper_upgrade *upgrade)
{
	if (strcmp(upgrade->path, expected_path))
		fprintf(stderr, "it would be replaced by %s\n", upgrade->path);
	_exit(strcmp(upgrade->path, expected_path) ? EXIT_FAILURE : EXIT_SUCCESS);
}

uint64_t inherited_cookie(int unused)
{
	(void)unused;
	return 0;
}

int inherited_take(int unused, uint64_t cookie)
{
	(void)unused;
	(void)cookie;
	return -1;
}

/* --- */

static const char *path_of(const char *name)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	return path;
}

static void script(const char *path, const char *commands)
{
	FILE *file = fopen(path, "we");

	if (!file)
		abort();
	fprintf(file, "#!/bin/sh\n%s\n", commands);
	fchmod(fileno(file), 0700);
	fclose(file);
}

static void checked(const char *error)
{
	snprintf(said, sizeof(said), "%s", error ? error : "");
	loop_stop(loop);
}

/* What is said of @binary; empty: nothing. */
static const char *check(const char *binary)
{
	int err;

	rcu_register_thread();
	loop = loop_new();
	aside_init(loop);
	err = upgrade_check(binary, checked, said, sizeof(said));
	if (!err)
		loop_run(loop);
	loop_free(loop);
	rcu_unregister_thread();
	return said;
}

static void begin(void)
{
	static char *arguments[] = { (char *)"test", NULL };

	upgrade_init(arguments);
}

static void setup(void)
{
	ck_assert_ptr_nonnull(mkdtemp(directory));
	begin();
}

static void teardown(void)
{
	static const char *const names[] = { "program", "moved" };

	for (int i = 0; i < 2; i++)
		unlink(path_of(names[i]));
	rmdir(directory);
}

static long cpu_ms(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000 +
	       (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000;
}

static const struct {
	const char *commands, *said;
} rehearsals[] = {
	{ "echo '" REHEARSAL_WORD "x'", "" },
	{ "echo '" REHEARSAL_WORD "x'; exec >&- 2>&-; sleep 2", "" },
	{ "exec >&- 2>&-; sleep 2", "it said nothing" },
	{ "echo so; exit 3", "exit status 3: so" },
	{ "kill -9 $$", "killed by signal 9" },
	{ "yes | head -c 100000; echo '" REHEARSAL_WORD "x'", "no slimrouter" },
};

/* ... and costs next to nothing, while it takes its time. */
START_TEST(what_a_rehearsal_says)
{
	long before = cpu_ms();
	const char *what;

	script(path_of("program"), rehearsals[_i].commands);
	what = check(path_of("program"));
	ck_assert_int_le(cpu_ms() - before, CPU_MS);
	if (rehearsals[_i].said[0])
		ck_assert_msg(strstr(what, rehearsals[_i].said), "it said: %s", what);
	else
		ck_assert_str_eq(what, "");
}
END_TEST

/* In a copy of this program: its file is renamed, and another one has its name. */
static int be_moved(void)
{
	char own[PATH_MAX];

	if (!getcwd(directory, sizeof(directory)))
		abort();
	snprintf(own, sizeof(own), "%s", path_of("program"));
	expected_path = own;
	begin();
	if (rename(own, path_of("moved")))
		abort();
	script(own, "echo '" REHEARSAL_WORD "x'");
	if (check(NULL)[0]) {
		fprintf(stderr, "%s\n", said);
		return EXIT_FAILURE;
	}
	upgrade_go(-1);
}

START_TEST(without_a_name_it_is_who_has_ours)
{
	int status;
	pid_t pid;

	own_copy(path_of("program"));
	pid = fork();
	if (pid == 0) {
		if (chdir(directory) == 0)
			execl("program", "program", MOVED, NULL);
		_exit(EXIT_FAILURE);
	}
	waitpid(pid, &status, 0);
	ck_assert_int_eq(status, 0);
}
END_TEST

int main(int argc, char **argv)
{
	Suite *suite = suite_create("upgrade");
	TCase *tc = tcase_create("upgrade");

	if (argc == 2 && !strcmp(argv[1], MOVED))
		return be_moved();
	/* It must not rehearse by testing itself. */
	if (argc > 1)
		return EXIT_FAILURE;
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 30);
	tcase_add_loop_test(tc, what_a_rehearsal_says, 0,
			    sizeof(rehearsals) / sizeof(rehearsals[0]));
	tcase_add_test(tc, without_a_name_it_is_who_has_ours);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
