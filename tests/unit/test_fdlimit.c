/* SPDX-License-Identifier: MIT */
/*
 * test_fdlimit.c - the router takes all the descriptors that it may have
 * links: router/fdlimit.c router/log.c
 * libs: cap-ng
 */
#include <cap-ng.h>
#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "../../router/fdlimit.h"
#include "suite.h"

#define HARD	400

static struct config config = {
	.limits = { .containers = 10, .channels = 20, .pending = 30 },
};

static void limit_to(unsigned long hard)
{
	struct rlimit limit = { .rlim_cur = hard / 2, .rlim_max = hard };

	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* Without CAP_SYS_RESOURCE, the hard limit is the last word. */
static void setup(void)
{
	capng_get_caps_process();
	capng_update(CAPNG_DROP, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_SYS_RESOURCE);
	ck_assert_int_eq(capng_apply(CAPNG_SELECT_CAPS), 0);
}

static void raise_it(void)
{
	fdlimit_raise(&config);
}

static void check_it(void)
{
	fdlimit_check(&config, 1);
	fdlimit_check(&config, config.limits.containers);
	fdlimit_check(&config, config.limits.containers);
}

/* What @call logs */
static void logged(void (*call)(void), char *said, size_t size)
{
	int ends[2], kept = dup(STDERR_FILENO);
	ssize_t len;

	ck_assert_int_eq(pipe2(ends, O_NONBLOCK), 0);
	dup2(ends[1], STDERR_FILENO);
	call();
	dup2(kept, STDERR_FILENO);
	len = read(ends[0], said, size - 1);
	said[len > 0 ? len : 0] = '\0';
	close(ends[0]);
	close(ends[1]);
	close(kept);
}

START_TEST(raised_and_too_low)
{
	char said[1024];

	limit_to(HARD);
	logged(raise_it, said, sizeof(said));
	ck_assert_uint_eq(fdlimit_get(), HARD);
	ck_assert_ptr_nonnull(strstr(said, "warning"));
	ck_assert_ptr_nonnull(strstr(said, "LimitNOFILE"));
	ck_assert_uint_eq(fdlimit_containers(&config.limits), 0);
}
END_TEST

/* Who has fewer containers than there may be is not bothered. */
START_TEST(enough_for_some)
{
	struct config_limits few = config.limits;
	char said[1024];

	few.containers = 3;
	limit_to(fdlimit_need(&few));
	logged(raise_it, said, sizeof(said));
	ck_assert_ptr_null(strstr(said, "warning"));
	ck_assert_uint_eq(fdlimit_containers(&config.limits), 3);
	logged(check_it, said, sizeof(said));
	ck_assert_ptr_nonnull(strstr(said, "10 containers"));
	ck_assert_ptr_null(strstr(strstr(said, "10 containers") + 1, "10 containers"));
}
END_TEST

START_TEST(what_limits_need)
{
	struct config_limits more = config.limits;
	unsigned long need = fdlimit_need(&more);

	more.containers *= 100;
	ck_assert_uint_gt(fdlimit_need(&more), need);
	more = config.limits;
	more.pending += 100;
	ck_assert_uint_eq(fdlimit_need(&more), need + 200);
	more.spliced += 100;
	ck_assert_uint_eq(fdlimit_need(&more), need + 600);
	more.unadmitted += 100;
	ck_assert_uint_eq(fdlimit_need(&more), need + 700);
}
END_TEST

START_TEST(counted)
{
	unsigned long used = fdlimit_used();
	int fd = dup(0);

	ck_assert(!used || fdlimit_used() == used + 1);
	close(fd);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("fdlimit");
	TCase *tc = tcase_create("kernel");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, raised_and_too_low);
	tcase_add_test(tc, enough_for_some);
	tcase_add_test(tc, what_limits_need);
	tcase_add_test(tc, counted);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
