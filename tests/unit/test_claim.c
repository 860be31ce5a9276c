/* SPDX-License-Identifier: MIT */
/*
 * test_claim.c - a ticket is claimed once, and many claims of one container keep no other waiting
 * links: router/claim.c router/share.c router/loop.c router/counters.c
 * libs: urcu urcu-common
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <urcu.h>

#include "../../router/channel.h"
#include "../../router/claim.h"
#include "../../router/container.h"
#include "../../router/guard.h"
#include "../../router/inbound.h"
#include "../../router/inflight.h"
#include "../../router/inherited.h"
#include "../../router/ticket.h"
#include "../../router/waiting.h"
#include "../../router/worker.h"
#include "suite.h"

#define CROWD	1000
#define COST	20	/* us for an answer */

/* Channels are served by the first one; connections are the second one's. */
static struct worker workers[2];
static struct share shares[2][2];
static struct container greedy = { .shares = shares[0] }, modest = { .shares = shares[1] };
static struct channel crowd[CROWD], one;
static struct inbound inbound;
static unsigned int refs, answers, answers_before, handed, under_way;
static enum slim_verdict verdict;
static int hand_over_error, guard_error;
static unsigned int sealed, resets;

/* --- what claims are linked with elsewhere --- */

void channel_get(struct channel *channel)
{
	channel->refs++;
	refs++;
}

void channel_put(struct channel *channel)
{
	channel->refs--;
	refs--;
}

uint32_t channel_generation(const struct channel *unused)
{
	(void)unused;
	return 1;
}

void channel_close(struct channel *channel)
{
	channel->closed = true;
}

void channel_request_begin(struct channel *unused)
{
	(void)unused;
	under_way++;
}

void channel_request_end(struct channel *unused)
{
	(void)unused;
	under_way--;
}

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

int channel_reply(struct channel *channel, void *reply, size_t len, unsigned int type, uint32_t id)
{
	uint64_t end = now_us() + COST;

	(void)len;
	(void)id;
	ck_assert_uint_eq(type, SLIM_FRAME_CLAIM_REPLY);
	verdict = ((struct slim_claim_reply *)reply)->verdict;
	while (now_us() < end)
		;
	answers++;
	if (channel == &one)
		answers_before = answers;
	return 0;
}

int channel_hand_over(struct channel *channel, void *reply, size_t len, unsigned int type,
		      uint32_t id, int fd)
{
	(void)channel;
	(void)reply;
	(void)len;
	(void)type;
	(void)id;
	(void)fd;
	handed += !hand_over_error;
	return hand_over_error;
}

struct inbound *ticket_inbound(const struct container *container, const struct slim_endpoint *name)
{
	(void)container;
	(void)name;
	return &inbound;
}

void inbound_unwatch(struct inbound *unused)
{
	(void)unused;
}

void inbound_end_ticket(struct inbound *unused)
{
	(void)unused;
}

void inbound_free(struct inbound *unused)
{
	(void)unused;
}

void inflight_hand_over(struct inflight *record, int answer_fd, uint64_t answer_cookie)
{
	(void)record;
	(void)answer_fd;
	(void)answer_cookie;
}

void inflight_enter(struct inflight *record, enum inflight_phase phase)
{
	(void)record;
	(void)phase;
}

uint64_t inherited_cookie(int fd)
{
	return (uint64_t)fd;
}

void waiting_splice(struct inbound *spliced)
{
	inbound_set_state(spliced, INBOUND_SPLICED);
}

void inbound_reset(struct inbound *denied)
{
	inbound_set_state(denied, INBOUND_TAKEN);
	resets++;
}

int guard_seal(int fd, const struct guard_seal *seal_by)
{
	(void)fd;
	ck_assert(seal_by->accepted);
	sealed += !guard_error;
	return guard_error;
}

/* --- */

static void setup(void)
{
	rcu_register_thread();
	for (unsigned int i = 0; i < 2; i++) {
		workers[i].index = i;
		workers[i].loop = loop_new();
		shares_init(&workers[i].shares, workers[i].loop);
		CDS_INIT_LIST_HEAD(&workers[i].claims);
	}
	for (int i = 0; i < CROWD; i++)
		crowd[i] = (struct channel){ .worker = &workers[0], .container = &greedy };
	one = (struct channel){ .worker = &workers[0], .container = &modest };
	inbound.worker = &workers[1];
	inbound.container = &modest;
	rcu_read_lock();
}

static void teardown(void)
{
	rcu_read_unlock();
	rcu_barrier();
	ck_assert_uint_eq(refs, 0);
	for (int i = 0; i < 2; i++)
		loop_free(workers[i].loop);
	rcu_unregister_thread();
}

static void claim(struct channel *channel)
{
	const struct slim_claim request = { .domain = 2 };

	claim_answer(channel, &request);
}

/* What the owner of the connection has to do */
static void run_owner(void)
{
	loop_run_tasks(workers[1].loop);
	while (workers[1].shares.turn.run(&workers[1].shares.turn))
		;
}

/* It is found until its owner has freed it, after it was taken. */
START_TEST(a_ticket_is_claimed_once)
{
	inbound_set_state(&inbound, INBOUND_WAITING);
	claim(&crowd[0]);
	ck_assert_uint_eq(handed, 1);
	ck_assert_int_eq(inbound_state(&inbound), INBOUND_TAKEN);
	claim(&crowd[1]);
	claim(&one);
	run_owner();
	ck_assert_uint_eq(handed, 1);
	ck_assert_uint_eq(answers, 2);
	ck_assert_int_eq(verdict, SLIM_VERDICT_PACKET);
	ck_assert_uint_eq(under_way, 0);
}
END_TEST

START_TEST(an_answer_that_is_not_taken_leaves_it_waiting)
{
	inbound_set_state(&inbound, INBOUND_WAITING);
	hand_over_error = -EAGAIN;
	claim(&one);
	ck_assert(one.closed);
	ck_assert_int_eq(inbound_state(&inbound), INBOUND_WAITING);
}
END_TEST

START_TEST(what_is_handed_over_is_sealed)
{
	inbound_set_state(&inbound, INBOUND_WAITING);
	claim(&one);
	ck_assert_uint_eq(handed, 1);
	ck_assert_uint_eq(sealed, 1);
}
END_TEST

START_TEST(what_is_not_sealed_is_carried)
{
	inbound_set_state(&inbound, INBOUND_WAITING);
	guard_error = -ENOPROTOOPT;
	claim(&one);
	run_owner();
	ck_assert_uint_eq(handed, 0);
	ck_assert_uint_eq(resets, 0);
	ck_assert_int_eq(inbound_state(&inbound), INBOUND_SPLICED);
	ck_assert_uint_eq(answers, 1);
	ck_assert_int_eq(verdict, SLIM_VERDICT_SPLICED);
}
END_TEST

START_TEST(what_the_guard_denies_is_reset)
{
	inbound_set_state(&inbound, INBOUND_WAITING);
	guard_error = -EACCES;
	claim(&one);
	run_owner();
	ck_assert_uint_eq(handed, 0);
	ck_assert_uint_eq(resets, 1);
	ck_assert_uint_eq(answers, 1);
	ck_assert_int_eq(verdict, SLIM_VERDICT_PACKET);
}
END_TEST

START_TEST(claims_are_answered_in_turns)
{
	inbound_set_state(&inbound, INBOUND_SPLICED);
	for (int i = 0; i < CROWD; i++)
		claim(&crowd[i]);
	claim(&one);
	ck_assert_uint_eq(under_way, CROWD + 1);
	run_owner();
	ck_assert_uint_eq(answers, CROWD + 1);
	ck_assert_uint_eq(under_way, 0);
	ck_assert_int_eq(verdict, SLIM_VERDICT_SPLICED);
	/* A turn is for some three. */
	ck_assert_uint_le(answers_before, CROWD / 10);
}
END_TEST

START_TEST(those_that_are_left_are_forgotten)
{
	inbound_set_state(&inbound, INBOUND_SPLICED);
	for (int i = 0; i < CROWD; i++)
		claim(&crowd[i]);
	loop_run_tasks(workers[1].loop);
	claims_drop(&workers[1]);
	ck_assert(cds_list_empty(&workers[1].claims));
	ck_assert(!workers[1].shares.turn.run(&workers[1].shares.turn));
	ck_assert_uint_eq(answers, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("claim");
	TCase *tc = tcase_create("claim");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, a_ticket_is_claimed_once);
	tcase_add_test(tc, an_answer_that_is_not_taken_leaves_it_waiting);
	tcase_add_test(tc, what_is_handed_over_is_sealed);
	tcase_add_test(tc, what_is_not_sealed_is_carried);
	tcase_add_test(tc, what_the_guard_denies_is_reset);
	tcase_add_test(tc, claims_are_answered_in_turns);
	tcase_add_test(tc, those_that_are_left_are_forgotten);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
