/* SPDX-License-Identifier: MIT */
/*
 * test_guard.c - what a router does with a socket that it hands over, by what the kernel module can do
 *
 * links: router/guard.c router/counters.c router/log.c
 */
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "../../router/config.h"
#include "../../router/counters.h"
#include "../../router/enforcer_guard.h"
#include "../../router/guard.h"
#include "../../router/guard_live.h"
#include "suite.h"

#define SOCKET	77
#define ALL	(SLIM_FEATURE_SEAL | SLIM_FEATURE_POLICY | SLIM_FEATURE_IPV6)

/* The module, as far as it is asked; what it was asked of a socket: 't' to tag, 's' to seal it */
static struct {
	struct guard_facts facts;
	int open_error, own_error;
	int tag_error, seal_error;
	char asked[16];
	struct slim_seal seal;
	struct loop_timer *timer;
} module;

int guard_link_open(struct guard_link **link)
{
	*link = module.open_error ? NULL : (struct guard_link *)&module;
	return module.open_error;
}

void guard_link_close(struct guard_link *link)
{
	(void)link;
}

int guard_link_get(struct guard_link *link, struct guard_facts *facts)
{
	(void)link;
	*facts = module.facts;
	return module.open_error;
}

int guard_link_own(struct guard_link *link)
{
	(void)link;
	return module.own_error;
}

int guard_link_drain(struct guard_link *link, enum slim_drain drain, uint64_t *live, uint64_t *cut)
{
	(void)link;
	module.facts.draining = drain != SLIM_DRAIN_STOP;
	*live = *cut = 0;
	return 0;
}

void guard_live_begin(struct loop *control)
{
	(void)control;
}

void guard_live_end(void)
{
}

int guard_live_restore(struct guard_link *link)
{
	(void)link;
	return 0;
}

bool enforcer_guard_attach(struct guard_link *link)
{
	(void)link;
	return true;
}

bool enforcer_guard_detach(void)
{
	return true;
}

void enforcer_guard_follow(void)
{
}

void enforcer_guard_exit(void)
{
}

void loop_timer_set(struct loop *loop, struct loop_timer *timer, unsigned int delay)
{
	(void)loop, (void)delay;
	module.timer = timer;
}

void loop_timer_clear(struct loop *loop, struct loop_timer *timer)
{
	(void)loop, (void)timer;
}

static int answer(char what, int error)
{
	module.asked[strlen(module.asked)] = what;
	errno = error;
	return error ? -1 : 0;
}

int setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	ck_assert_int_eq(fd, SOCKET);
	if (level == IPPROTO_TCP && name == TCP_ULP)
		return answer('t', module.tag_error);
	ck_assert_int_eq(level, SOL_SLIM);
	ck_assert_int_eq(name, SLIM_SEAL);
	ck_assert_uint_eq(len, sizeof(module.seal));
	memcpy(&module.seal, value, len);
	return answer('s', module.seal_error);
}

/* --- */

static void setup(void)
{
	memset(&module, 0, sizeof(module));
	module.facts.features = ALL;
	memset(&counters, 0, sizeof(counters));
}

static void teardown(void)
{
	guard_exit();
}

static void begin(enum config_guard mode)
{
	static struct config config;

	config.guard = mode;
	guard_init(&config, (struct loop *)&module);
}

static void look(void)
{
	module.timer->handle(module.timer);
}

static int hand_over(void)
{
	const struct guard_seal asked = {
		.container = 3, .vni = 7, .peer_vni = 8, .domain = AF_INET, .accepted = true,
		.local = { .port = 80 }, .peer = { .port = 40000 },
	};

	memset(module.asked, 0, sizeof(module.asked));
	return guard_seal(SOCKET, &asked);
}

START_TEST(ready)
{
	begin(CONFIG_GUARD_PREFER);
	ck_assert_int_eq(guard_state(), GUARD_READY);
	ck_assert_int_eq(hand_over(), 0);
	ck_assert_str_eq(module.asked, "ts");
	ck_assert_uint_eq(module.seal.size, sizeof(module.seal));
	ck_assert_uint_eq(module.seal.flags, SLIM_SEAL_ACCEPTED | SLIM_SEAL_IPV4);
	ck_assert_uint_eq(module.seal.container, 3);
	ck_assert_uint_eq(module.seal.vni, 7);
	ck_assert_uint_eq(module.seal.peer_vni, 8);
	ck_assert_uint_eq(module.seal.local.port, 80);
	ck_assert_uint_eq(module.seal.peer.port, 40000);
	ck_assert_uint_eq(counters.guard_sealed, 1);
}
END_TEST

/* What is under way when the module comes is sealed when it is handed over. */
START_TEST(comes_later)
{
	module.open_error = -ENOENT;
	begin(CONFIG_GUARD_PREFER);
	ck_assert_int_eq(guard_use(), GUARD_USE_OPEN);
	module.open_error = 0;
	look();
	ck_assert_int_eq(hand_over(), 0);
	ck_assert_str_eq(module.asked, "ts");
}
END_TEST

START_TEST(goes)
{
	begin(CONFIG_GUARD_PREFER);
	module.open_error = -ENOENT;
	look();
	ck_assert_int_eq(guard_state(), GUARD_MISSING);
	ck_assert_int_eq(hand_over(), 0);
	ck_assert_str_eq(module.asked, "");
}
END_TEST

/* A router before us has done a part of it. */
START_TEST(done_before)
{
	begin(CONFIG_GUARD_REQUIRE);
	module.tag_error = EEXIST;
	ck_assert_int_eq(hand_over(), 0);
	ck_assert_str_eq(module.asked, "ts");
	module.seal_error = EALREADY;
	ck_assert_int_eq(hand_over(), 0);
	ck_assert_uint_eq(counters.guard_sealed, 2);
}
END_TEST

/* What a socket is worth that cannot be sealed, or is denied: by mode, tag_error, seal_error */
static const struct {
	enum config_guard mode;
	int tag_error, seal_error, result;
	const char *asked;
} failures[] = {
	{ CONFIG_GUARD_PREFER, ENOENT, 0, 0, "t" },
	{ CONFIG_GUARD_REQUIRE, ENOENT, 0, -ENOENT, "t" },
	{ CONFIG_GUARD_PREFER, 0, ESHUTDOWN, 0, "ts" },
	{ CONFIG_GUARD_REQUIRE, 0, ESHUTDOWN, -ESHUTDOWN, "ts" },
	{ CONFIG_GUARD_PREFER, 0, EACCES, -EACCES, "ts" },
	{ CONFIG_GUARD_REQUIRE, 0, EACCES, -EACCES, "ts" },
};

START_TEST(fails)
{
	begin(failures[_i].mode);
	module.tag_error = failures[_i].tag_error;
	module.seal_error = failures[_i].seal_error;
	ck_assert_int_eq(hand_over(), failures[_i].result);
	ck_assert_str_eq(module.asked, failures[_i].asked);
	ck_assert_uint_eq(counters.guard_sealed, 0);
	ck_assert_uint_eq(counters.guard_denied, failures[_i].seal_error == EACCES);
}
END_TEST

/* What is in the way, and what comes of it in each mode */
static const struct {
	enum guard_state state;
	int open_error, own_error;
	uint32_t features, missing;
	unsigned int owned;
	bool draining;
	enum guard_use prefer, require;
} worlds[] = {
	{ GUARD_READY, 0, 0, ALL, 0, 0, false, GUARD_USE_SEAL, GUARD_USE_SEAL },
	{ GUARD_READY, 0, 0, ALL, 0, 2, false, GUARD_USE_SEAL, GUARD_USE_SEAL },
	{ GUARD_MISSING, -ENOENT, 0, ALL, 0, 0, false, GUARD_USE_OPEN, GUARD_USE_REFUSE },
	{ GUARD_MISSING, 0, -EPERM, ALL, 0, 0, false, GUARD_USE_OPEN, GUARD_USE_REFUSE },
	{ GUARD_TAKEN, 0, 0, ALL, 0, 1, false, GUARD_USE_OPEN, GUARD_USE_REFUSE },
	{ GUARD_OLD, 0, -EPROTONOSUPPORT, ALL, 0, 0, false, GUARD_USE_OPEN, GUARD_USE_REFUSE },
	{ GUARD_OLD, 0, 0, SLIM_FEATURE_SEAL, 0, 0, false, GUARD_USE_OPEN, GUARD_USE_REFUSE },
	{ GUARD_INCOMPLETE, 0, 0, ALL, SLIM_MISSING_IOCTL, 0, false, GUARD_USE_SEAL, GUARD_USE_REFUSE },
	{ GUARD_DRAINING, 0, 0, ALL, 0, 0, true, GUARD_USE_OPEN, GUARD_USE_REFUSE },
};

static void set_world(int number)
{
	module.open_error = worlds[number].open_error;
	module.own_error = worlds[number].own_error;
	module.facts.features = worlds[number].features;
	module.facts.missing = worlds[number].missing;
	module.facts.owned = worlds[number].owned;
	module.facts.draining = worlds[number].draining;
}

static void check_use(enum guard_use use)
{
	ck_assert_int_eq(guard_use(), use);
	ck_assert_int_eq(hand_over(), use == GUARD_USE_REFUSE ? -ENOPROTOOPT : 0);
	ck_assert_str_eq(module.asked, use == GUARD_USE_SEAL ? "ts" : "");
}

START_TEST(modes)
{
	set_world(_i);
	begin(CONFIG_GUARD_PREFER);
	ck_assert_int_eq(guard_state(), worlds[_i].state);
	ck_assert_int_eq(!guard_reason(), worlds[_i].state == GUARD_READY);
	check_use(worlds[_i].prefer);
	guard_exit();
	begin(CONFIG_GUARD_REQUIRE);
	ck_assert_int_eq(guard_state(), worlds[_i].state);
	check_use(worlds[_i].require);
	guard_exit();
	begin(CONFIG_GUARD_OFF);
	ck_assert_int_eq(guard_state(), GUARD_OFF);
}
END_TEST

static Suite *suite(void)
{
	Suite *suite = suite_create("guard");
	TCase *tcase = tcase_create("sockets");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, ready);
	tcase_add_test(tcase, comes_later);
	tcase_add_test(tcase, goes);
	tcase_add_test(tcase, done_before);
	tcase_add_loop_test(tcase, fails, 0, sizeof(failures) / sizeof(failures[0]));
	tcase_add_loop_test(tcase, modes, 0, sizeof(worlds) / sizeof(worlds[0]));
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return suite_run(suite());
}
