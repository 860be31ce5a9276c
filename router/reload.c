/* SPDX-License-Identifier: MIT */
/* reload.c - the policy is read: at start, on SIGHUP, and when `slimctl reload` asks for it */
#include "reload.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <urcu.h>

#include "aside.h"
#include "counters.h"
#include "cutting.h"
#include "enforcer.h"
#include "enforcer_packet.h"
#include "enforcer_rates.h"
#include "log.h"
#include "policy_archive.h"
#include "policy_force.h"
#include "policy_roll.h"
#include "state.h"

#define ENFORCERS_NUM	(sizeof(enforcers) / sizeof(enforcers[0]))

/* The one that owns the compiled policy comes last, since its commit cannot be taken back; and revokes
 * first: live connections do not wait for nftables. */
static const struct enforcer *const enforcers[] = {
	&enforcer_rates,
	&enforcer_packet,
	&enforcer_guard,
	&enforcer_slim,
};

/*
 * @compiled:	NULL: there is no policy, or there are errors
 * @staged:	by how many enforcers
 * @err:	why it is not in force; @error: in words, or NULL without memory for them
 * @closed:	nothing is allowed
 * @none:	there is no file
 * @restoring:	@saved is what an earlier router had in force; it is kept already
 */
static struct {
	const struct config *config;
	struct aside aside;
	bool running, again, closed, none, restoring;
	struct policy_sources saved;
	struct policy_compiled *compiled;
	size_t staged;
	int err;
	char *error;
	struct timespec began;
} reload;

static CDS_LIST_HEAD(asked);	/* they get the next one */
static CDS_LIST_HEAD(waiting);	/* ... the one that runs */

/* @err: 0: none */
static void fail(int err)
{
	reload.err = err;
	if (err && !reload.error &&
	    asprintf(&reload.error, "%s: %s\n", reload.config->policy, strerror(-err)) < 0)
		reload.error = NULL;
}

/* --- aside --- */

static bool is_in_force(void)
{
	bool is;

	rcu_read_lock();
	is = policy_in_force();
	rcu_read_unlock();
	return is;
}

/* A file that was there must not go unnoticed. */
static bool is_none(void)
{
	if (reload.restoring)
		return !reload.saved.files_num;
	return access(reload.config->policy, F_OK) < 0 && errno == ENOENT && !reload.closed &&
	       !is_in_force();
}

static void compile(void)
{
	struct policy *policy;

	policy = reload.restoring ?
		 policy_load_saved(&reload.saved, reload.config, &reload.error) :
		 policy_load(reload.config->policy, reload.config, &reload.error);
	if (policy)
		reload.compiled = policy_compile(policy, reload.config, &reload.error);
	if (reload.compiled)
		return;
	policy_free(policy);
	fail(-ENOMEM);
}

static void stage(void)
{
	int err = 0;

	while (reload.staged < ENFORCERS_NUM && !err) {
		const struct enforcer *enforcer = enforcers[reload.staged++];

		if (enforcer->stage)
			err = enforcer->stage(reload.compiled);
	}
	fail(err);
}

/* So that the next router goes on with it. (Without space for it, that one reads the file.) */
static void keep(void)
{
	static const struct policy_sources none;

	(void)policy_archive_write(state_directory(), reload.compiled ?
				   &reload.compiled->policy->sources : &none);
}

static bool is_good(void)
{
	return !reload.err;
}

static void run(struct aside *unused)
{
	(void)unused;
	clock_gettime(CLOCK_MONOTONIC, &reload.began);
	reload.err = 0;
	reload.error = NULL;
	reload.compiled = NULL;
	reload.staged = 0;
	reload.none = is_none();
	if (!reload.none)
		compile();
	if (is_good())
		stage();
	if (is_good() && !reload.restoring)
		keep();
}

/* --- in the control thread --- */

static void log_lines(const char *text)
{
	while (*text) {
		int len = (int)strcspn(text, "\n");

		log_error("%.*s", len, text);
		text += len + (text[len] == '\n');
	}
}

static void give_up(void)
{
	while (reload.staged)
		if (enforcers[--reload.staged]->abort)
			enforcers[reload.staged]->abort();
	policy_compiled_put(reload.compiled);
	reload.compiled = NULL;
}

static int commit(void)
{
	int err = 0;

	for (size_t i = 0; i < ENFORCERS_NUM && !err; i++)
		if (enforcers[i]->commit)
			err = enforcers[i]->commit();
	return err;
}

static void finish(void)
{
	bool kept = reload.restoring;

	reload.restoring = false;
	if (!is_good()) {
		give_up();
		return;
	}
	fail(commit());
	reload.compiled = NULL;
	reload.staged = 0;
	if (reload.err)
		return;
	reload.closed = false;
	if (!kept)
		(void)policy_archive_commit(state_directory(), !reload.none);
}

static uint64_t took(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)(now.tv_sec - reload.began.tv_sec) * 1000000 +
	       (uint64_t)((now.tv_nsec - reload.began.tv_nsec) / 1000);
}

static struct reload_outcome outcome(bool good)
{
	const struct policy_compiled *compiled = policy_in_force();

	return (struct reload_outcome){
		.error = good ? NULL : reload.error ? reload.error : "out of memory\n",
		.file = compiled ? reload.config->policy : NULL,
		.path = reload.config->policy,
		.rules = compiled ? compiled->policy->rules_num : 0,
		.generation = policy_generation(),
		.took = took(),
	};
}

static void say(const struct reload_outcome *is)
{
	counter_inc(reloads);
	if (is->error) {
		counter_inc(reloads_failed);
		log_lines(is->error);
		log_error("the policy was not loaded: %s", reload.closed ?
			  "nothing is allowed until it is" : policy_generation() ?
			  "the former one stays in force" : "the router does not start without it");
	} else if (is->file) {
		log_info("policy %s is in force: %u rules, generation %llu, after %llu.%03llu ms",
			 is->file, is->rules, (unsigned long long)is->generation,
			 (unsigned long long)is->took / 1000, (unsigned long long)is->took % 1000);
	} else {
		log_info("there is no policy %s: all is allowed within tenants",
			 reload.config->policy);
	}
}

static void answer(const struct reload_outcome *is)
{
	struct reload_waiter *waiter, *next;

	cds_list_for_each_entry_safe(waiter, next, &waiting, node) {
		cds_list_del(&waiter->node);
		waiter->done(waiter, is);
	}
}

static void begin(void);

static void done(struct aside *unused)
{
	struct reload_outcome is;

	(void)unused;
	finish();
	is = outcome(is_good());
	if (!is.error)
		for (size_t i = ENFORCERS_NUM; i-- > 0;)
			enforcers[i]->revoke();
	say(&is);
	answer(&is);
	free(reload.error);
	reload.error = NULL;
	reload.running = false;
	if (reload.again || !cds_list_empty(&asked))
		begin();
}

static void begin(void)
{
	struct reload_outcome none = { .error = "there is no thread to read the policy with\n" };

	reload.again = false;
	cds_list_splice(&asked, &waiting);
	CDS_INIT_LIST_HEAD(&asked);
	reload.aside.run = run;
	reload.aside.done = done;
	reload.running = true;
	if (!aside_start(&reload.aside))
		return;
	reload.running = false;
	say(&none);
	answer(&none);
}

void reload_ask(struct reload_waiter *waiter)
{
	if (waiter)
		cds_list_add_tail(&waiter->node, &asked);
	else
		reload.again = true;
	if (!reload.running)
		begin();
}

void reload_forget(struct reload_waiter *waiter)
{
	cds_list_del(&waiter->node);
}

/* What an earlier router had in force, whatever the file says by now. False: it cannot be had. */
static bool restore(void)
{
	reload.restoring = true;
	run(NULL);
	policy_sources_free(&reload.saved);
	if (is_good())
		return true;
	reload.restoring = false;
	log_lines(reload.error ? reload.error : "out of memory\n");
	log_warning("the policy that was in force does not fit the configuration");
	give_up();
	free(reload.error);
	reload.error = NULL;
	return false;
}

static bool resume(void)
{
	int err = policy_archive_read(state_directory(), &reload.saved);

	if (!err && restore())
		return true;
	/* That the file is gone, too, does not mean that there was no policy. */
	reload.closed = err != -ENOENT;
	if (err)
		log_warning("cannot read which policy was in force: %s; reading it anew",
			    strerror(-err));
	return false;
}

/* The file has errors: an earlier router's policy stays, if there was one. */
static void fall_back(void)
{
	char *error = reload.error;
	int err = reload.err;

	if (policy_archive_read(state_directory(), &reload.saved) || !reload.saved.files_num)
		return;
	give_up();
	reload.error = NULL;
	if (!restore()) {
		reload.err = err;
		reload.error = error;
		return;
	}
	log_lines(error ? error : "out of memory\n");
	log_error("the policy was not loaded: what an earlier router had in force stays");
	counter_inc(reloads_failed);
	free(error);
}

int reload_init(const struct config *config, struct loop *control, bool resumed)
{
	struct reload_outcome is;
	int err;

	reload.config = config;
	policy_roll_init(control);
	cutting_init(control);
	enforcer_packet_init(control);
	enforcer_rates_init(config, control);
	if (!resumed || !resume())
		run(NULL);
	if (!resumed && !is_good())
		fall_back();
	finish();
	err = is_good() ? 0 : -EINVAL;
	reload.closed = err && resumed;
	if (reload.closed)
		err = policy_publish_closed();
	is = outcome(!err && !reload.closed);
	say(&is);
	free(reload.error);
	reload.error = NULL;
	return err;
}

void reload_begin(void)
{
	policy_roll_begin();
	enforcer_packet_begin();
	if (reload.closed)
		return;
	enforcer_rates_begin();
	cutting_start();
}

void reload_exit(void)
{
	policy_roll_exit();
	cutting_exit();
	enforcer_rates_exit();
	enforcer_packet_exit();
	policy_force_exit();
}
