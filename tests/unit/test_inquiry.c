/* SPDX-License-Identifier: MIT */
/*
 * test_inquiry.c - how many questions are answered at a time
 *
 * links: router/inquiry.c
 * libs: jansson urcu-common
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "../../router/aside.h"
#include "../../router/control.h"
#include "../../router/inquiry.h"
#include "suite.h"

#define MORE	(INQUIRIES_MAX + 4)

static struct aside *started[MORE];
static unsigned int started_num, heard;
static int error;

int aside_start(struct aside *aside)
{
	if (!error)
		started[started_num++] = aside;
	return error;
}

char *control_reply(json_t *reply)
{
	json_decref(reply);
	return NULL;
}

static json_t *make(int fd)
{
	(void)fd;
	return json_null();
}

static void done(void *data, char *text)
{
	(void)data, (void)text;
	heard++;
}

static bool ask(int fd, bool forget)
{
	struct inquiry *inquiry = inquiry_start(make, fd, done, NULL);

	if (inquiry && forget)
		inquiry_forget(inquiry);
	return inquiry;
}

static void end_one(void)
{
	struct aside *aside = started[--started_num];

	aside->run(aside);
	aside->done(aside);
}

/* Whoever asks and goes away leaves as much work as one who waits. */
START_TEST(there_are_only_so_many)
{
	int fd = open("/dev/null", O_RDONLY);

	for (unsigned int i = 0; i < INQUIRIES_MAX; i++)
		ck_assert(ask(-1, i % 2));
	ck_assert(!ask(fd, false));
	ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
	end_one();
	error = -EAGAIN;
	ck_assert(!ask(-1, false));
	error = 0;
	ck_assert(ask(-1, false));
	ck_assert(!ask(-1, false));
	while (started_num)
		end_one();
	ck_assert_uint_eq(heard, INQUIRIES_MAX / 2 + 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("inquiry");
	TCase *tc = tcase_create("userspace");

	tcase_add_test(tc, there_are_only_so_many);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
