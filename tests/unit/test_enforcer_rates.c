/* SPDX-License-Identifier: MIT */
/*
 * test_enforcer_rates.c - which devices get trees when one cannot have any
 *
 * links: router/enforcer_rates.c
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
#include "../../router/container.h"
#include "../../router/enforcer_rates.h"
#include "../../router/link_request.h"
#include "../../router/link_route.h"
#include "../../router/log.h"
#include "../../router/policy_force.h"
#include "../../router/ruleset_rates.h"
#include "../../router/shaping_plan.h"
#include "../../router/shaping_tree.h"
#include "suite.h"

#define DEVICES	4	/* loopback, and those of three peers */

/* --- what it stands on --- */

CDS_LIST_HEAD(containers);
unsigned int containers_num;

static struct policy policy = { .limits_num = 1 };
static struct policy_compiled compiled = { .policy = &policy };

static struct {
	struct aside *aside;
	bool retried;
	int results[DEVICES + 1];	/* by index of the device */
	bool set[DEVICES + 1], kept[DEVICES + 1];
	unsigned int loads;
	char said[512];
} world;

void loop_timer_set(struct loop *loop, struct loop_timer *timer, unsigned int delay)
{
	(void)loop;
	(void)timer;
	world.retried = delay < 1000;
}

void loop_timer_clear(struct loop *loop, struct loop_timer *timer)
{
	(void)loop;
	(void)timer;
}

int aside_start(struct aside *aside)
{
	world.aside = aside;
	return 0;
}

struct nl_sock *link_socket(void)
{
	return (struct nl_sock *)&world;
}

void nl_socket_free(struct nl_sock *sock)
{
	(void)sock;
}

/* 192.0.2.N is behind device N. */
int link_route_device(struct nl_sock *sock, const struct in6_addr *addr)
{
	(void)sock;
	return addr->s6_addr[15];
}

int link_route_defaults(struct nl_sock *sock, int family, void (*each)(int ifindex, void *data),
			void *data)
{
	(void)sock;
	(void)family;
	(void)each;
	(void)data;
	return 0;
}

const struct policy_compiled *policy_in_force(void)
{
	return &compiled;
}

int shaping_plan_make(struct shaping_plan *plan, const struct policy_compiled *from)
{
	ck_assert_ptr_eq(from, &compiled);
	plan->classes = calloc(1, sizeof(*plan->classes));
	plan->classes_num = 1;
	return 0;
}

void shaping_plan_free(struct shaping_plan *plan)
{
	free(plan->ports);
	free(plan->classes);
	*plan = (struct shaping_plan){ 0 };
}

int shaping_tree_set(struct nl_sock *sock, int ifindex, const struct shaping_class *classes,
		     size_t num)
{
	(void)sock;
	(void)classes;
	ck_assert_uint_eq(num, 1);
	world.set[ifindex] = !world.results[ifindex];
	return world.results[ifindex];
}

bool shaping_tree_is_there(struct nl_sock *sock, int ifindex)
{
	(void)sock;
	return world.set[ifindex];
}

int shaping_tree_sweep(struct nl_sock *sock, const int *kept, size_t num)
{
	(void)sock;
	memset(world.kept, 0, sizeof(world.kept));
	for (size_t i = 0; i < num; i++)
		world.kept[kept[i]] = true;
	return 0;
}

int ruleset_rates_load(const struct shaping_plan *plan, char *error, size_t size)
{
	(void)plan;
	ck_assert_uint_gt(size, 0);
	*error = '\0';
	world.loads++;
	return 0;
}

bool log_limit_ok(struct log_limit *limit)
{
	(void)limit;
	return true;
}

void log_warning(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(world.said, sizeof(world.said), format, args);
	va_end(args);
}

/* --- what happens --- */

static void follow(void)
{
	static struct in6_addr addresses[DEVICES - 1];
	static struct config_peer peers[DEVICES - 1];
	static struct config config = { .peers = peers, .peers_num = DEVICES - 1 };

	for (int i = 0; i < DEVICES - 1; i++) {
		addresses[i] = (struct in6_addr){ .s6_addr = { [15] = (uint8_t)(i + 2) } };
		peers[i].addresses = &addresses[i];
		peers[i].addresses_num = 1;
	}
	enforcer_rates_init(&config, NULL);
	enforcer_rates_begin();
	ck_assert_ptr_nonnull(world.aside);
	world.aside->run(world.aside);
	world.aside->done(world.aside);
	enforcer_rates_exit();
}

START_TEST(all_of_them)
{
	follow();
	for (int i = 1; i <= DEVICES; i++)
		ck_assert(world.set[i] && world.kept[i]);
	ck_assert_uint_eq(world.loads, 1);
	ck_assert(!world.retried);
}
END_TEST

START_TEST(one_cannot)
{
	world.results[2] = -EOPNOTSUPP;
	follow();
	ck_assert(world.set[1] && !world.set[2] && world.set[3] && world.set[4]);
	/* What it has of an earlier time stays. */
	ck_assert(world.kept[1] && world.kept[2] && world.kept[3] && world.kept[4]);
	ck_assert_uint_eq(world.loads, 1);
	ck_assert(world.retried);
	ck_assert_msg(strstr(world.said, strerror(EOPNOTSUPP)), "%s", world.said);
}
END_TEST

/* That somebody has chosen another root is no error. */
START_TEST(one_is_somebody_elses)
{
	world.results[1] = -EEXIST;
	follow();
	ck_assert(world.set[2] && world.set[3] && world.set[4]);
	ck_assert(!world.kept[1] && world.kept[2]);
	ck_assert_uint_eq(world.loads, 1);
	ck_assert(!world.retried);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("enforcer_rates");
	TCase *tc = tcase_create("devices");

	tcase_add_test(tc, all_of_them);
	tcase_add_test(tc, one_cannot);
	tcase_add_test(tc, one_is_somebody_elses);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	return suite_run(suite());
}
