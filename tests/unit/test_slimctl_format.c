/* SPDX-License-Identifier: MIT */
/*
 * test_slimctl_format.c - figures and tables as slimctl prints them
 *
 * links: tools/format.c tools/table.c tools/netns.c
 * libs: check
 */
#include <check.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../tools/format.h"
#include "../../tools/netns.h"
#include "../../tools/table.h"
#include "suite.h"

#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))

static const struct {
	int64_t bytes;
	const char *text;
} bytes[] = {
	{ 0, "0 B" }, { 999, "999 B" }, { 1000, "1.0 kB" }, { 1234567, "1.2 MB" },
	{ 9949999, "9.9 MB" }, { 9960000, "10 MB" }, { 999600, "1.0 MB" },
	{ 123456789012, "123 GB" }, { INT64_MAX, "9.2 EB" },
};

START_TEST(format_of_bytes)
{
	char out[FORMAT_MAX];

	ck_assert_str_eq(format_bytes(out, bytes[_i].bytes), bytes[_i].text);
}
END_TEST

static const struct {
	double seconds;
	const char *text;
} durations[] = {
	{ 0, "0.0s" }, { 0.44, "0.4s" }, { 9.99, "9s" }, { 59.9, "59s" }, { 60, "1m00s" },
	{ 192, "3m12s" }, { 7500, "2h05m" }, { 4 * 86400 + 3 * 3600 + 59, "4d03h" },
	{ -1, "?" }, { 1e300, "?" }, { (double)NAN, "?" },
};

START_TEST(format_of_durations)
{
	char out[FORMAT_MAX];

	ck_assert_str_eq(format_duration(out, durations[_i].seconds), durations[_i].text);
}
END_TEST

static const struct {
	double us;
	const char *text;
} times[] = {
	{ 0, "0 us" }, { 85, "85 us" }, { 1200, "1.2 ms" }, { 999700, "1.0 s" }, { 3.4e6, "3.4 s" },
};

START_TEST(format_of_round_trips)
{
	char out[FORMAT_MAX];

	ck_assert_str_eq(format_microseconds(out, times[_i].us), times[_i].text);
}
END_TEST

static char *printed(const char *const *cells, size_t num)
{
	static const struct table_column columns[] = { { "NAME", 0 }, { "N", 1 }, { "END", 0 } };
	struct table *table = table_new(columns, 3);
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	for (size_t i = 0; i < num; i++)
		table_add(table, cells[i]);
	table_print(table, file);
	fclose(file);
	table_free(table);
	return text;
}

START_TEST(table_empty)
{
	char *text = printed(NULL, 0);

	ck_assert_str_eq(text, "NAME  N  END\n");
	free(text);
}
END_TEST

START_TEST(table_rows)
{
	static const char *const cells[] = { "a", "1", "x", "käse-lang", "1000", "", NULL, "20", "y" };
	char *text = printed(cells, 9);

	ck_assert_str_eq(text,
			 "NAME          N  END\n"
			 "a             1  x\n"
			 "käse-lang  1000  -\n"
			 "-            20  y\n");
	free(text);
}
END_TEST

START_TEST(table_hostile)
{
	char text[] = "a\033[2Jb\nc\177d\302\233e\303\244";

	table_clean(text);
	ck_assert_str_eq(text, "a?[2Jb?c?d??e\303\244");
}
END_TEST

static const struct {
	const char *name, *path;
	int err;
} paths[] = {
	{ "blue", "/run/netns/blue", 0 },
	{ "/proc/7/ns/net", "/proc/7/ns/net", 0 },
	{ "./x", "/tmp/./x", 0 },
	{ "", NULL, -EINVAL },
	{ "/proc/self/ns/net", NULL, -EINVAL },
	{ "/proc/thread-self/ns/net", NULL, -EINVAL },
	{ "/a/path/of/fifty/bytes/or/more/is/too/long/for/the/test", NULL, -ENAMETOOLONG },
};

START_TEST(netns_paths)
{
	char path[32];

	ck_assert_int_eq(chdir("/tmp"), 0);
	ck_assert_int_eq(netns_path(paths[_i].name, path, sizeof(path)), paths[_i].err);
	if (!paths[_i].err)
		ck_assert_str_eq(path, paths[_i].path);
}
END_TEST

static const struct {
	const char *path;
	int err;
} opened[] = {
	{ "/proc/self/ns/net", 0 },
	{ "/proc/self/ns/uts", -ENOTTY },
	{ "/dev/null", -ENOTTY },
	{ "/nonexistent", -ENOENT },
};

START_TEST(netns_opened)
{
	int fd = netns_open(opened[_i].path);

	ck_assert_int_eq(fd < 0 ? fd : 0, opened[_i].err);
	if (fd >= 0)
		close(fd);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("slimctl_format");
	TCase *t = tcase_create("userspace");

	tcase_add_loop_test(t, format_of_bytes, 0, COUNT(bytes));
	tcase_add_loop_test(t, format_of_durations, 0, COUNT(durations));
	tcase_add_loop_test(t, format_of_round_trips, 0, COUNT(times));
	tcase_add_test(t, table_empty);
	tcase_add_test(t, table_rows);
	tcase_add_test(t, table_hostile);
	tcase_add_loop_test(t, netns_paths, 0, COUNT(paths));
	tcase_add_loop_test(t, netns_opened, 0, COUNT(opened));
	suite_add_tcase(s, t);
	return suite_run(s);
}
