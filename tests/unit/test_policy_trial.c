/* SPDX-License-Identifier: MIT */
/*
 * test_policy_trial.c - a question about a rule, where memory ends at any moment
 *
 * links: router/policy_trial.c router/text.c router/endpoint.c
 * libs: urcu urcu-common jansson
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <urcu.h>

#include "../../router/consultation.h"
#include "../../router/directory.h"
#include "../../router/peer.h"
#include "../../router/policy_crossing.h"
#include "../../router/policy_show.h"
#include "../../router/policy_trial.h"
#include "../../router/tags.h"
#include "suite.h"

#define ALLOCATIONS_MAX	1000

/* --- what it asks --- */

struct peer {
	const char *name;
};

static struct peer self = { "h1" }, other = { "h2" };
static struct consultation *asked;
static bool cancelled;

struct peer *peer_self(void)
{
	return &self;
}

bool peer_is_up(const struct peer *peer)
{
	(void)peer;
	return true;
}

const char *peer_name(const struct peer *peer)
{
	return peer->name;
}

/* The source is here; the destination too, if its last byte is odd. */
struct peer *directory_owner_of(uint32_t vni, const struct in6_addr *addr)
{
	(void)vni;
	return addr->s6_addr[15] & 1 ? &self : &other;
}

void directory_each_tagged(void (*each)(uint32_t vni, const struct tags *tags,
					const struct in6_addr *addr, void *data),
			   void *data)
{
	(void)each, (void)data;
}

uint32_t policy_crossing_to(uint32_t vni, const struct in6_addr *addr)
{
	(void)addr;
	return vni;
}

void policy_ask(const struct policy_question *question, struct policy_verdict *verdict)
{
	(void)question;
	*verdict = (struct policy_verdict){ .allowed = true };
}

json_t *policy_show_place(const struct policy *policy, const struct policy_place *place)
{
	(void)policy, (void)place;
	return json_null();
}

json_t *policy_show_line(const struct policy *policy, const struct policy_place *place)
{
	(void)policy, (void)place;
	return json_null();
}

void consultation_start(struct consultation *consultation, struct peer *peer,
			const struct policy_question *question)
{
	(void)peer, (void)question;
	asked = consultation;
}

void consultation_cancel(struct consultation *consultation)
{
	ck_assert_ptr_eq(consultation, asked);
	cancelled = true;
}

static struct config_tenant tenant = { .name = "blue", .vni = 1 };
static const struct config config = { .tenants = &tenant, .tenants_num = 1 };

const struct config_tenant *config_tenant_by_name(const struct config *unused, const char *name)
{
	(void)unused, (void)name;
	return NULL;
}

const struct config_tenant *config_tenant_by_vni(const struct config *unused, uint32_t vni)
{
	(void)unused, (void)vni;
	return &tenant;
}

const char *config_tenant_name(const struct config *from, uint32_t vni)
{
	return config_tenant_by_vni(from, vni)->name;
}

/* --- memory that ends --- */

static unsigned int left;

static void *allocate(size_t size)
{
	if (!left)
		return NULL;
	left--;
	return malloc(size);
}

/* --- tests --- */

static unsigned int replies;
static bool replied;

static void done(struct policy_trial_waiter *unused, json_t *reply)
{
	(void)unused;
	replies++;
	replied = reply;
	json_decref(reply);
}

static json_t *ask(json_t *args, struct policy_trial_waiter *waiter, char *error, size_t size)
{
	json_t *reply;

	*waiter = (struct policy_trial_waiter){ .done = done };
	error[0] = '\0';
	asked = NULL;
	rcu_read_lock();
	reply = policy_trial_ask(args, waiter, error, size);
	rcu_read_unlock();
	return reply;
}

static void setup(void)
{
	rcu_register_thread();
	policy_trial_init(&config);
	json_set_alloc_funcs(allocate, free);
	left = ALLOCATIONS_MAX;
}

/* It never says that an answer comes when none does. */
START_TEST(without_memory_there_is_an_error)
{
	struct policy_trial_waiter waiter;
	unsigned int good = 0;
	char error[128];
	json_t *args;

	setup();
	args = json_pack("{s:s, s:s, s:i}", "source", "10.0.0.1", "destination", "10.0.0.3", "port", 80);
	for (unsigned int n = 0; n < ALLOCATIONS_MAX && !good; n++) {
		json_t *reply;

		left = n;
		reply = ask(args, &waiter, error, sizeof(error));
		ck_assert_msg(reply || error[0], "after %u allocations", n);
		good = left;
		json_decref(reply);
	}
	ck_assert_uint_gt(good, 0);
	left = ALLOCATIONS_MAX;
	json_decref(args);
}
END_TEST

/* ... also where another host is asked: somebody hears of it, or forgets it. */
START_TEST(another_host_answers_without_memory)
{
	const struct consultation_answer answer = { .allowed = true, .rule = "f:1", .line = "x" };
	struct policy_trial_waiter waiter;
	char error[128];
	json_t *args;

	setup();
	args = json_pack("{s:s, s:s, s:i}", "source", "10.0.0.1", "destination", "10.0.0.2", "port", 80);
	for (unsigned int n = 0; n < 60; n++) {
		left = n;
		ck_assert_ptr_null(ask(args, &waiter, error, sizeof(error)));
		/* It may not even have read the question. */
		ck_assert_int_eq(!asked, error[0] != 0);
		if (!asked)
			continue;
		replies = 0;
		asked->done(asked, n % 2 ? &answer : NULL);
		ck_assert_uint_eq(replies, 1);
	}
	left = ALLOCATIONS_MAX;
	ask(args, &waiter, error, sizeof(error));
	asked->done(asked, &answer);
	ck_assert(replied);
	ask(args, &waiter, error, sizeof(error));
	policy_trial_forget(&waiter);
	ck_assert(cancelled);
	json_decref(args);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("policy_trial");
	TCase *tc = tcase_create("userspace");

	tcase_add_test(tc, without_memory_there_is_an_error);
	tcase_add_test(tc, another_host_answers_without_memory);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
