/* SPDX-License-Identifier: MIT */
/* reshaping.c - live connections get the rate, TOS and priority that the policy in force says */
#include "reshaping.h"

#include <stddef.h>
#include <urcu.h>

#include "aside.h"
#include "counters.h"
#include "ledger.h"
#include "log.h"
#include "policy_force.h"
#include "shaping.h"
#include "shaping_live.h"

/* @unchanged: connections that keep what they have, since they cannot be changed */
static struct round {
	struct aside aside;
	bool running;
	bool differ;
	size_t unchanged;
	int error;
	void (*done)(int err);
} last;

/* Is its rule another one now? (The socket has what its rule had said, where that is known.) */
static void change(struct round *round, const struct ledger_entry *entry,
		   const struct policy_rule *rule)
{
	static const struct shaping none = { .tos = -1, .priority = -1 };
	const struct shaping *before = entry->shaping.known ? &entry->shaping : &none;
	struct shaping now = shaping_of(rule);
	int err = 0;

	if (!shaping_equal(before, &now)) {
		err = shaping_live_change(entry->cookie, before, &now);
		if (shaping_live_is_possible())
			counter_inc(connections_changed);
		else
			round->unchanged++;
	}
	if (err)
		round->error = err;
	else if (!entry->shaping.known || !shaping_equal(before, &now))
		ledger_set_shaping(entry->cookie, &now);
}

bool reshaping_is_unmarked(const struct ledger_entry *entry)
{
	return policy_has_limits() && shaping_live_is_possible() &&
	       !__atomic_load_n(&entry->marked, __ATOMIC_RELAXED);
}

static void mark(struct round *round, struct ledger_entry *entry)
{
	int err = shaping_live_mark(entry->cookie, entry->container_id);

	if (err)
		round->error = err;
	else
		__atomic_store_n(&entry->marked, true, __ATOMIC_RELAXED);
}

static void change_allowed(struct ledger_entry *entry, void *data)
{
	const struct ends ends = ledger_ends(entry);
	struct policy_verdict verdict;

	policy_ask_tcp(&ends, &verdict);
	if (verdict.allowed)
		change(data, entry, verdict.rule);
	if (reshaping_is_unmarked(entry))
		mark(data, entry);
}

static bool is_live(uint64_t cookie)
{
	return ledger_find(cookie);
}

static void run(struct aside *aside)
{
	struct round *round = caa_container_of(aside, struct round, aside);

	rcu_read_lock();
	shaping_live_tidy(is_live);
	if (round->differ)
		ledger_each(change_allowed, round);
	rcu_read_unlock();
}

static void ended(struct aside *aside)
{
	struct round *round = caa_container_of(aside, struct round, aside);

	round->running = false;
	if (round->unchanged)
		log_info("policy: %zu live connections keep the rate, TOS or priority that they "
			 "began with", round->unchanged);
	round->done(round->error);
}

void reshaping_start(bool differ, void (*done)(int err))
{
	int err;

	last = (struct round){
		.aside = { .run = run, .done = ended },
		.running = true, .differ = differ, .done = done,
	};
	err = aside_start(&last.aside);
	if (!err)
		return;
	last.running = false;
	done(err);
}

bool reshaping_is_running(void)
{
	return last.running;
}
