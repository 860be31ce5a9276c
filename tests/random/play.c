/* SPDX-License-Identifier: MIT */
/*
 * play.c - one script, step by step, in both worlds
 *
 * Theory of operation: a step's order goes to its actor in both worlds. Then the worlds settle:
 * they are looked at until the same actors have replied, and all sockets look the same. The plain
 * world mostly does at once what it does, and Slim's some 100 us later; where they have not become
 * the same within patience_ms, that is a difference. A call that has not come back after a few
 * milliseconds is left alone, blocked, and the script goes on with other actors; if it was only
 * slow, it is compared when it is there.
 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "option.h"
#include "play.h"
#include "router.h"
#include "rules.h"

#define BLOCKED_MS	8
#define HELLO_MS	3000
#define HANDLED_MS	2
#define INTERRUPTED_MS	100
#define PORTS_FIRST	5000
#define PORTS_LAST	30000
#define PORTS_A_SECOND	200	/* at the most, about */
#define STATE_CLOSE	7

static long long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

__attribute__((format(printf, 4, 5)))
static void differ(struct play *play, const struct step *step, enum difference kind, const char *format, ...)
{
	va_list args;
	size_t len;

	if (play->difference[0])
		return;
	step_print(step, play->difference, sizeof(play->difference));
	len = strlen(play->difference);
	va_start(args, format);
	vsnprintf(play->difference + len, sizeof(play->difference) - len, format, args);
	va_end(args);
	play->sort = (struct sort){ step->op, kind };
}

static void order_of(struct play *play, const struct step *step, struct order *order)
{
	*order = (struct order){ .step = *step, .ports = play->ports };
	for (int i = 0; i < STEP_ARGS; i++) {
		const struct holder *holder = NULL;

		if (step_kind(step->op, i) == KIND_SLOT)
			holder = model_holder(&play->model, step, i);
		order->fd[i] = holder ? holder->fd : -1;
	}
}

/* Both worlds have replied: the same? */
static void compare(struct play *play, int actor)
{
	struct model_actor *known = &play->model.actors[actor];
	struct step step = known->step;
	struct reply *plain = &play->worlds[0].seats[actor].reply, *slim = &play->worlds[1].seats[actor].reply;

	for (int w = 0; w < 2; w++) {
		if (play->worlds[w].seats[actor].died)
			differ(play, &step, DIFFERENT_END, ": the actor died in the %s world", play->worlds[w].name);
		world_name_ports(&play->worlds[w], play->worlds[w].seats[actor].reply.text,
				 play->model.renewed);
	}
	if (!rules_same(&play->model, &step, plain->text, slim->text))
		differ(play, &step, DIFFERENT_RESULT, ": plain %s, slim %s", plain->text, slim->text);
	if (play->verbose)
		fprintf(stderr, "    %s %s: %s\n", actor_name(actor), op_name(step.op), plain->text);
	if (!play->difference[0])
		model_end(&play->model, &step, plain->ret, plain->error);
}

/* Of actors that have a reply in both worlds. Returns whether some have one in one world alone. */
static bool compare_all(struct play *play)
{
	bool apart = false;

	world_collect(play->worlds, 0);
	for (int i = 0; i < ACTORS; i++) {
		const struct model_actor *actor = &play->model.actors[i];
		bool plain = play->worlds[0].seats[i].busy, slim = play->worlds[1].seats[i].busy;

		if (!actor->alive || !actor->busy)
			continue;
		if (plain != slim)
			apart = true;
		else if (!plain)
			compare(play, i);
	}
	return apart;
}

static bool same_sight(const struct sight *plain, const struct sight *slim)
{
	return plain->open == slim->open && plain->socket == slim->socket && plain->state == slim->state &&
	       plain->events == slim->events && plain->readable == slim->readable;
}

static void say_sight(char *text, size_t size, const struct sight *sight)
{
	if (!sight->open)
		snprintf(text, size, "closed");
	else
		snprintf(text, size, "state %d events %x readable %d", sight->state,
			 (unsigned short)sight->events, sight->readable);
}

/* Do all sockets look the same? @step: after which; NULL: no difference is to be told. */
static bool looks_same(struct play *play, const struct step *step)
{
	for (int i = 0; i < ACTORS * SLOTS; i++) {
		const struct holder *holder = &play->model.processes[i / SLOTS].slots[i % SLOTS];
		struct sight plain, slim;
		char said[2][64];
		int actor;

		if (holder->fd < 0)
			continue;
		actor = model_any_actor(&play->model, i / SLOTS);
		if (actor < 0)
			continue;
		plain = world_look(&play->worlds[0], actor, holder->fd);
		slim = world_look(&play->worlds[1], actor, holder->fd);
		play->model.files[holder->file].ended = plain.state == STATE_CLOSE;
		if (same_sight(&plain, &slim))
			continue;
		if (step) {
			say_sight(said[0], sizeof(said[0]), &plain);
			say_sight(said[1], sizeof(said[1]), &slim);
			differ(play, step, DIFFERENT_LOOK, ": then %s s%d: plain %s, slim %s", actor_name(actor), i % SLOTS,
			       said[0], said[1]);
		}
		return false;
	}
	return true;
}

static void say_apart(struct play *play, const struct step *step)
{
	for (int i = 0; i < ACTORS; i++)
		if (play->model.actors[i].busy &&
		    play->worlds[0].seats[i].busy != play->worlds[1].seats[i].busy)
			differ(play, step, DIFFERENT_RETURN, ": %s's %s: %s is blocked, %s says %s", actor_name(i),
			       op_name(play->model.actors[i].step.op),
			       play->worlds[play->worlds[1].seats[i].busy].name,
			       play->worlds[!play->worlds[1].seats[i].busy].name,
			       play->worlds[!play->worlds[1].seats[i].busy].seats[i].reply.text);
}

static void settle(struct play *play, const struct step *step)
{
	long long until = now_ms() + play->patience_ms;
	useconds_t pause = 20;

	while (!play->difference[0]) {
		bool apart = compare_all(play);

		if (!apart && looks_same(play, NULL))
			return;
		if (now_ms() >= until) {
			say_apart(play, step);
			looks_same(play, step);
			return;
		}
		usleep(pause);
		if (pause < 5000)
			pause *= 2;
	}
}

/* So long a step's call may take before it counts as blocked */
static void await(struct play *play, int actor)
{
	long long until = now_ms() + BLOCKED_MS;

	while (play->worlds[0].seats[actor].busy || play->worlds[1].seats[actor].busy) {
		long long left = until - now_ms();

		if (left <= 0)
			break;
		world_collect(play->worlds, (int)left);
	}
	if (play->worlds[0].seats[actor].busy && play->worlds[1].seats[actor].busy)
		play->blocked++;
}

/* A step of the play's own, in both worlds. What comes of it may differ. */
static void do_also(struct play *play, const struct step *step)
{
	struct order order;

	order_of(play, step, &order);
	model_begin(&play->model, step);
	for (int w = 0; w < 2; w++)
		world_order(&play->worlds[w], step->actor, &order, -1);
	for (int w = 0; w < 2; w++)
		if (!world_wait(&play->worlds[w], step->actor, HELLO_MS))
			differ(play, step, DIFFERENT_RETURN, ": does not return in the %s world",
			       play->worlds[w].name);
	model_end(&play->model, step, 0, 0);
}

/* See rules.c, others_keep_the_old(). */
static void close_others(struct play *play, const struct step *step)
{
	int process, slot;

	while (!play->difference[0] && model_other_holder(&play->model, step, &process, &slot)) {
		struct step also = { .op = OP_CLOSE, .arg = { (int16_t)slot } };
		int actor = model_idle_actor(&play->model, process);

		if (actor < 0)
			return;
		also.actor = (uint8_t)actor;
		do_also(play, &also);
	}
}

/*
 * "After connect(AF_UNSPEC) ... neither SO_ERROR nor a write reports ECONNRESET": so that none is owed in either
 * world; and the socket is replaced behind one descriptor, as it is by connect.
 */
static void after_dissolve(struct play *play, const struct step *step)
{
	struct step also = { step->actor, OP_GETOPT, { step->arg[0], NUMBER_ERROR } };
	const struct holder *holder = model_holder(&play->model, step, 0);
	const struct file *file;

	for (int w = 0; w < 2; w++)
		world_wait(&play->worlds[w], step->actor, HELLO_MS);
	compare_all(play);
	file = holder ? model_file(&play->model, holder) : NULL;
	if (play->difference[0] || !file || !play->model.slim || (!file->gone_slim && !file->accepted))
		return;
	close_others(play, step);
	do_also(play, &also);
}

/* A connect to the other side, if it has got under way */
static void after_connect(struct play *play, const struct step *step)
{
	const struct holder *holder = model_holder(&play->model, step, 0);

	compare_all(play);
	if (!holder || !model_is_far(&play->model, step, model_file(&play->model, holder)))
		return;
	if (play->model.actors[step->actor].busy || model_file(&play->model, holder)->gone_slim)
		close_others(play, step);
}

/* New seats in both worlds, and their ends on the way to them with the order */
static void order_actor(struct play *play, const struct step *step, const struct order *order)
{
	for (int w = 0; w < 2; w++) {
		int end = world_seat(&play->worlds[w], step->arg[0]);

		world_order(&play->worlds[w], step->actor, order, end);
		close(end);
		if (!world_wait(&play->worlds[w], step->arg[0], HELLO_MS))
			differ(play, step, DIFFERENT_END, ": no new actor in the %s world", play->worlds[w].name);
	}
	await(play, step->actor);
}

/* The new program greets. */
static void order_exec(struct play *play, const struct step *step, const struct order *order)
{
	for (int w = 0; w < 2; w++)
		world_order(&play->worlds[w], step->actor, order, -1);
	for (int w = 0; w < 2; w++)
		if (!world_wait(&play->worlds[w], step->actor, HELLO_MS))
			differ(play, step, DIFFERENT_END, ": no new program in the %s world", play->worlds[w].name);
}

static void order_exit(struct play *play, const struct step *step, const struct order *order)
{
	bool last = model_process(&play->model, step->actor)->threads == 1;

	for (int w = 0; w < 2; w++) {
		world_order(&play->worlds[w], step->actor, order, -1);
		world_wait(&play->worlds[w], step->actor, HELLO_MS);
		if (!play->worlds[w].seats[step->actor].died ||
		    (last && !world_wait_end(&play->worlds[w], step->actor, HELLO_MS)))
			differ(play, step, DIFFERENT_END, ": does not end in the %s world", play->worlds[w].name);
		world_leave(&play->worlds[w], step->actor);
	}
	model_end(&play->model, step, 0, 0);
}

/* A descriptor comes with the reply, and goes on to another actor. */
static void order_pass(struct play *play, const struct step *step, const struct order *order)
{
	struct order receive = { .step.op = OP_RECEIVE };
	int to = step->arg[1], got[2] = { -1, -1 };

	for (int w = 0; w < 2; w++) {
		struct world *world = &play->worlds[w];

		world_order(world, step->actor, order, -1);
		if (!world_wait(world, step->actor, HELLO_MS) || world->seats[step->actor].passed < 0) {
			differ(play, step, DIFFERENT_RESULT, ": nothing came in the %s world", world->name);
			continue;
		}
		world_order(world, to, &receive, world->seats[step->actor].passed);
		close(world->seats[step->actor].passed);
		world->seats[step->actor].passed = -1;
		world_wait(world, to, HELLO_MS);
		got[w] = world->seats[to].reply.ret;
	}
	if (got[0] != got[1])
		differ(play, step, DIFFERENT_RESULT, ": plain %d, slim %d", got[0], got[1]);
	model_end(&play->model, step, got[0], 0);
}

static void order_signal(struct play *play, const struct step *step)
{
	for (int w = 0; w < 2; w++)
		world_signal(&play->worlds[w], step->arg[0], step->arg[1] ? SIGUSR2 : SIGUSR1);
	/* What comes next is to find it handled; a call that is not begun again comes back. */
	for (int w = 0; w < 2; w++)
		world_wait(&play->worlds[w], step->arg[0], step->arg[1] ? HANDLED_MS : INTERRUPTED_MS);
	model_end(&play->model, step, 0, 0);
}

static void order_call(struct play *play, const struct step *step, const struct order *order)
{
	for (int w = 0; w < 2; w++)
		world_order(&play->worlds[w], step->actor, order, -1);
	await(play, step->actor);
}

/* "Where a listener vanishes in the moment ..., connect() succeeds, and the first read fails": not in that one */
#define WITHDRAWN_MS	300
#define ANNOUNCED_MS	10	/* if it is at all: one of the packet path is not */

/* The routers are to know who listens, as they do a moment later. */
static void hear_of_listeners(struct play *play, const struct model *before)
{
	for (int i = 0; play->model.slim && i < 2 * PORTS; i++) {
		int side = i / PORTS, port = i % PORTS;
		bool listened = before->ports[side][port].listeners;
		bool listens = play->model.ports[side][port].listeners;

		if (listens != listened)
			router_wait(play->worlds[1].addresses + 2 * side, (uint16_t)(play->ports + port), listens,
				    listens ? ANNOUNCED_MS : WITHDRAWN_MS);
	}
}

static void play_step(struct play *play, const struct step *step)
{
	static struct model before;
	struct order order;

	before = play->model;
	order_of(play, step, &order);
	model_begin(&play->model, step);
	if (step->op == OP_FORK || step->op == OP_THREAD)
		order_actor(play, step, &order);
	else if (step->op == OP_EXEC)
		order_exec(play, step, &order);
	else if (step->op == OP_EXIT)
		order_exit(play, step, &order);
	else if (step->op == OP_PASS)
		order_pass(play, step, &order);
	else if (step->op == OP_SIGNAL)
		order_signal(play, step);
	else
		order_call(play, step, &order);
	if (step->op == OP_CONNECT)
		after_connect(play, step);
	if (step->op == OP_DISSOLVE)
		after_dissolve(play, step);
	settle(play, step);
	hear_of_listeners(play, &before);
}

/*
 * Ports that none has had for a minute and more, as long as a plain connection may hold them after
 * its end; be it one of another run
 */
static void choose_ports(struct play *play)
{
	if (!play->ports)
		play->ports = (uint16_t)(PORTS_FIRST + now_ms() / 1000 * PORTS_A_SECOND % (PORTS_LAST - PORTS_FIRST));
	play->ports = (uint16_t)(play->ports + PORTS);
	if (play->ports > PORTS_LAST)
		play->ports = PORTS_FIRST;
}

bool play_run(struct play *play, play_source *source, void *context)
{
	struct step step = { 0 };

	choose_ports(play);
	model_init(&play->model, play->near, play->apart, play->both);
	play->done.num = 0;
	play->difference[0] = '\0';
	play->scripts++;
	while (play->done.num < STEPS_MAX && !play->difference[0] && source(context, &play->model, &step)) {
		if (!model_allows(&play->model, &step) || rules_exclude(&play->model, &step))
			continue;
		play->done.steps[play->done.num++] = step;
		play->steps++;
		play_step(play, &step);
	}
	for (int w = 0; w < 2; w++)
		if (!world_reset(&play->worlds[w]) && play->done.num)
			differ(play, &step, DIFFERENT_END, ": an actor hangs or has died in the %s world, in the end",
			       play->worlds[w].name);
	return play->difference[0];
}

struct reading {
	const struct script *script;
	int at;
};

static bool next(void *context, struct model *model, struct step *step)
{
	struct reading *reading = context;

	(void)model;
	if (reading->at == reading->script->num)
		return false;
	*step = reading->script->steps[reading->at++];
	return true;
}

bool play_script(struct play *play, const struct script *script)
{
	struct reading reading = { script, 0 };

	return play_run(play, next, &reading);
}
