/* SPDX-License-Identifier: MIT */
/*
 * draw.c - steps by chance
 *
 * Theory of operation: what is drawn wholly by chance seldom gets to a connection. So a script
 * follows plans (a listener here, a socket that connects to it there, an accept), between whose
 * steps others come that are drawn from a table of weights, on sockets that suit them more often
 * than not.
 */
#include <string.h>

#include "draw.h"
#include "option.h"

#define TRIES	60

/* splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014) */
static uint64_t chance(struct draw *draw)
{
	uint64_t z = (draw->random += 0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

static int below(struct draw *draw, int limit)
{
	return (int)(chance(draw) % (uint64_t)limit);
}

/* In so many of 100 cases */
static bool often(struct draw *draw, int percent)
{
	return below(draw, 100) < percent;
}

static const struct {
	enum op op;
	int weight;
} weights[] = {
	{ OP_SOCKET, 30 }, { OP_BIND, 40 }, { OP_LISTEN, 25 }, { OP_CONNECT, 90 }, { OP_DISSOLVE, 12 },
	{ OP_ACCEPT, 50 }, { OP_SHUTDOWN, 25 }, { OP_CLOSE, 25 }, { OP_DUP, 14 }, { OP_DUP2, 8 },
	{ OP_DUP3, 6 }, { OP_DUPFD, 6 }, { OP_FIONBIO, 12 }, { OP_SETFL, 12 }, { OP_SETFD, 6 },
	{ OP_GETFL, 12 }, { OP_GETFD, 6 }, { OP_SOCKNAME, 40 }, { OP_PEERNAME, 30 }, { OP_SETOPT, 40 },
	{ OP_GETOPT, 40 }, { OP_SEND, 40 }, { OP_RECV, 50 }, { OP_WRITE, 15 }, { OP_READ, 15 },
	{ OP_SENDMSG, 10 }, { OP_RECVMSG, 12 }, { OP_POLL, 20 }, { OP_SELECT, 8 }, { OP_EPOLL, 14 },
	{ OP_EPADD, 25 }, { OP_EPMOD, 10 }, { OP_EPDEL, 6 }, { OP_EPWAIT, 30 }, { OP_FORK, 10 },
	{ OP_THREAD, 8 }, { OP_EXEC, 5 }, { OP_EXIT, 5 }, { OP_PASS, 10 }, { OP_SIGNAL, 30 },
};

#define WEIGHTS_NUM	(sizeof(weights) / sizeof(weights[0]))

static enum op draw_op(struct draw *draw)
{
	int total = 0, at;
	size_t i = 0;

	for (size_t j = 0; j < WEIGHTS_NUM; j++)
		total += weights[j].weight;
	for (at = below(draw, total); at >= weights[i].weight; i++)
		at -= weights[i].weight;
	return weights[i].op;
}

static int draw_actor(struct draw *draw, const struct model *model)
{
	for (int i = 0; i < TRIES; i++) {
		int actor = below(draw, ACTORS);

		if (model->actors[actor].alive && !model->actors[actor].busy)
			return actor;
	}
	return 0;
}

static const struct process *process_of(const struct model *model, int actor)
{
	return &model->processes[model->actors[actor].process];
}

/* How well a socket suits a call: 0 to 100 */
static int suits(const struct file *file, enum op op)
{
	switch (op) {
	case OP_BIND:
		return file->bound || file->tried || file->listening ? 10 : 100;
	case OP_LISTEN:
		return file->tried ? 5 : file->listening ? 10 : file->bound ? 100 : 15;
	case OP_CONNECT:
		return file->accepted ? 5 : file->listening ? 5 : file->tried ? 25 : 100;
	case OP_ACCEPT:
		return file->listening ? 100 : 3;
	case OP_SEND:
	case OP_RECV:
	case OP_READ:
	case OP_WRITE:
	case OP_SENDMSG:
	case OP_RECVMSG:
	case OP_PEERNAME:
		return file->tried ? 100 : 10;
	case OP_DISSOLVE:
		return file->tried ? 100 : 30;
	default:
		return 100;
	}
}

/* A slot of that sort, or -1 */
static int draw_slot(struct draw *draw, const struct model *model, int actor, bool set, enum op op)
{
	for (int i = 0; i < TRIES; i++) {
		int slot = below(draw, SLOTS);
		const struct holder *holder = &process_of(model, actor)->slots[slot];

		if (holder->fd >= 0 && model->files[holder->file].is_epoll == set &&
		    often(draw, suits(&model->files[holder->file], op)))
			return slot;
	}
	return -1;
}

/* A slot that is empty and that no plan has need of (those are the first ones), or -1 */
static int draw_new(struct draw *draw, const struct model *model, int actor)
{
	for (int i = 0; i < TRIES / 2; i++) {
		int slot = below(draw, SLOTS);

		if (process_of(model, actor)->slots[slot].fd < 0)
			return slot;
	}
	return -1;
}

static int draw_address(struct draw *draw, const struct model *model, const struct step *step)
{
	const struct holder *holder = &process_of(model, step->actor)->slots[step->arg[0]];
	const struct file *file = &model->files[holder->file];
	static const int near4[] = { ADDRESS_ANY4, ADDRESS_LO4 }, near6[] = { ADDRESS_ANY6, ADDRESS_LO6 };
	static const int hosts4[] = { ADDRESS_A4, ADDRESS_B4 }, hosts6[] = { ADDRESS_A6, ADDRESS_B6 };
	static const int mapped[] = { ADDRESS_AM, ADDRESS_BM };
	int far = step->op == OP_BIND ? file->side : !file->side;

	if (often(draw, 2))
		return ADDRESS_DEAD4;
	if (often(draw, 4))
		return below(draw, ADDRESS_DEAD4);
	if (often(draw, step->op == OP_BIND ? 50 : 10))
		return file->family == FAMILY_INET6 ? near6[often(draw, 20)] : near4[often(draw, 20)];
	if (often(draw, 4))
		far = !far;
	if (file->family == FAMILY_INET)
		return hosts4[far];
	return often(draw, 30) ? mapped[far] : hosts6[far];
}

static int draw_port(struct draw *draw, const struct model *model, const struct step *step)
{
	if (often(draw, step->op == OP_BIND ? 15 : 2))
		return PORTS;
	for (int i = 0; step->op == OP_CONNECT && i < 8; i++) {
		int port = below(draw, PORTS);

		if (model->ports[0][port].listeners || model->ports[1][port].listeners)
			return port;
	}
	return below(draw, PORTS);
}

static int draw_bits(struct draw *draw, int bits, int percent)
{
	int value = 0;

	for (int bit = 0; bit < bits; bit++)
		value |= often(draw, percent) << bit;
	return value;
}

static int draw_number(struct draw *draw, const struct step *step)
{
	static const int lengths[] = { 1, 1, 3, 7, 20, 100, 1500, 4000, 0 };
	static const int backlogs[] = { 3, 8, 16, 128, 128, 1, 0 };
	static const int fds[] = { 0, 5, 20, 40 };

	switch (step->op) {
	case OP_LISTEN:
		return backlogs[below(draw, 7)];
	case OP_DUPFD:
		return fds[below(draw, 4)];
	case OP_POLL:
	case OP_SELECT:
	case OP_EPWAIT:
		return often(draw, 10) ? -1 : often(draw, 20) ? 2 : 0;
	case OP_SETOPT:
		return options[step->arg[1]].values[below(draw, OPTION_VALUES)];
	case OP_FIONBIO:
	case OP_SETFL:
	case OP_SETFD:
		return often(draw, 60);
	default:
		return lengths[below(draw, 9)];
	}
}

static int draw_msg(struct draw *draw, const struct step *step)
{
	int bits = often(draw, 5) ? MSG_BIT_OOB : 0;

	if (step->op == OP_SEND || step->op == OP_SENDMSG)
		return bits | (often(draw, 5) ? MSG_BIT_MORE : 0) | (often(draw, 30) ? MSG_BIT_DONTWAIT : 0);
	return bits | (often(draw, 20) ? MSG_BIT_PEEK : 0) | (often(draw, 85) ? MSG_BIT_DONTWAIT : 0) |
	       (often(draw, 5) ? MSG_BIT_WAITALL : 0);
}

static int draw_other(struct draw *draw, const struct model *model, enum op op)
{
	for (int i = 0; i < TRIES; i++) {
		int actor = below(draw, ACTORS);
		const struct model_actor *other = &model->actors[actor];

		if (op == OP_FORK || op == OP_THREAD) {
			if (actor >= ROOTS && !other->alive)
				return actor;
		} else if (other->alive && other->busy == (op == OP_SIGNAL)) {
			return actor;
		}
	}
	return -1;
}

/* -1: nothing suits. */
static int draw_arg(struct draw *draw, const struct model *model, const struct step *step, int which)
{
	switch (step_kind(step->op, which)) {
	case KIND_SLOT:
		return draw_slot(draw, model, step->actor,
				 (!which && step->op >= OP_EPADD && step->op <= OP_EPWAIT) ||
				 (step->op == OP_CLOSE && often(draw, 20)), step->op);
	case KIND_NEW:
		return draw_new(draw, model, step->op == OP_PASS ? step->arg[1] : step->actor);
	case KIND_ACTOR:
		return draw_other(draw, model, step->op);
	case KIND_FAMILY:
		return often(draw, 50);
	case KIND_FLAGS:
		return draw_bits(draw, 2, 40);
	case KIND_ADDRESS:
		return draw_address(draw, model, step);
	case KIND_PORT:
		return draw_port(draw, model, step);
	case KIND_HOW:
		return below(draw, 3);
	case KIND_OPTION:
		return below(draw, options_num);
	case KIND_MSG:
		return draw_msg(draw, step);
	case KIND_EVENTS:
		return draw_bits(draw, 4, 60) | (often(draw, 20) ? EVENT_ET : 0) |
		       (often(draw, 10) ? EVENT_ONESHOT : 0);
	case KIND_SIGNAL:
		return often(draw, 30);
	default:
		return -1;
	}
}

static bool draw_step(struct draw *draw, const struct model *model, struct step *step)
{
	memset(step, 0, sizeof(*step));
	step->actor = (uint8_t)draw_actor(draw, model);
	step->op = (uint8_t)draw_op(draw);
	for (int i = 0; i < STEP_ARGS && step_kind(step->op, i); i++) {
		int value = step_kind(step->op, i) == KIND_NUMBER ? draw_number(draw, step) :
			    draw_arg(draw, model, step, i);

		if (value < 0 && step_kind(step->op, i) != KIND_NUMBER)
			return false;
		step->arg[i] = (int16_t)value;
	}
	return true;
}

static void plan(struct draw *draw, int actor, enum op op, int a, int b, int c)
{
	if (draw->planned < PLAN_MAX)
		draw->plan[draw->planned++] =
			(struct step){ (uint8_t)actor, (uint8_t)op, { (int16_t)a, (int16_t)b, (int16_t)c } };
}

/* An actor on that side, of those that are always there */
static int actor_of(struct draw *draw, int side)
{
	return side * ROOTS / 2 + below(draw, ROOTS / 2);
}

static void plan_listener(struct draw *draw, int server, int slot, int family, int port)
{
	int own = family == FAMILY_INET6 ? ADDRESS_A6 : ADDRESS_A4;
	int any = family == FAMILY_INET6 ? ADDRESS_ANY6 : ADDRESS_ANY4;

	if (server >= ROOTS / 2)
		own += ADDRESS_B4 - ADDRESS_A4;
	plan(draw, server, OP_SOCKET, slot, family, draw_bits(draw, 2, 20));
	if (often(draw, 30))
		plan(draw, server, OP_SETOPT, slot, often(draw, 30) ? NUMBER_REUSEPORT : NUMBER_REUSEADDR, 1);
	plan(draw, server, OP_BIND, slot, often(draw, 60) ? any : own, port);
	plan(draw, server, OP_LISTEN, slot, often(draw, 80) ? 16 : 1, 0);
}

static void plan_client(struct draw *draw, int client, int slot, int family, int port)
{
	int target = family == FAMILY_INET6 ? ADDRESS_B6 : ADDRESS_B4;

	if (client >= ROOTS / 2)
		target -= ADDRESS_B4 - ADDRESS_A4;
	plan(draw, client, OP_SOCKET, slot, family, draw_bits(draw, 2, 35));
	if (often(draw, 10))
		plan(draw, client, OP_BIND, slot, family == FAMILY_INET6 ? ADDRESS_ANY6 : ADDRESS_ANY4,
		     below(draw, PORTS + 1));
	plan(draw, client, OP_CONNECT, slot, target, port);
}

/* A listener, if none is there, and a connection to it that is accepted; some plans end early. */
static void plan_connection(struct draw *draw, const struct model *model)
{
	int side = often(draw, 70), server = actor_of(draw, side), client = actor_of(draw, !side);
	int family = often(draw, 40) ? FAMILY_INET6 : FAMILY_INET, port = below(draw, PORTS);
	int at_server = draw_new(draw, model, server), at_client = draw_new(draw, model, client);
	int accepted = draw_new(draw, model, server);

	draw->planned = draw->at = 0;
	if (at_server < 0 || at_client < 0 || accepted < 0)
		return;
	plan_listener(draw, server, at_server, family, port);
	plan_client(draw, client, at_client, family, port);
	plan(draw, server, OP_ACCEPT, accepted, at_server, draw_bits(draw, 2, 20));
	plan(draw, client, OP_SEND, at_client, 20, 0);
	plan(draw, server, OP_RECV, accepted, 100, MSG_BIT_DONTWAIT);
	draw->planned -= often(draw, 50) ? 0 : below(draw, draw->planned);
}

void draw_init(struct draw *draw, uint64_t seed, int steps)
{
	*draw = (struct draw){ .random = seed, .left = steps };
}

bool draw_next(void *context, struct model *model, struct step *step)
{
	struct draw *draw = context;

	if (!draw->left--)
		return false;
	if (draw->at == draw->planned && often(draw, 30))
		plan_connection(draw, model);
	while (draw->at < draw->planned && often(draw, 60)) {
		*step = draw->plan[draw->at++];
		if (model_allows(model, step))
			return true;
	}
	for (int i = 0; i < TRIES; i++)
		if (draw_step(draw, model, step) && model_allows(model, step))
			return true;
	*step = (struct step){ .actor = 0, .op = OP_SOCKET };
	return true;
}
