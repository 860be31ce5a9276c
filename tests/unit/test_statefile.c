/* SPDX-License-Identifier: MIT */
/*
 * test_statefile.c - records outlive the process, damage does not
 * links: router/statefile.c router/endpoint.c router/log.c
 */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../router/statefile.h"
#include "suite.h"

struct record {
	uint64_t number;
	char text[24];
	uint64_t again;
};

static const struct statefile_layout layout = {
	.name = "records", .version = 3, .size = sizeof(struct record), .max = 100000,
};

static char directory[] = "/tmp/slim-state-XXXXXX";
static struct statefile *file;

static void setup(void)
{
	strcpy(directory, "/tmp/slim-state-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	file = statefile_open(directory, &layout);
	ck_assert_ptr_nonnull(file);
}

static void teardown(void)
{
	char path[64];

	statefile_close(file);
	snprintf(path, sizeof(path), "%s/records", directory);
	unlink(path);
	snprintf(path, sizeof(path), "%s/records.damaged", directory);
	remove(path);
	ck_assert_int_eq(rmdir(directory), 0);
}

static void reopen(void)
{
	statefile_close(file);
	file = statefile_open(directory, &layout);
	ck_assert_ptr_nonnull(file);
}

static void commit(struct record *record, uint64_t number)
{
	record->number = record->again = number;
	statefile_commit(file, record);
}

static struct record *store(uint64_t number)
{
	struct record *record = statefile_new(file);

	suite_assert(record);
	suite_assert(!record->number);
	commit(record, number);
	return record;
}

/* For a child that is killed: Check's own file, which it shares, would be left half written by an assertion. */
static void store_silently(uint64_t number)
{
	struct record *record = statefile_new(file);

	if (!record || record->number)
		_exit(1);
	commit(record, number);
}

struct sum {
	unsigned int num;
	uint64_t sum;
};

static void add_up(void *data, void *arg)
{
	const struct record *record = data;
	struct sum *sum = arg;

	suite_assert(record->number == record->again);
	sum->num++;
	sum->sum += record->number;
}

static struct sum sum_all(void)
{
	struct sum sum = { 0 };

	statefile_each(file, add_up, &sum);
	ck_assert_uint_eq(sum.num, statefile_num(file));
	return sum;
}

static void patch(off_t at, const void *bytes, size_t len)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "%s/records", directory);
	fd = open(path, O_WRONLY);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pwrite(fd, bytes, len, at), (ssize_t)len);
	close(fd);
}

static bool set_aside(void)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/records.damaged", directory);
	return access(path, F_OK) == 0;
}

START_TEST(records_stay)
{
	struct record *second;

	store(1);
	second = store(20);
	store(300);
	ck_assert_uint_eq(sum_all().sum, 321);
	statefile_drop(file, second);
	ck_assert_uint_eq(sum_all().sum, 301);
	reopen();
	ck_assert_uint_eq(sum_all().sum, 301);
	ck_assert(!set_aside());
}
END_TEST

START_TEST(what_is_not_committed_is_not_there)
{
	struct record *record = statefile_new(file);

	record->number = 7;
	ck_assert_uint_eq(sum_all().num, 0);
	reopen();
	ck_assert_uint_eq(sum_all().num, 0);
	/* and its slot is free again */
	for (uint64_t i = 1; i <= 10; i++)
		store(i);
	ck_assert_uint_eq(sum_all().sum, 55);
}
END_TEST

START_TEST(grows_and_is_bounded)
{
	struct record *last = NULL;

	for (uint64_t i = 1; i <= layout.max; i++)
		last = store(i);
	ck_assert_ptr_null(statefile_new(file));
	ck_assert_int_eq(errno, ENOSPC);
	statefile_drop(file, last);
	ck_assert_ptr_eq(store(5), last);
	reopen();
	ck_assert_uint_eq(sum_all().num, layout.max);
}
END_TEST

START_TEST(one_damaged_record_is_dropped)
{
	store(1);
	store(20);
	store(300);
	/* the second record's number: header page, slots of 16 + 40 bytes */
	patch(4096 + 56 + 16, "\xff", 1);
	reopen();
	ck_assert_uint_eq(sum_all().sum, 301);
	ck_assert(!set_aside());
}
END_TEST

START_TEST(another_version_is_set_aside)
{
	store(1);
	patch(24, "\xff", 1);
	reopen();
	ck_assert_uint_eq(sum_all().num, 0);
	ck_assert(set_aside());
	store(4);
	reopen();
	ck_assert_uint_eq(sum_all().sum, 4);
}
END_TEST

START_TEST(garbage_is_set_aside)
{
	char bytes[10000];
	char path[64];

	snprintf(path, sizeof(path), "%s/records", directory);
	for (size_t len = 1; len < sizeof(bytes); len = len * 3 + 1) {
		memset(bytes, (int)len, sizeof(bytes));
		ck_assert_int_eq(truncate(path, 0), 0);
		patch(0, bytes, len);
		reopen();
		ck_assert_uint_eq(sum_all().num, 0);
		ck_assert(set_aside());
		store(len);
	}
}
END_TEST

/* A directory, a link (to a file that stays as it is) or a FIFO in the file's place */
START_TEST(what_is_no_file_is_set_aside)
{
	char path[64], other[64], aside[64];
	struct stat st;

	snprintf(path, sizeof(path), "%s/records", directory);
	snprintf(other, sizeof(other), "%s/other", directory);
	snprintf(aside, sizeof(aside), "%s/records.damaged", directory);
	for (int kind = 0; kind < 3; kind++) {
		store(1);
		ck_assert_int_eq(kind == 1 ? rename(path, other) : unlink(path), 0);
		ck_assert_int_eq(kind == 0 ? mkdir(path, 0700) : kind == 1 ? symlink(other, path) :
				 mkfifo(path, 0600), 0);
		reopen();
		ck_assert_ptr_nonnull(file);
		ck_assert_uint_eq(sum_all().num, 0);
		ck_assert_int_eq(lstat(aside, &st), 0);
		ck_assert(!S_ISREG(st.st_mode));
		ck_assert_int_eq(remove(aside), 0);
		store(4);
		reopen();
		ck_assert_uint_eq(sum_all().sum, 4);
		ck_assert_int_eq(kind == 1 ? unlink(other) : 0, 0);
		ck_assert_int_eq(unlink(path), 0);
		reopen();
	}
}
END_TEST

START_TEST(cut_short)
{
	char path[64];

	for (uint64_t i = 1; i <= 100; i++)
		store(i);
	statefile_close(file);
	snprintf(path, sizeof(path), "%s/records", directory);
	/* within the 11th record */
	ck_assert_int_eq(truncate(path, 4096 + 10 * 56 + 20), 0);
	file = statefile_open(directory, &layout);
	ck_assert_uint_eq(sum_all().sum, 55);
	for (uint64_t i = 11; i <= 100; i++)
		store(i);
	ck_assert_uint_eq(sum_all().sum, 5050);
}
END_TEST

START_TEST(one_process_at_a_time)
{
	ck_assert_ptr_null(statefile_open(directory, &layout));
	ck_assert_int_eq(errno, EBUSY);
}
END_TEST

#define THREADS	4
#define TURNS	20000

static void *churn(void *unused)
{
	struct record *kept[16] = { NULL };

	(void)unused;
	for (unsigned int i = 0; i < TURNS; i++) {
		struct record **place = &kept[i % 16];

		statefile_drop(file, *place);
		*place = store(i);
		suite_assert((*place)->again == i);
	}
	return NULL;
}

START_TEST(threads_share_it)
{
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, churn, NULL), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	ck_assert_uint_eq(sum_all().num, THREADS * 16);
}
END_TEST

/* Whenever it is killed, all that it committed is there, and whole. */
START_TEST(killed_at_any_time)
{
	for (unsigned int round = 0; round < 30; round++) {
		struct sum before = sum_all(), after;
		int status, ready[2];
		char byte;
		pid_t pid;

		ck_assert_int_eq(pipe(ready), 0);
		pid = fork();
		if (pid == 0) {
			for (uint64_t i = 1; i < 2000; i++) {
				statefile_drop(file, statefile_new(file));
				store_silently(i);
				if (i == 5 && write(ready[1], "", 1) != 1)
					_exit(1);
			}
			pause();
		}
		ck_assert_int_eq(read(ready[0], &byte, 1), 1);
		for (volatile unsigned int i = 0; i < round * 20000; i++)
			;
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		close(ready[0]);
		close(ready[1]);
		reopen();
		after = sum_all();
		ck_assert_uint_ge(after.num, before.num + 5);
	}
}
END_TEST

/* A full disk is an error, not a SIGBUS. */
START_TEST(full_disk)
{
	char small[] = "/tmp/slim-small-XXXXXX";
	struct statefile_layout other = layout;
	struct statefile *full;
	unsigned int num = 0;

	ck_assert_ptr_nonnull(mkdtemp(small));
	ck_assert_int_eq(unshare(CLONE_NEWNS), 0);
	ck_assert_int_eq(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	ck_assert_int_eq(mount("none", small, "tmpfs", 0, "size=400k"), 0);
	full = statefile_open(small, &other);
	ck_assert_ptr_nonnull(full);
	for (;;) {
		struct record *record = statefile_new(full);

		if (!record)
			break;
		record->number = ++num;
		statefile_commit(full, record);
	}
	ck_assert_int_eq(errno, ENOSPC);
	ck_assert_uint_gt(num, 4000);
	statefile_close(full);
	umount(small);
	rmdir(small);
}
END_TEST

START_TEST(checked_from_outside)
{
	struct statefile_layout other = layout;
	char path[64];
	int fd;

	/* While it is open and locked. */
	ck_assert_int_eq(statefile_check(directory, &layout), 0);
	other.version++;
	ck_assert_int_eq(statefile_check(directory, &other), -EPROTO);
	other = layout;
	other.size += 8;
	ck_assert_int_eq(statefile_check(directory, &other), -EPROTO);
	other = layout;
	other.max *= 2;
	ck_assert_int_eq(statefile_check(directory, &other), 0);
	other.name = "nothing";
	ck_assert_int_eq(statefile_check(directory, &other), 0);
	snprintf(path, sizeof(path), "%s/records", directory);
	fd = open(path, O_WRONLY);
	ck_assert_int_eq(pwrite(fd, "x", 1, 0), 1);
	close(fd);
	ck_assert_int_eq(statefile_check(directory, &layout), -EPROTO);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("statefile");
	TCase *tc = tcase_create("files");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, checked_from_outside);
	tcase_add_test(tc, records_stay);
	tcase_add_test(tc, what_is_not_committed_is_not_there);
	tcase_add_test(tc, grows_and_is_bounded);
	tcase_add_test(tc, one_damaged_record_is_dropped);
	tcase_add_test(tc, another_version_is_set_aside);
	tcase_add_test(tc, garbage_is_set_aside);
	tcase_add_test(tc, what_is_no_file_is_set_aside);
	tcase_add_test(tc, cut_short);
	tcase_add_test(tc, one_process_at_a_time);
	tcase_add_test(tc, threads_share_it);
	tcase_add_test(tc, killed_at_any_time);
	tcase_add_test(tc, full_disk);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
