/* SPDX-License-Identifier: MIT */
/*
 * test_keeper.c - the parent goes on while no child can be started, and goes back to the program
 * that it was
 * links: router/keeper.c router/openfiles.c router/program.c router/log.c
 * links: router/privileges.c tests/unit/own_copy.c
 * libs: cap-ng urcu urcu-cds urcu-common
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "own_copy.h"

#include "../../router/keeper.h"
#include "suite.h"

#define NOBODY		65534
#define SHORTAGE_MS	400

/* Children are processes without a C library of their own. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}

static struct {
	unsigned int runs;
	bool resumed;
} *shared;

static char *no_arguments[] = { (char *)"test_keeper", NULL };

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* --- no process left: only who is not root is told so --- */

static void allow_processes(pid_t pid, bool allow)
{
	struct rlimit limit;

	prlimit(pid, RLIMIT_NPROC, NULL, &limit);
	limit.rlim_cur = allow ? limit.rlim_max : 0;
	ck_assert_int_eq(prlimit(pid, RLIMIT_NPROC, &limit, NULL), 0);
}

/* In a process of its own: what happens to the keeper when the shortage has lasted for a while */
static void later(void (*event)(pid_t keeper))
{
	const struct timespec shortage = { .tv_nsec = SHORTAGE_MS * 1000000 };
	pid_t keeper = getpid();

	if (fork())
		return;
	while (!__atomic_load_n(&shared->runs, __ATOMIC_ACQUIRE))
		nanosleep(&shortage, NULL);
	nanosleep(&shortage, NULL);
	event(keeper);
	_exit(EXIT_SUCCESS);
}

static void heal(pid_t keeper)
{
	allow_processes(keeper, true);
}

static void stop(pid_t keeper)
{
	kill(keeper, SIGTERM);
}

/* The first one is killed, and no second one can be started. */
static int router(const struct keeper_start *start)
{
	if (start->resumed) {
		shared->resumed = true;
		return EXIT_SUCCESS;
	}
	allow_processes(getppid(), false);
	__atomic_store_n(&shared->runs, 1, __ATOMIC_RELEASE);
	kill(getpid(), SIGKILL);
	return EXIT_FAILURE;
}

static void become_nobody(void)
{
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	ck_assert_ptr_ne(shared, MAP_FAILED);
	ck_assert_int_eq(setresuid(NOBODY, NOBODY, NOBODY), 0);
}

START_TEST(a_child_is_started_as_soon_as_one_can_be)
{
	uint64_t then = now_ms();

	become_nobody();
	ck_assert_int_eq(keeper_begin(no_arguments), 0);
	later(heal);
	ck_assert_int_eq(keeper_run(router), EXIT_SUCCESS);
	ck_assert(shared->resumed);
	ck_assert_uint_ge(now_ms() - then, SHORTAGE_MS);
}
END_TEST

START_TEST(it_can_be_told_to_stop_meanwhile)
{
	uint64_t then = now_ms();

	become_nobody();
	ck_assert_int_eq(keeper_begin(no_arguments), 0);
	later(stop);
	ck_assert_int_eq(keeper_run(router), EXIT_FAILURE);
	ck_assert(!shared->resumed);
	ck_assert_uint_ge(now_ms() - then, SHORTAGE_MS);
	ck_assert_uint_le(now_ms() - then, 10 * SHORTAGE_MS);
}
END_TEST

/* --- what counts as a death --- */

/* Three are ended by a library, the fourth by a signal of its own making. */
static int end_oddly(const struct keeper_start *start)
{
	unsigned int runs = shared->runs++;

	if (start->deaths != (runs > 3))
		_exit(EXIT_FAILURE);
	if (runs == 3)
		raise(SIGABRT);
	if (runs > 3)
		return EXIT_SUCCESS;
	_exit(2);
}

START_TEST(what_a_library_ended_is_no_death)
{
	become_nobody();
	ck_assert_int_eq(keeper_begin(no_arguments), 0);
	ck_assert_int_eq(keeper_run(end_oddly), EXIT_SUCCESS);
	ck_assert_uint_eq(shared->runs, 5);
}
END_TEST

/* --- this program's copies, "old" and "new", in one another's place --- */

static char directory[] = "/tmp/slim-test-keeper-XXXXXX";

static const char *path_of(const char *name)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	return path;
}

/* Names itself in the file "names"; each of them in a directory of its own. */
static void say_name(const char *name)
{
	char *line;
	int fd = open("names", O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	int len = asprintf(&line, "%s\n", name);

	if (len < 0 || write(fd, line, (size_t)len) != len)
		abort();
	close(fd);
	free(line);
}

static int change(const struct keeper_start *start)
{
	struct keeper_upgrade upgrade = { .client_fd = -1, .from = "old" };
	char program[PATH_MAX] = "";
	struct stat st;

	if (readlink("/proc/self/exe", program, sizeof(program) - 1) < 0)
		abort();
	if (!strcmp(basename(program), "new"))
		return EXIT_FAILURE;
	if (start->resumed)
		return keeper_upgraded() && keeper_upgraded()->error[0] ? EXIT_SUCCESS : EXIT_FAILURE;
	if (!getcwd(directory, sizeof(directory)) || stat("new", &st) < 0)
		abort();
	snprintf(upgrade.path, sizeof(upgrade.path), "%s", path_of("new"));
	upgrade.dev = st.st_dev;
	upgrade.inode = st.st_ino;
	keeper_exit_for(&upgrade);
}

static int act(char **argv)
{
	say_name(argv[0]);
	return keeper_begin(argv) ? EXIT_FAILURE : keeper_run(change);
}

START_TEST(the_old_program_is_called_what_it_was)
{
	char expected[4 * PATH_MAX], names[sizeof(expected)] = "";
	pid_t pid;
	int status;
	FILE *file;

	ck_assert_ptr_nonnull(mkdtemp(directory));
	own_copy(path_of("old"));
	own_copy(path_of("new"));
	pid = fork();
	if (pid == 0) {
		if (chdir(directory) == 0)
			execl("./old", "slimrouter", "--act", NULL);
		_exit(EXIT_FAILURE);
	}
	waitpid(pid, &status, 0);
	file = fopen(path_of("names"), "r");
	ck_assert_ptr_nonnull(file);
	ck_assert_uint_gt(fread(names, 1, sizeof(names) - 1, file), 0);
	fclose(file);
	unlink(path_of("names"));
	unlink(path_of("old"));
	unlink(path_of("new"));
	rmdir(directory);
	snprintf(expected, sizeof(expected), "slimrouter\n%s/new\n%s/old\n", directory, directory);
	ck_assert_str_eq(names, expected);
	ck_assert_int_eq(status, 0);
}
END_TEST

int main(int argc, char **argv)
{
	Suite *suite = suite_create("keeper");
	TCase *tc = tcase_create("keeper");

	if (argc == 2 && !strcmp(argv[1], "--act"))
		return act(argv);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, a_child_is_started_as_soon_as_one_can_be);
	tcase_add_test(tc, it_can_be_told_to_stop_meanwhile);
	tcase_add_test(tc, what_a_library_ended_is_no_death);
	tcase_add_test(tc, the_old_program_is_called_what_it_was);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
