/* SPDX-License-Identifier: MIT */
/*
 * test_reload.c - a policy is put in force by all enforcers or by none, and who asks is told
 *
 * links: tests/unit/fake_guard.c router/reload.c
 * libs: urcu urcu-common
 */
#include <check.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <urcu.h>

#include "../../router/aside.h"
#include "../../router/counters.h"
#include "../../router/cutting.h"
#include "../../router/enforcer.h"
#include "../../router/enforcer_packet.h"
#include "../../router/enforcer_rates.h"
#include "../../router/log.h"
#include "../../router/policy_archive.h"
#include "../../router/policy_force.h"
#include "../../router/policy_roll.h"
#include "../../router/reload.h"
#include "../../router/state.h"
#include "suite.h"

#define THERE		"/dev/null"
#define NOWHERE		"/nowhere/policy"

#define READ		" load compile"
#define SAVED		" saved compile"
#define STAGE		" stage-rates stage-packet stage-slim"
#define COMMIT		" commit-rates commit-packet commit-slim"
#define REVOKE		" revoke-slim revoke-packet revoke-rates"
#define GOOD		READ STAGE " write" COMMIT " keep" REVOKE
#define BEGIN		" begin-roll begin-packet"

/* --- what it stands on: each step is noted --- */

struct counters counters;

static struct config config;
static struct policy policy;
static struct policy_compiled compiled = { .policy = &policy };

/*
 * @steps:	since the last look
 * @failing:	those that do
 * @archive:	what reading it gives; @archived: files in it
 */
static struct {
	char steps[1000];
	const char *failing;
	int archive;
	uint32_t archived;
	struct aside *aside;		/* that runs */
	bool no_thread;
	unsigned int began;
	struct policy_compiled *staged, *in_force;
	uint64_t generation;
	char said[200];			/* the last error */
} world;

static int step(const char *what)
{
	char word[50];

	snprintf(word, sizeof(word), " %s", what);
	ck_assert_uint_lt(strlen(world.steps) + strlen(word), sizeof(world.steps));
	strcat(world.steps, word);
	return world.failing && strstr(world.failing, what) ? -EIO : 0;
}

#define FAKE(name)								\
static int name##_stage(struct policy_compiled *staged)				\
{										\
	world.staged = staged;							\
	return step("stage-" #name);						\
}										\
										\
static void name##_abort(void)							\
{										\
	step("abort-" #name);							\
}										\
										\
static void name##_revoke(void)							\
{										\
	step("revoke-" #name);							\
}										\
										\
const struct enforcer enforcer_##name = {					\
	name##_stage, name##_commit, name##_abort, name##_revoke,		\
}

static int rates_commit(void)
{
	return step("commit-rates");
}

static int packet_commit(void)
{
	return step("commit-packet");
}

static int slim_commit(void)
{
	int err = step("commit-slim");

	if (err)
		return err;
	world.in_force = world.staged;
	world.generation++;
	return 0;
}

FAKE(rates);
FAKE(packet);
FAKE(slim);

int aside_start(struct aside *aside)
{
	ck_assert_ptr_null(world.aside);
	if (world.no_thread)
		return -ENOMEM;
	world.aside = aside;
	world.began++;
	return 0;
}

static struct policy *load(const char *what, char **errors)
{
	if (!step(what))
		return &policy;
	*errors = strdup("it:1:1: wrong\nit:2:1: wrong, too\n");
	return NULL;
}

struct policy *policy_load(const char *file, const struct config *with, char **errors)
{
	ck_assert_ptr_eq(file, config.policy);
	ck_assert_ptr_eq(with, &config);
	return load("load", errors);
}

struct policy *policy_load_saved(const struct policy_sources *saved, const struct config *with, char **errors)
{
	ck_assert_uint_eq(saved->files_num, world.archived);
	ck_assert_ptr_eq(with, &config);
	return load("saved", errors);
}

void policy_free(struct policy *freed)
{
	if (freed)
		step("free");
}

struct policy_compiled *policy_compile(struct policy *from, const struct config *with, char **errors)
{
	ck_assert_ptr_eq(from, &policy);
	ck_assert_ptr_eq(with, &config);
	if (!step("compile"))
		return &compiled;
	*errors = strdup("too much\n");
	return NULL;
}

void policy_compiled_put(struct policy_compiled *put)
{
	if (put)
		step("put");
}

const struct policy_compiled *policy_in_force(void)
{
	return world.in_force;
}

uint64_t policy_generation(void)
{
	return world.generation;
}

int policy_publish_closed(void)
{
	return step("close");
}

const char *state_directory(void)
{
	return "state";
}

int policy_archive_write(const char *directory, const struct policy_sources *sources)
{
	ck_assert_str_eq(directory, "state");
	ck_assert_ptr_nonnull(sources);
	return step("write");
}

int policy_archive_commit(const char *directory, bool any)
{
	ck_assert_str_eq(directory, "state");
	return step(any ? "keep" : "keep-none");
}

int policy_archive_read(const char *directory, struct policy_sources *sources)
{
	ck_assert_str_eq(directory, "state");
	step("read");
	*sources = (struct policy_sources){ .files_num = world.archive ? 0 : world.archived };
	return world.archive;
}

void policy_sources_free(struct policy_sources *sources)
{
	*sources = (struct policy_sources){ 0 };
}

void cutting_init(struct loop *control)
{
	(void)control;
}

void cutting_start(void)
{
	step("cut");
}

void policy_roll_init(struct loop *control)
{
	(void)control;
}

void policy_roll_begin(void)
{
	step("begin-roll");
}

void enforcer_packet_init(struct loop *control)
{
	(void)control;
}

void enforcer_packet_begin(void)
{
	step("begin-packet");
}

void enforcer_rates_init(const struct config *from, struct loop *control)
{
	(void)from;
	(void)control;
}

void enforcer_rates_begin(void)
{
	step("begin-rates");
}

void policy_roll_exit(void)
{
}

void cutting_exit(void)
{
}

void enforcer_rates_exit(void)
{
}

void enforcer_packet_exit(void)
{
}

void policy_force_exit(void)
{
}

void log_error(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(world.said, sizeof(world.said), format, args);
	va_end(args);
}

void log_warning(const char *format, ...)
{
	(void)format;
}

void log_info(const char *format, ...)
{
	(void)format;
}

/* --- what happens --- */

/* Whoever asks; @next: another, who does when this one is told */
struct asker {
	struct reload_waiter waiter;
	struct asker *next;
	unsigned int told;
	char error[200];		/* "": it is in force */
	uint64_t generation;
};

static void told(struct reload_waiter *waiter, const struct reload_outcome *outcome)
{
	struct asker *asker = caa_container_of(waiter, struct asker, waiter);

	asker->told++;
	snprintf(asker->error, sizeof(asker->error), "%s", outcome->error ? outcome->error : "");
	asker->generation = outcome->generation;
	if (asker->next)
		reload_ask(&asker->next->waiter);
}

static void ask(struct asker *asker)
{
	asker->waiter.done = told;
	reload_ask(&asker->waiter);
}

static void thread_runs(void)
{
	ck_assert_ptr_nonnull(world.aside);
	world.aside->run(world.aside);
}

static void thread_ends(void)
{
	struct aside *aside = world.aside;

	ck_assert_ptr_nonnull(aside);
	world.aside = NULL;
	aside->done(aside);
}

static void reads(void)
{
	thread_runs();
	thread_ends();
}

/* These steps, in this order, since the last time */
static void has_done(const char *steps)
{
	ck_assert_str_eq(world.steps, steps);
	world.steps[0] = '\0';
}

static void setup(void)
{
	rcu_register_thread();
	config.policy = THERE;
	world.archive = -ENOENT;
}

static void started(void)
{
	setup();
	ck_assert_int_eq(reload_init(&config, NULL, false), 0);
	has_done(READ STAGE " write" COMMIT " keep");
	reload_begin();
	has_done(BEGIN " begin-rates cut");
	ck_assert_uint_eq(counters.reloads, 1);
}

/* --- one after the other --- */

START_TEST(all_commit_in_their_order_and_revoke_backwards)
{
	struct asker asker = { 0 };

	ask(&asker);
	has_done("");
	thread_runs();
	has_done(READ STAGE " write");
	ck_assert_ptr_eq(world.staged, &compiled);
	ck_assert_uint_eq(asker.told, 0);
	thread_ends();
	has_done(COMMIT " keep" REVOKE);
	ck_assert_uint_eq(asker.told, 1);
	ck_assert_str_eq(asker.error, "");
	ck_assert_uint_eq(asker.generation, 2);
	ck_assert_uint_eq(counters.reloads, 2);
	ck_assert_uint_eq(counters.reloads_failed, 0);
	ck_assert_ptr_null(world.aside);
}
END_TEST

/* What fails, what is done then, and what is said */
static const struct {
	const char *failing, *steps, *error;
} failures[] = {
	{ "load", " load", "it:1:1: wrong\nit:2:1: wrong, too\n" },
	{ "compile", " load compile free", "too much\n" },
	{ "stage-rates", READ " stage-rates abort-rates put", THERE ": Input/output error\n" },
	{ "stage-packet", READ " stage-rates stage-packet abort-packet abort-rates put",
	  THERE ": Input/output error\n" },
	{ "stage-slim", READ STAGE " abort-slim abort-packet abort-rates put",
	  THERE ": Input/output error\n" },
	/* The compiled policy is the last one's by then. */
	{ "commit-slim", READ STAGE " write" COMMIT, THERE ": Input/output error\n" },
};

#define FAILURES_NUM	((int)(sizeof(failures) / sizeof(failures[0])))

START_TEST(what_fails_changes_nothing)
{
	struct asker askers[3] = { 0 };

	world.failing = failures[_i].failing;
	ask(&askers[0]);
	thread_runs();
	/* (They are told of the next one.) */
	ask(&askers[1]);
	ask(&askers[2]);
	thread_ends();
	has_done(failures[_i].steps);
	ck_assert_uint_eq(world.generation, 1);
	ck_assert_str_eq(askers[0].error, failures[_i].error);
	ck_assert_uint_eq(askers[0].generation, 1);
	ck_assert_uint_eq(counters.reloads_failed, 1);
	ck_assert_str_eq(world.said, "the policy was not loaded: the former one stays in force");
	reads();
	has_done(failures[_i].steps);
	for (int i = 0; i < 3; i++) {
		ck_assert_uint_eq(askers[i].told, 1);
		ck_assert_str_eq(askers[i].error, failures[_i].error);
	}
	ck_assert_uint_eq(counters.reloads, 3);
	ck_assert_uint_eq(counters.reloads_failed, 2);
	/* Nor does it stay. */
	world.failing = NULL;
	ask(&askers[0]);
	reads();
	has_done(GOOD);
	ck_assert_str_eq(askers[0].error, "");
	ck_assert_uint_eq(counters.reloads_failed, 2);
}
END_TEST

START_TEST(what_cannot_be_kept_is_in_force_all_the_same)
{
	struct asker asker = { 0 };

	world.failing = "write keep";
	ask(&asker);
	reads();
	has_done(GOOD);
	ck_assert_str_eq(asker.error, "");
}
END_TEST

START_TEST(a_file_that_is_gone_is_an_error)
{
	struct asker asker = { 0 };

	config.policy = NOWHERE;
	world.failing = "load";
	ask(&asker);
	reads();
	has_done(" load");
	ck_assert_str_ne(asker.error, "");
}
END_TEST

/* --- several at once --- */

START_TEST(who_asks_meanwhile_gets_the_next)
{
	struct asker first = { 0 }, second = { 0 }, third = { 0 };

	ask(&first);
	thread_runs();
	ask(&second);
	reload_ask(NULL);
	ask(&third);
	ck_assert_uint_eq(world.began, 1);
	thread_ends();
	ck_assert_uint_eq(first.told, 1);
	ck_assert_uint_eq(second.told + third.told, 0);
	ck_assert_uint_eq(world.began, 2);
	has_done(GOOD);
	reads();
	has_done(GOOD);
	ck_assert_uint_eq(first.told, 1);
	ck_assert_uint_eq(second.told, 1);
	ck_assert_uint_eq(third.told, 1);
	ck_assert_uint_eq(third.generation, first.generation + 1);
	ck_assert_uint_eq(world.began, 2);
}
END_TEST

START_TEST(signals_meanwhile_are_one)
{
	reload_ask(NULL);
	for (int i = 0; i < 5; i++)
		reload_ask(NULL);
	reads();
	reads();
	has_done(GOOD GOOD);
	ck_assert_uint_eq(world.began, 2);
	ck_assert_ptr_null(world.aside);
}
END_TEST

START_TEST(who_asks_when_told_gets_the_next)
{
	struct asker second = { .waiter.done = told }, first = { .next = &second };

	ask(&first);
	reads();
	ck_assert_uint_eq(first.told, 1);
	ck_assert_uint_eq(second.told, 0);
	reads();
	ck_assert_uint_eq(first.told, 1);
	ck_assert_uint_eq(second.told, 1);
	has_done(GOOD GOOD);
}
END_TEST

START_TEST(who_has_gone_is_told_nothing)
{
	struct asker first = { 0 }, second = { 0 }, third = { 0 };

	ask(&first);
	thread_runs();
	ask(&second);
	ask(&third);
	reload_forget(&first.waiter);
	reload_forget(&second.waiter);
	thread_ends();
	reads();
	ck_assert_uint_eq(first.told + second.told, 0);
	ck_assert_uint_eq(third.told, 1);
}
END_TEST

START_TEST(without_a_thread)
{
	struct asker asker = { 0 };

	world.no_thread = true;
	ask(&asker);
	has_done("");
	ck_assert_str_eq(asker.error, "there is no thread to read the policy with\n");
	ck_assert_uint_eq(counters.reloads_failed, 1);
	world.no_thread = false;
	ask(&asker);
	reads();
	has_done(GOOD);
	ck_assert_uint_eq(asker.told, 2);
	ck_assert_str_eq(asker.error, "");
}
END_TEST

/* --- at start --- */

START_TEST(without_a_file)
{
	config.policy = NOWHERE;
	ck_assert_int_eq(reload_init(&config, NULL, false), 0);
	has_done(STAGE " write" COMMIT " keep-none");
	ck_assert_ptr_null(world.in_force);
	reload_ask(NULL);
	reads();
	has_done(STAGE " write" COMMIT " keep-none" REVOKE);
	config.policy = THERE;
	reload_ask(NULL);
	reads();
	has_done(GOOD);
	ck_assert_ptr_eq(world.in_force, &compiled);
}
END_TEST

START_TEST(with_errors)
{
	world.failing = "load";
	ck_assert_int_eq(reload_init(&config, NULL, false), -EINVAL);
	has_done(" load read");
	ck_assert_str_eq(world.said, "the policy was not loaded: the router does not start without it");
	ck_assert_uint_eq(counters.reloads_failed, 1);
}
END_TEST

START_TEST(with_errors_an_earlier_one_stays)
{
	world.failing = "load";
	world.archive = 0;
	world.archived = 1;
	ck_assert_int_eq(reload_init(&config, NULL, false), 0);
	has_done(" load read" SAVED STAGE COMMIT);
	ck_assert_uint_eq(counters.reloads_failed, 1);
}
END_TEST

START_TEST(with_errors_in_both)
{
	world.failing = "load saved";
	world.archive = 0;
	world.archived = 1;
	ck_assert_int_eq(reload_init(&config, NULL, false), -EINVAL);
	has_done(" load read saved");
}
END_TEST

/* Whatever the file says by now */
START_TEST(resumed)
{
	world.archive = 0;
	world.archived = 1;
	ck_assert_int_eq(reload_init(&config, NULL, true), 0);
	has_done(" read" SAVED STAGE COMMIT);
	reload_begin();
	has_done(BEGIN " begin-rates cut");
	reload_ask(NULL);
	reads();
	has_done(GOOD);
}
END_TEST

START_TEST(resumed_without_a_policy)
{
	world.archive = 0;
	ck_assert_int_eq(reload_init(&config, NULL, true), 0);
	has_done(" read" STAGE COMMIT);
	ck_assert_ptr_null(world.in_force);
}
END_TEST

START_TEST(resumed_with_what_does_not_fit)
{
	world.archive = 0;
	world.archived = 1;
	world.failing = "saved";
	ck_assert_int_eq(reload_init(&config, NULL, true), 0);
	has_done(" read saved" READ STAGE " write" COMMIT " keep");
}
END_TEST

/* What cannot be read may have been a policy, which a file that is gone does not open. */
START_TEST(resumed_with_neither)
{
	struct asker asker = { 0 };

	config.policy = NOWHERE;
	world.archive = -EPROTO;
	world.failing = "load";
	ck_assert_int_eq(reload_init(&config, NULL, true), 0);
	has_done(" read load close");
	reload_begin();
	has_done(BEGIN);
	ask(&asker);
	reads();
	has_done(" load");
	ck_assert_str_eq(world.said, "the policy was not loaded: nothing is allowed until it is");
	config.policy = THERE;
	world.failing = NULL;
	ask(&asker);
	reads();
	has_done(GOOD);
	ck_assert_str_eq(asker.error, "");
	world.failing = "load";
	ask(&asker);
	reads();
	ck_assert_str_eq(world.said, "the policy was not loaded: the former one stays in force");
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("reload");
	TCase *tc = tcase_create("asked for");

	tcase_add_checked_fixture(tc, started, NULL);
	tcase_add_test(tc, all_commit_in_their_order_and_revoke_backwards);
	tcase_add_loop_test(tc, what_fails_changes_nothing, 0, FAILURES_NUM);
	tcase_add_test(tc, what_cannot_be_kept_is_in_force_all_the_same);
	tcase_add_test(tc, a_file_that_is_gone_is_an_error);
	tcase_add_test(tc, who_asks_meanwhile_gets_the_next);
	tcase_add_test(tc, signals_meanwhile_are_one);
	tcase_add_test(tc, who_asks_when_told_gets_the_next);
	tcase_add_test(tc, who_has_gone_is_told_nothing);
	tcase_add_test(tc, without_a_thread);
	suite_add_tcase(s, tc);
	tc = tcase_create("start");
	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, without_a_file);
	tcase_add_test(tc, with_errors);
	tcase_add_test(tc, with_errors_an_earlier_one_stays);
	tcase_add_test(tc, with_errors_in_both);
	tcase_add_test(tc, resumed);
	tcase_add_test(tc, resumed_without_a_policy);
	tcase_add_test(tc, resumed_with_what_does_not_fit);
	tcase_add_test(tc, resumed_with_neither);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	return suite_run(suite());
}
