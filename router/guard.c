/* SPDX-License-Identifier: MIT */
/* guard.c - slim.ko keeps the sockets that are handed over */
#include "guard.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "counters.h"
#include "enforcer_guard.h"
#include "guard_live.h"
#include "log.h"

#define LOOK_MS		2000
#define FEATURES	(SLIM_FEATURE_SEAL | SLIM_FEATURE_POLICY | SLIM_FEATURE_IPV6)

/* @use: atomic */
static struct {
	enum config_guard mode;
	struct loop *loop;
	struct loop_timer timer;
	struct guard_link *link;
	struct guard_facts facts;
	enum guard_state state;
	enum guard_use use;
	char reason[GUARD_REASON_MAX + 128];
} guard;

/* --- what it is --- */

const char *guard_state_name(enum guard_state state)
{
	static const char *const names[GUARD_STATE_NUM] = {
		[GUARD_OFF] = "off",
		[GUARD_MISSING] = "missing",
		[GUARD_TAKEN] = "taken",
		[GUARD_OLD] = "too old",
		[GUARD_INCOMPLETE] = "incomplete",
		[GUARD_DRAINING] = "draining",
		[GUARD_READY] = "ready",
	};

	return names[state];
}

/* What is in the way says @reason; NULL where nothing is. */
static enum guard_use use_for(enum guard_state state)
{
	switch (state) {
	case GUARD_READY:
		return GUARD_USE_SEAL;
	case GUARD_OFF:
		return GUARD_USE_OPEN;
	case GUARD_INCOMPLETE:
		return guard.mode == CONFIG_GUARD_REQUIRE ? GUARD_USE_REFUSE : GUARD_USE_SEAL;
	default:
		return guard.mode == CONFIG_GUARD_REQUIRE ? GUARD_USE_REFUSE : GUARD_USE_OPEN;
	}
}

static void say(enum guard_state before)
{
	const char *what = guard.use == GUARD_USE_REFUSE ?
			   "no host socket is handed over" : guard.use == GUARD_USE_OPEN ?
			   "host sockets are handed over without it" : "what it can do, it does";

	if (guard.state == GUARD_READY)
		log_info("slim.ko keeps the sockets that are handed over (version %u)",
			 guard.facts.version);
	else if (guard.mode == CONFIG_GUARD_PREFER && guard.state == GUARD_MISSING &&
		 before == GUARD_OFF)
		log_info("%s: %s", guard.reason, what);
	else
		log_warning("%s: %s", guard.reason, what);
}

static void enter(enum guard_state state, const char *reason)
{
	enum guard_state before = guard.state;
	bool same = state == before && !strcmp(guard.reason, reason);

	guard.state = state;
	snprintf(guard.reason, sizeof(guard.reason), "%s", reason);
	__atomic_store_n(&guard.use, use_for(state), __ATOMIC_RELEASE);
	if (!same)
		say(before);
}

static void lose(int err)
{
	char reason[128] = "the kernel module slim.ko is not loaded (modprobe slim)";

	/* A reload that uses the link finds out by itself. */
	guard_live_end();
	if (enforcer_guard_detach()) {
		guard_link_close(guard.link);
		guard.link = NULL;
	}
	memset(&guard.facts, 0, sizeof(guard.facts));
	if (err != -ENOENT)
		snprintf(reason, sizeof(reason), "the kernel module slim.ko cannot be asked: %s",
			 strerror(-err));
	enter(GUARD_MISSING, reason);
}

static int own(void)
{
	if (guard.facts.owned == 2)
		return 0;
	return guard.facts.owned ? -EBUSY : guard_link_own(guard.link);
}

static void judge(int err)
{
	char reason[GUARD_REASON_MAX + 64];

	if (err == -EPROTONOSUPPORT || (guard.facts.features & FEATURES) != FEATURES) {
		enter(GUARD_OLD, "the kernel module slim.ko is of a release that does not fit this router");
	} else if (err == -EBUSY) {
		enter(GUARD_TAKEN, "another router owns this host at slim.ko");
	} else if (guard.facts.draining) {
		enter(GUARD_DRAINING, "slim.ko is being drained (slimctl guard drain)");
	} else if (guard.facts.missing) {
		snprintf(reason, sizeof(reason), "slim.ko cannot keep all that it should: %s",
			 guard.facts.reason);
		enter(GUARD_INCOMPLETE, reason);
	} else {
		enter(GUARD_READY, "");
	}
}

static void look(void)
{
	int err = 0;

	if (guard.mode == CONFIG_GUARD_OFF)
		return;
	if (!guard.link) {
		err = guard_link_open(&guard.link);
		if (!err)
			guard_live_begin(guard.loop);
	}
	if (!err)
		err = guard_link_get(guard.link, &guard.facts);
	if (err) {
		lose(err);
		return;
	}
	err = own();
	if (err && err != -EBUSY && err != -EPROTONOSUPPORT) {
		lose(err);
		return;
	}
	judge(err);
	if (!err && enforcer_guard_attach(guard.link))
		enforcer_guard_follow();
}

static void look_handle(struct loop_timer *timer)
{
	look();
	loop_timer_set(guard.loop, timer, LOOK_MS);
}

void guard_init(const struct config *config, struct loop *control)
{
	guard.mode = config->guard;
	guard.loop = control;
	guard.timer.handle = look_handle;
	guard.state = GUARD_OFF;
	if (guard.mode == CONFIG_GUARD_OFF)
		return;
	look();
	loop_timer_set(control, &guard.timer, LOOK_MS);
}

void guard_exit(void)
{
	if (guard.loop)
		loop_timer_clear(guard.loop, &guard.timer);
	guard_live_end();
	enforcer_guard_exit();
	guard_link_close(guard.link);
	guard.link = NULL;
}

enum guard_state guard_state(void)
{
	return guard.state;
}

const char *guard_reason(void)
{
	return guard.reason[0] ? guard.reason : NULL;
}

const struct guard_facts *guard_facts(void)
{
	return &guard.facts;
}

int guard_restore(void)
{
	bool known = guard.link && guard.state != GUARD_TAKEN && guard.state != GUARD_OLD;

	return known ? guard_live_restore(guard.link) : 0;
}

int guard_drain(enum slim_drain drain, uint64_t *live, uint64_t *cut)
{
	int err;

	*live = *cut = 0;
	if (!guard.link)
		return -ENOENT;
	if (guard.state == GUARD_TAKEN)
		return -EBUSY;
	err = guard_link_drain(guard.link, drain, live, cut);
	look();
	return err;
}

/* --- sealing --- */

enum guard_use guard_use(void)
{
	return __atomic_load_n(&guard.use, __ATOMIC_ACQUIRE);
}

static struct slim_address name_of(const struct slim_endpoint *endpoint)
{
	struct slim_address name = { .port = endpoint->port };

	memcpy(name.addr, endpoint->addr, sizeof(name.addr));
	return name;
}

/* The module may go, or seal no more, at any moment: then it is as if that had been known already. */
static int without(int err)
{
	static struct log_limit limit = { .burst = 5 };

	if (guard.mode != CONFIG_GUARD_REQUIRE)
		return 0;
	if (log_limit_ok(&limit))
		log_warning("a socket could not be sealed, and is not handed over: %s", strerror(-err));
	return err;
}

/* EEXIST, EALREADY: a router before us tagged or sealed it, and did not hand it over. */
static int seal(int fd, const struct slim_seal *asked)
{
	if (setsockopt(fd, IPPROTO_TCP, TCP_ULP, SLIM_ULP_NAME, sizeof(SLIM_ULP_NAME) - 1) < 0 &&
	    errno != EEXIST)
		return -errno;
	if (setsockopt(fd, SOL_SLIM, SLIM_SEAL, asked, sizeof(*asked)) < 0 && errno != EALREADY)
		return -errno;
	return 0;
}

int guard_seal(int fd, const struct guard_seal *seal_by)
{
	const struct slim_seal asked = {
		.size = sizeof(asked),
		.flags = (seal_by->accepted ? SLIM_SEAL_ACCEPTED : 0) |
			 (seal_by->domain == AF_INET ? SLIM_SEAL_IPV4 : 0),
		.container = seal_by->container,
		.vni = seal_by->vni,
		.peer_vni = seal_by->peer_vni,
		.local = name_of(&seal_by->local),
		.peer = name_of(&seal_by->peer),
	};
	enum guard_use use = guard_use();
	int err;

	if (use != GUARD_USE_SEAL)
		return use == GUARD_USE_REFUSE ? -ENOPROTOOPT : 0;
	err = seal(fd, &asked);
	if (!err)
		counter_inc(guard_sealed);
	if (err == -EACCES)
		counter_inc(guard_denied);
	return err && err != -EACCES ? without(err) : err;
}
