/* SPDX-License-Identifier: MIT */
/*
 * test_accept_pause.c - a pause ends, whatever is short meanwhile
 * links: router/accept_pause.c router/log.c
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "../../router/accept_pause.h"
#include "suite.h"

static unsigned int failures_left, added, removed;
static struct loop_timer *set;

int loop_add(struct loop *loop, struct loop_event *event, uint32_t events)
{
	(void)loop;
	(void)event;
	(void)events;
	if (failures_left) {
		failures_left--;
		return -ENOMEM;
	}
	added++;
	return 0;
}

void loop_remove(struct loop *loop, struct loop_event *event)
{
	(void)loop;
	(void)event;
	removed++;
}

void loop_timer_set(struct loop *loop, struct loop_timer *timer, unsigned int delay)
{
	(void)loop;
	ck_assert_uint_gt(delay, 0);
	set = timer;
}

void loop_timer_clear(struct loop *loop, struct loop_timer *timer)
{
	(void)loop;
	(void)timer;
	set = NULL;
}

static void time_passes(void)
{
	struct loop_timer *timer = set;

	set = NULL;
	if (timer)
		timer->handle(timer);
}

START_TEST(goes_on_until_it_is_watched_again)
{
	struct accept_pause pause = { 0 };
	struct loop_event event = { 0 };

	failures_left = 3;
	accept_pause(NULL, &pause, &event, 1, EMFILE);
	ck_assert_uint_eq(removed, 1);
	for (int i = 0; i < 3; i++) {
		time_passes();
		ck_assert_uint_eq(added, 0);
	}
	time_passes();
	ck_assert_uint_eq(added, 1);
	ck_assert_ptr_null(set);
}
END_TEST

START_TEST(not_for_a_client_that_has_gone)
{
	struct accept_pause pause = { 0 };
	struct loop_event event = { 0 };

	accept_pause(NULL, &pause, &event, 1, ECONNABORTED);
	accept_pause(NULL, &pause, &event, 1, EAGAIN);
	ck_assert_uint_eq(removed, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("accept_pause");
	TCase *tc = tcase_create("userspace");

	tcase_add_test(tc, goes_on_until_it_is_watched_again);
	tcase_add_test(tc, not_for_a_client_that_has_gone);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
