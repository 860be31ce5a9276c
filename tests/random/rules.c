/* SPDX-License-Identifier: MIT */
/*
 * rules.c - documented differences (docs/compatibility.md), and what they excuse
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "option.h"
#include "rules.h"

static struct file *file_of(struct model *model, const struct step *step, int arg)
{
	const struct holder *holder = model_holder(model, step, arg);

	return holder ? model_file(model, holder) : NULL;
}

static bool is_far_connect(struct model *model, const struct step *step)
{
	return step->op == OP_CONNECT && model_is_far(model, step, file_of(model, step, 0));
}

/* ... of a connection that may be Slim's */
static bool is_dissolve(struct model *model, const struct step *step)
{
	return step->op == OP_DISSOLVE &&
	       (file_of(model, step, 0)->gone_slim || file_of(model, step, 0)->accepted);
}

/*
 * "Other descriptors of the same socket that were made before ..., and threads that are blocked on it meanwhile,
 * keep the unconnected socket": the play closes other descriptors in both worlds, once a connect has got under way;
 * which it cannot where all actors that hold one are blocked, or one is blocked on the very socket.
 */
static bool others_keep_the_old(struct model *model, const struct step *step)
{
	const struct holder *own;

	if (!is_far_connect(model, step) && !is_dissolve(model, step))
		return false;
	own = model_holder(model, step, 0);
	for (int i = 0; i < ACTORS; i++) {
		const struct model_actor *actor = &model->actors[i];

		if (actor->alive && actor->busy && step_find(actor->step.op, KIND_SLOT) >= 0) {
			const struct holder *holder = model_holder(model, &actor->step,
								   step_find(actor->step.op, KIND_SLOT));

			if (holder && holder->file == own->file)
				return true;
		}
	}
	for (int i = 0; i < ACTORS * SLOTS; i++) {
		const struct holder *holder = &model->processes[i / SLOTS].slots[i % SLOTS];

		if (holder != own && holder->fd >= 0 && holder->file == own->file &&
		    model_idle_actor(model, i / SLOTS) < 0)
			return true;
	}
	return false;
}

/*
 * "Options, bind, shutdown and epoll registrations are lost in connect() if they were made ... in a child, or
 * through a duplicate ...; so is a shutdown before listen()"
 */
static bool done_elsewhere(struct model *model, const struct step *step)
{
	const struct holder *holder;
	const struct file *file;

	if (step->op == OP_LISTEN) {
		holder = model_holder(model, step, 0);
		return model_file(model, holder)->shut_early && (!holder->noted || holder->missed);
	}
	if (!is_far_connect(model, step) && !is_dissolve(model, step))
		return false;
	holder = model_holder(model, step, 0);
	file = model_file(model, holder);
	if ((holder->noted && holder->missed) || (file->shut_early && !holder->noted))
		return true;
	for (int i = 0; i < file->watches_num; i++) {
		bool has_set = false;

		for (int slot = 0; slot < SLOTS; slot++) {
			const struct holder *set = &model_process(model, step->actor)->slots[slot];

			has_set = has_set || (set->fd >= 0 && set->file == file->watches[i].set);
		}
		if (!has_set || file->watches[i].fd != holder->fd)
			return true;
	}
	return false;
}

/*
 * "Once a client that has bound a local port is connected, another socket of the container can bind that port; and so
 * can it a server's port, as far as accepted connections alone hold it"
 */
static bool port_is_free(struct model *model, const struct step *step)
{
	const struct file *file;

	if (step->op != OP_BIND && step->op != OP_LISTEN && step->op != OP_CONNECT)
		return false;
	file = file_of(model, step, 0);
	/* Natively, both ports may be those of a connection that is there, or was. */
	if (step->op == OP_CONNECT)
		return is_far_connect(model, step) && file->port >= 0 && step->arg[2] < PORTS &&
		       model->ports[file->side][file->port].used &&
		       model->ports[model_target(model, step, file)][step->arg[2]].used;
	if (step->op == OP_LISTEN)
		return file->port >= 0 && !file->listening && (file->tried || file->listened) &&
		       model->ports[file->side][file->port].used;
	return step->arg[2] < PORTS && model->ports[file->side][step->arg[2]].used;
}

/* "Connections that come while a listener's queue is full wait for room", and nobody knows for how long */
static bool queue_is_full(struct model *model, const struct step *step)
{
	const struct port *port;

	if (!is_far_connect(model, step) || step->arg[2] >= PORTS)
		return false;
	port = &model->ports[model_target(model, step, file_of(model, step, 0))][step->arg[2]];
	return port->listeners && port->waiting > port->backlog;
}

/* "IPV6_V6ONLY reads 0 on a slim connection, and can be set once that has ended" */
static bool v6only_reads_0(struct model *model, const struct step *step)
{
	const struct file *file = step->op == OP_GETOPT || step->op == OP_SETOPT ? file_of(model, step, 0) : NULL;

	return file && step->arg[1] == NUMBER_V6ONLY && (file->accepted || file->gone_slim);
}

/*
 * A descriptor of a connection that the shim has not seen: a duplicate, one that was passed or
 * inherited
 */
static bool is_unseen(struct model *model, const struct step *step)
{
	const struct holder *holder = model_holder(model, step, 0);
	const struct file *file = model_file(model, holder);

	return (file->accepted || file->gone_slim) && !holder->noted;
}

/*
 * "A duplicate of a connection that an AF_INET server has accepted, and one that a program was left by exec, takes
 * IPv6 options, too"
 */
static bool takes_ipv6_options(struct model *model, const struct step *step)
{
	if ((step->op != OP_GETOPT && step->op != OP_SETOPT) || !is_unseen(model, step))
		return false;
	return file_of(model, step, 0)->family == FAMILY_INET &&
	       (step->arg[1] == NUMBER_V6ONLY || step->arg[1] == NUMBER_TCLASS || step->arg[1] == NUMBER_HOPS);
}

/*
 * "After connect(AF_UNSPEC) ..., and after a connect that failed, getsockname gives port 0 unless the program had
 * bound a port by its number, where a plain socket keeps the port until it is used again. An accepted connection
 * loses its address and port, too."
 */
static bool port_0_after_dissolve(struct model *model, const struct step *step)
{
	const struct file *file = step_kind(step->op, 0) == KIND_SLOT ? file_of(model, step, 0) : NULL;

	if (!file || !file->dissolved)
		return false;
	if (file->accepted)
		return step->op == OP_CONNECT || step->op == OP_BIND || step->op == OP_LISTEN ||
		       step->op == OP_SOCKNAME;
	return step->op == OP_SOCKNAME && file->port < 0;
}

/* "SO_REUSEADDR reads 1 on an accepted connection" */
static bool reuseaddr_reads_1(struct model *model, const struct step *step)
{
	return step->op == OP_GETOPT && step->arg[1] == NUMBER_REUSEADDR && file_of(model, step, 0)->accepted;
}

/* "bind() on a slim connection that has ended, or whose failure has not been told yet, fails with EINVAL" */
static bool bind_after_end(struct model *model, const struct step *step)
{
	const struct file *file = step->op == OP_BIND ? file_of(model, step, 0) : NULL;

	return file && (file->accepted || file->gone_slim) && file->ended && !file->dissolved;
}

/*
 * "An AF_INET6 socket that was connected to an IPv4-mapped address over the slim path ... can be connected to an IPv6
 * address. A plain one goes on sending by IPv4". One that listens then accepts connections that no data comes through.
 */
static bool mapped_then_6(struct model *model, const struct step *step)
{
	const struct file *file = step->op == OP_CONNECT || step->op == OP_LISTEN ? file_of(model, step, 0) : NULL;

	return file && file->tried_mapped &&
	       (step->op == OP_LISTEN || file->gone_slim || is_far_connect(model, step));
}

/*
 * "A connected socket that is passed ... to a program in another container shows the hosts' addresses there. What such
 * a program accepts from a listener that was passed to it has no names at all."
 */
static bool passed_elsewhere(struct model *model, const struct step *step)
{
	const struct file *file;

	if (step->op == OP_ACCEPT)
		return model_process(model, step->actor)->side != file_of(model, step, 1)->side;
	if (step->op != OP_PASS)
		return false;
	file = file_of(model, step, 0);
	return model_process(model, step->arg[1])->side != file->side &&
	       (file->accepted || file->gone_slim || file->listened);
}

static bool is_last_listener(const struct model *model, const struct holder *holder)
{
	return holder && holder->fd >= 0 && model->files[holder->file].listening &&
	       model->files[holder->file].holders == 1;
}

/*
 * "Where a listener vanishes in the moment ...; some seconds where the listener was closed by dup2 or close_range, by the
 * end of a program whose child still has its channel, or by a program that inherited it and has never accepted"
 */
static bool vanishes_unseen(struct model *model, const struct step *step)
{
	const struct process *process = model_process(model, step->actor);

	if (step->op == OP_DUP2 || step->op == OP_DUP3)
		return is_last_listener(model, model_holder(model, step, 1));
	if (step->op == OP_CLOSE)
		return !process->has_listened && is_last_listener(model, model_holder(model, step, 0));
	if ((step->op != OP_EXEC && step->op != OP_EXIT) || (process->has_listened && !process->has_forked))
		return false;
	for (int i = 0; i < SLOTS; i++)
		if (is_last_listener(model, &process->slots[i]) &&
		    (step->op == OP_EXIT || process->slots[i].cloexec))
			return true;
	return false;
}

/* No difference: of a connection's buffers, the kernel sets the sizes as it sees fit. */
static bool kernel_tunes(struct model *model, const struct step *step)
{
	const struct file *file = step->op == OP_GETOPT ? file_of(model, step, 0) : NULL;

	return file && (step->arg[1] == NUMBER_RCVBUF || step->arg[1] == NUMBER_SNDBUF) &&
	       (file->tried || file->gone_slim || file->accepted) && !file->buffers;
}

static bool takes_in(enum op op)
{
	return op == OP_ACCEPT || op == OP_RECV || op == OP_READ || op == OP_RECVMSG;
}

/*
 * No difference: among the listeners that share a port, the kernel chooses by chance; and among
 * those who wait for the same connections or bytes.
 */
static bool by_chance(struct model *model, const struct step *step)
{
	const struct file *file = step->op == OP_LISTEN ? file_of(model, step, 0) : NULL;
	int slot = step_find(step->op, KIND_SLOT);

	if (file)
		return file->port >= 0 && !file->listening && model->ports[file->side][file->port].listeners;
	for (int i = 0; takes_in(step->op) && i < ACTORS; i++) {
		const struct model_actor *actor = &model->actors[i];

		if (actor->alive && actor->busy && takes_in(actor->step.op) &&
		    file_of(model, &actor->step, step_find(actor->step.op, KIND_SLOT)) == file_of(model, step, slot))
			return true;
	}
	return false;
}

static struct rule {
	const char *name;
	bool (*excludes)(struct model *model, const struct step *step);
	bool always;			/* the kernel's own ways; else the slim path's */
	unsigned long used;
} rules[] = {
	{ "others-keep-the-old", others_keep_the_old, false, 0 },
	{ "done-elsewhere", done_elsewhere, false, 0 },
	{ "port-is-free", port_is_free, false, 0 },
	{ "queue-is-full", queue_is_full, false, 0 },
	{ "v6only-reads-0", v6only_reads_0, false, 0 },
	{ "takes-ipv6-options", takes_ipv6_options, false, 0 },
	{ "port-0-after-dissolve", port_0_after_dissolve, false, 0 },
	{ "reuseaddr-reads-1", reuseaddr_reads_1, false, 0 },
	{ "bind-after-end", bind_after_end, false, 0 },
	{ "passed-elsewhere", passed_elsewhere, false, 0 },
	{ "vanishes-unseen", vanishes_unseen, false, 0 },
	{ "kernel-tunes", kernel_tunes, true, 0 },
	{ "mapped-then-6", mapped_then_6, false, 0 },
	{ "by-chance", by_chance, true, 0 },
};

static unsigned long events_too_many;

#define RULES_NUM	(sizeof(rules) / sizeof(rules[0]))

const char *rules_exclude(struct model *model, const struct step *step)
{
	for (size_t i = 0; i < RULES_NUM; i++) {
		if ((!model->slim && !rules[i].always) || !rules[i].excludes(model, step))
			continue;
		rules[i].used++;
		return rules[i].name;
	}
	return NULL;
}

/* Is the fd registered in the set for edges? */
static bool is_edge(const struct model *model, int set, int fd)
{
	for (int i = 0; i < FILES_MAX; i++)
		for (int j = 0; model->files[i].holders && j < model->files[i].watches_num; j++)
			if (model->files[i].watches[j].set == set && model->files[i].watches[j].fd == fd)
				return model->files[i].watches[j].edge;
	return false;
}

/* Edge-triggered: an event too many is what a program must expect; one too few is not. */
static bool events_same(const struct model *model, int set, const char *plain, const char *slim)
{
	while (*slim) {
		size_t len = strcspn(slim, "]") + 1;

		if (strncmp(plain, slim, len) == 0)
			plain += len;
		else if (*slim != '[' || !is_edge(model, set, atoi(slim + 1)))
			return false;
		slim += len;
	}
	return !*plain;
}

bool rules_same(struct model *model, const struct step *step, const char *plain, const char *slim)
{
	const struct holder *set;

	if (!strcmp(plain, slim))
		return true;
	set = step->op == OP_EPWAIT ? model_holder(model, step, 0) : NULL;
	if (!set || *plain == '-' || *slim == '-' || !events_same(model, set->file, plain, slim))
		return false;
	events_too_many++;
	return true;
}

void rules_report(void)
{
	printf("excluded by rules:");
	for (size_t i = 0; i < RULES_NUM; i++)
		printf(" %s %lu%s", rules[i].name, rules[i].used, i + 1 < RULES_NUM ? "," : "");
	printf("; edges too many %lu\n", events_too_many);
}
