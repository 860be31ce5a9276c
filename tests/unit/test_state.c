/* SPDX-License-Identifier: MIT */
/*
 * test_state.c - state that may be what kills router after router is set aside
 * links: router/state.c router/log.c
 */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../router/log.h"
#include "../../router/state.h"
#include "suite.h"

#define DEATHS_INFLIGHT	4
#define DEATHS_ALL	8

static char directory[] = "/tmp/slim-state-XXXXXX";
static char state[64];
static struct config config;

static void path_of(char path[128], const char *name)
{
	snprintf(path, 128, "%s/%s", directory, name);
}

static void put(const char *name)
{
	char path[128];
	int fd;

	path_of(path, name);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	close(fd);
}

static bool is_there(const char *name)
{
	char path[128];

	path_of(path, name);
	return access(path, F_OK) == 0;
}

static void setup(void)
{
	log_level_set(LOG_LEVEL_ERROR);
	strcpy(directory, "/tmp/slim-state-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(state, sizeof(state), "%s/state", directory);
	ck_assert_int_eq(mkdir(state, 0700), 0);
	config.state = state;
}

static void fill(void)
{
	put("state/containers");
	put("state/inflight");
	put("state/lock");
}

static void empty(const char *path)
{
	char name[512];
	struct dirent *entry;
	DIR *dir = opendir(path);

	ck_assert_ptr_nonnull(dir);
	while ((entry = readdir(dir))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		if (entry->d_type == DT_DIR)
			empty(name);
		ck_assert_int_eq(remove(name), 0);
	}
	closedir(dir);
}

static void teardown(void)
{
	empty(directory);
	ck_assert_int_eq(rmdir(directory), 0);
}

START_TEST(connections_under_way_first)
{
	fill();
	ck_assert_int_eq(state_init(&config, DEATHS_INFLIGHT - 1), 0);
	ck_assert(is_there("state/inflight"));
	ck_assert_int_eq(state_init(&config, DEATHS_INFLIGHT), -EBUSY);
	ck_assert(!is_there("state/inflight"));
	ck_assert(is_there("state/inflight.damaged"));
	ck_assert(is_there("state/containers"));
}
END_TEST

START_TEST(in_use_while_somebody_has_it)
{
	ck_assert(!state_is_in_use(&config));
	fill();
	ck_assert(!state_is_in_use(&config));
	ck_assert_int_eq(state_init(&config, 0), 0);
	ck_assert(state_is_in_use(&config));
}
END_TEST

START_TEST(then_everything)
{
	for (int i = 0; i < 2; i++) {
		fill();
		ck_assert_int_eq(state_init(&config, DEATHS_ALL), 0);
		ck_assert(!is_there("state/containers"));
		ck_assert(is_there(i ? "state.damaged1/containers" : "state.damaged/containers"));
	}
}
END_TEST

/* The directory itself cannot be renamed. */
START_TEST(everything_where_something_is_mounted)
{
	ck_assert_int_eq(unshare(CLONE_NEWNS), 0);
	ck_assert_int_eq(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	ck_assert_int_eq(mount("none", state, "tmpfs", 0, "size=64k"), 0);
	for (int i = 0; i < 2; i++) {
		fill();
		ck_assert_int_eq(state_init(&config, DEATHS_ALL), i ? -EBUSY : 0);
		ck_assert(!is_there("state/containers"));
		ck_assert(!is_there("state/inflight"));
		ck_assert(is_there("state/lock"));
		ck_assert(is_there("state/containers.damaged"));
		ck_assert(is_there("state/inflight.damaged"));
		ck_assert(!is_there("state/containers.damaged.damaged"));
	}
	ck_assert_int_eq(umount2(state, MNT_DETACH), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("state");
	TCase *tc = tcase_create("aside");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, connections_under_way_first);
	tcase_add_test(tc, in_use_while_somebody_has_it);
	tcase_add_test(tc, then_everything);
	tcase_add_test(tc, everything_where_something_is_mounted);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
