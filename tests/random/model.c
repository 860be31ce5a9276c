/* SPDX-License-Identifier: MIT */
/*
 * model.c - what the coordinator knows of actors, processes, descriptors and sockets
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "model.h"
#include "option.h"

void model_init(struct model *model, bool near, bool apart, bool both)
{
	memset(model, 0, sizeof(*model));
	model->near = near;
	model->slim = both && !near;
	model->apart = apart;
	for (int i = 0; i < ACTORS; i++) {
		model->processes[i].side = !near && i >= ROOTS / 2 && i < ROOTS;
		for (int slot = 0; slot < SLOTS; slot++)
			model->processes[i].slots[slot].fd = -1;
	}
	for (int i = 0; i < ROOTS; i++) {
		model->actors[i] = (struct model_actor){ .alive = true, .process = i };
		model->processes[i].threads = 1;
	}
}

struct process *model_process(struct model *model, int actor)
{
	return &model->processes[model->actors[actor].process];
}

struct holder *model_holder(struct model *model, const struct step *step, int arg)
{
	struct holder *holder = &model_process(model, step->actor)->slots[step->arg[arg]];

	return holder->fd < 0 ? NULL : holder;
}

struct file *model_file(struct model *model, const struct holder *holder)
{
	return &model->files[holder->file];
}

int model_idle_actor(const struct model *model, int process)
{
	for (int i = 0; i < ACTORS; i++)
		if (model->actors[i].alive && !model->actors[i].busy && model->actors[i].process == process)
			return i;
	return -1;
}

int model_any_actor(const struct model *model, int process)
{
	for (int i = 0; i < ACTORS; i++)
		if (model->actors[i].alive && model->actors[i].process == process)
			return i;
	return -1;
}

/* Are the slots that the step speaks of what it takes them for? */
static bool slots_suit(struct model *model, const struct step *step)
{
	for (int i = 0; i < STEP_ARGS; i++) {
		const struct holder *holder;
		bool wants_set = i == 0 && step->op >= OP_EPADD && step->op <= OP_EPWAIT;

		if (step_kind(step->op, i) != KIND_SLOT)
			continue;
		holder = model_holder(model, step, i);
		if (!holder)
			return false;
		if (step->op != OP_CLOSE && model->files[holder->file].is_epoll != wants_set)
			return false;
	}
	return true;
}

bool model_allows(struct model *model, const struct step *step)
{
	const struct model_actor *actor = &model->actors[step->actor];
	const struct model_actor *other = &model->actors[step->arg[step->op == OP_PASS ? 1 : 0]];

	if (!actor->alive || actor->busy || !slots_suit(model, step))
		return false;
	switch (step->op) {
	case OP_FORK:
	case OP_THREAD:
		return step->arg[0] >= ROOTS && !other->alive;
	case OP_EXEC:
		return model->processes[actor->process].threads == 1;
	case OP_EXIT:
		return step->actor >= ROOTS;
	case OP_PASS:
		return other->alive && !other->busy &&
		       (!model->apart || model->processes[actor->process].side ==
						 model->processes[other->process].side);
	case OP_SIGNAL:
		return other->alive && other->busy;
	default:
		return true;
	}
}

int model_target(const struct model *model, const struct step *step, const struct file *file)
{
	switch (step->arg[1]) {
	case ADDRESS_A4:
	case ADDRESS_A6:
	case ADDRESS_AM:
		return 0;
	case ADDRESS_B4:
	case ADDRESS_B6:
	case ADDRESS_BM:
		return model->near ? 0 : 1;
	case ADDRESS_DEAD4:
		return -1;
	default:
		return file->side;
	}
}

bool model_is_far(const struct model *model, const struct step *step, const struct file *file)
{
	int target = model_target(model, step, file);

	return model->slim && target >= 0 && target != file->side;
}

static struct port *port_of(struct model *model, const struct file *file)
{
	return file->port < 0 ? NULL : &model->ports[file->side][file->port];
}

static void stop_listening(struct model *model, struct file *file)
{
	struct port *port = port_of(model, file);

	if (!file->listening)
		return;
	file->listening = false;
	if (port && !--port->listeners)
		port->waiting = 0;
}

static void file_put(struct model *model, int which)
{
	struct file *file = &model->files[which];

	if (--file->holders)
		return;
	stop_listening(model, file);
	for (int i = 0; file->is_epoll && i < FILES_MAX; i++) {
		struct file *other = &model->files[i];

		for (int j = other->watches_num; j-- > 0;)
			if (other->watches[j].set == which)
				other->watches[j] = other->watches[--other->watches_num];
	}
}

static int file_new(struct model *model, bool is_epoll, int family, int side)
{
	for (int i = 0; i < FILES_MAX; i++) {
		if (model->files[i].holders)
			continue;
		model->files[i] = (struct file){ .is_epoll = is_epoll, .family = family, .side = side, .port = -1 };
		return i;
	}
	return FILES_MAX - 1;
}

/* @file gets one more holder. */
static void hold(struct model *model, int process, int slot, struct holder holder)
{
	struct holder *place = &model->processes[process].slots[slot];

	/* A descriptor that loses its slot, as may happen while a script shrinks, stays open. */
	*place = holder;
	model->files[holder.file].holders++;
}

void model_close(struct model *model, int process, int slot)
{
	struct holder *holder = &model->processes[process].slots[slot];

	if (holder->fd < 0)
		return;
	holder->fd = -1;
	file_put(model, holder->file);
}

/* What is done to a socket by one descriptor is not seen by the notes of others. */
static void touch(struct model *model, const struct holder *by)
{
	for (int i = 0; i < ACTORS * SLOTS; i++) {
		struct holder *holder = &model->processes[i / SLOTS].slots[i % SLOTS];

		if (holder->fd >= 0 && holder != by && holder->file == by->file && holder->noted)
			holder->missed = true;
	}
}

bool model_other_holder(struct model *model, const struct step *step, int *process, int *slot)
{
	const struct holder *own = model_holder(model, step, 0);

	for (int i = 0; own && i < ACTORS * SLOTS; i++) {
		const struct holder *holder = &model->processes[i / SLOTS].slots[i % SLOTS];

		if (holder->fd < 0 || holder == own || holder->file != own->file)
			continue;
		*process = i / SLOTS;
		*slot = i % SLOTS;
		return true;
	}
	return false;
}

static void watch(struct model *model, const struct step *step)
{
	const struct holder *set = model_holder(model, step, 0), *holder = model_holder(model, step, 1);
	struct file *file = model_file(model, holder);
	bool edge = step->arg[2] & EVENT_ET;

	touch(model, holder);
	for (int i = 0; i < file->watches_num; i++) {
		if (file->watches[i].set != set->file || file->watches[i].fd != holder->fd)
			continue;
		if (step->op == OP_EPDEL)
			file->watches[i] = file->watches[--file->watches_num];
		else
			file->watches[i].edge = edge;
		return;
	}
	if (step->op == OP_EPADD && file->watches_num < WATCHES_MAX)
		file->watches[file->watches_num++] = (struct watch){ set->file, holder->fd, edge };
}

static void bound(struct model *model, const struct step *step)
{
	const struct holder *holder = model_holder(model, step, 0);
	struct file *file = model_file(model, holder);

	touch(model, holder);
	file->bound = true;
	file->dissolved = false;
	file->port = step->arg[2] < PORTS ? step->arg[2] : -1;
}

static void listening(struct model *model, const struct step *step)
{
	struct file *file = model_file(model, model_holder(model, step, 0));
	struct port *port = port_of(model, file);

	touch(model, model_holder(model, step, 0));
	file->dissolved = false;
	if (port && !file->listening) {
		port->listeners++;
		port->backlog = step->arg[1];
	}
	file->listening = file->listened = true;
	model_process(model, step->actor)->has_listened = true;
	if (port && step->arg[1] < port->backlog)
		port->backlog = step->arg[1];
}

static void connecting(struct model *model, const struct step *step)
{
	struct file *file = model_file(model, model_holder(model, step, 0));
	int target = model_target(model, step, file);
	struct port *own = port_of(model, file);

	file->dissolved = false;
	if (model_is_far(model, step, file)) {
		file->gone_slim = true;
		model_holder(model, step, 0)->noted = true;
	}
	if (own)
		own->used = true;
	if (target >= 0 && step->arg[2] < PORTS && model->ports[target][step->arg[2]].listeners) {
		model->ports[target][step->arg[2]].waiting++;
		model->ports[target][step->arg[2]].used = true;
	}
}

static void connect_ended(struct model *model, const struct step *step, int ret, int error)
{
	const struct holder *holder = model_holder(model, step, 0);
	struct file *file = model_file(model, holder);
	bool going = !ret || error == EINPROGRESS || error == EINTR;

	/* The port of the first attempt is taken for one that it was bound to. */
	if (model->slim && file->tried && !file->bound && !holder->noted)
		model->renewed = true;
	file->tried = true;
	if (step->arg[1] == ADDRESS_AM || step->arg[1] == ADDRESS_BM)
		file->tried_mapped = true;
	if (going)
		connecting(model, step);
	else if (file->gone_slim && error != EISCONN && error != EALREADY)
		file->dissolved = model->renewed = true;
}

static void accepted(struct model *model, const struct step *step, int fd)
{
	struct file *from = model_file(model, model_holder(model, step, 1));
	struct port *port = port_of(model, from);
	int which = file_new(model, false, from->family, from->side);

	model->files[which].accepted = model->files[which].tried = true;
	model->files[which].port = from->port;
	model->files[which].reuse = from->reuse;
	model->files[which].buffers = from->buffers;
	if (port && port->waiting)
		port->waiting--;
	hold(model, model->actors[step->actor].process, step->arg[0],
	     (struct holder){ .fd = fd, .file = which, .noted = true,
			      .cloexec = step->arg[2] & FLAG_CLOEXEC });
}

static void made(struct model *model, const struct step *step, int fd)
{
	struct process *process = model_process(model, step->actor);
	bool is_epoll = step->op == OP_EPOLL;
	int which = file_new(model, is_epoll, step->arg[1], process->side);

	hold(model, model->actors[step->actor].process, step->arg[0],
	     (struct holder){ .fd = fd, .file = which, .noted = !is_epoll,
			      .cloexec = !is_epoll && (step->arg[2] & FLAG_CLOEXEC) });
}

static void duplicated(struct model *model, const struct step *step, int fd)
{
	hold(model, model->actors[step->actor].process, step->arg[0],
	     (struct holder){ .fd = fd, .file = model_holder(model, step, 1)->file });
}

static void duplicated_over(struct model *model, const struct step *step)
{
	const struct holder *from = model_holder(model, step, 0), *to = model_holder(model, step, 1);
	int process = model->actors[step->actor].process, fd = to->fd;

	if (from == to)
		return;
	model_close(model, process, step->arg[1]);
	hold(model, process, step->arg[1],
	     (struct holder){ .fd = fd, .file = from->file,
			      .cloexec = step->op == OP_DUP3 && (step->arg[2] & FLAG_CLOEXEC) });
}

static void option_set(struct model *model, const struct step *step)
{
	struct holder *holder = model_holder(model, step, 0);

	touch(model, holder);
	if (step->arg[1] == NUMBER_REUSEADDR || step->arg[1] == NUMBER_REUSEPORT)
		model_file(model, holder)->reuse = step->arg[2];
	if (step->arg[1] == NUMBER_RCVBUF || step->arg[1] == NUMBER_SNDBUF)
		model_file(model, holder)->buffers = true;
}

static void forked(struct model *model, const struct step *step)
{
	int new = step->arg[0];
	struct process *from = model_process(model, step->actor);

	model->actors[new] = (struct model_actor){ .alive = true, .process = new };
	model->processes[new] = *from;
	model->processes[new].threads = 1;
	model->processes[new].has_forked = false;
	from->has_forked = true;
	for (int i = 0; i < SLOTS; i++)
		if (from->slots[i].fd >= 0)
			model->files[from->slots[i].file].holders++;
}

static void threaded(struct model *model, const struct step *step)
{
	model->actors[step->arg[0]] = (struct model_actor){
		.alive = true, .process = model->actors[step->actor].process,
	};
	model_process(model, step->actor)->threads++;
}

static void executed(struct model *model, const struct step *step)
{
	struct process *process = model_process(model, step->actor);

	process->has_listened = false;
	for (int i = 0; i < SLOTS; i++) {
		process->slots[i].noted = process->slots[i].missed = false;
		if (process->slots[i].cloexec)
			model_close(model, model->actors[step->actor].process, i);
	}
}

static void exited(struct model *model, const struct step *step)
{
	struct process *process = model_process(model, step->actor);

	model->actors[step->actor].alive = false;
	if (--process->threads)
		return;
	for (int i = 0; i < SLOTS; i++)
		model_close(model, model->actors[step->actor].process, i);
}

static void passed(struct model *model, const struct step *step, int fd)
{
	hold(model, model->actors[step->arg[1]].process, step->arg[2],
	     (struct holder){ .fd = fd, .file = model_holder(model, step, 0)->file });
}

static void dissolved(struct model *model, const struct step *step)
{
	struct file *file = model_file(model, model_holder(model, step, 0));

	stop_listening(model, file);
	if (model->slim && (file->gone_slim || file->accepted))
		file->dissolved = model->renewed = true;
	file->tried = false;
}

/* The kernel keeps it all the same. */
static void shut_early(struct model *model, const struct step *step)
{
	const struct holder *holder = model_holder(model, step, 0);

	touch(model, holder);
	model_file(model, holder)->shut_early = true;
}

static void shut_down(struct model *model, const struct step *step)
{
	if (step->arg[1] != SHUT_WR)
		stop_listening(model, model_file(model, model_holder(model, step, 0)));
}

static void set_cloexec(struct model *model, const struct step *step)
{
	model_holder(model, step, 0)->cloexec = step->arg[1];
}

void model_begin(struct model *model, const struct step *step)
{
	model->actors[step->actor].busy = true;
	model->actors[step->actor].step = *step;
	if (step->op == OP_ACCEPT)
		model_process(model, step->actor)->has_listened = true;
}

static void ended_well(struct model *model, const struct step *step, int ret)
{
	switch (step->op) {
	case OP_SOCKET:
	case OP_EPOLL:
		return made(model, step, ret);
	case OP_BIND:
		return bound(model, step);
	case OP_LISTEN:
		return listening(model, step);
	case OP_DISSOLVE:
		return dissolved(model, step);
	case OP_ACCEPT:
		return accepted(model, step, ret);
	case OP_SHUTDOWN:
		return shut_down(model, step);
	case OP_CLOSE:
		return model_close(model, model->actors[step->actor].process, step->arg[0]);
	case OP_DUP:
	case OP_DUPFD:
		return duplicated(model, step, ret);
	case OP_DUP2:
	case OP_DUP3:
		return duplicated_over(model, step);
	case OP_SETFD:
		return set_cloexec(model, step);
	case OP_SETOPT:
		return option_set(model, step);
	case OP_EPADD:
	case OP_EPMOD:
	case OP_EPDEL:
		return watch(model, step);
	case OP_FORK:
		return forked(model, step);
	case OP_THREAD:
		return threaded(model, step);
	case OP_EXEC:
		return executed(model, step);
	case OP_EXIT:
		return exited(model, step);
	case OP_PASS:
		return passed(model, step, ret);
	default:
		return;
	}
}

void model_end(struct model *model, const struct step *step, int ret, int error)
{
	model->actors[step->actor].busy = false;
	if (step->op == OP_CONNECT) {
		if (model_holder(model, step, 0))
			connect_ended(model, step, ret, error);
		return;
	}
	if (step->op == OP_SHUTDOWN && ret < 0 && error == ENOTCONN)
		shut_early(model, step);
	if (ret < 0)
		return;
	/* A call that blocked may outlive what it was made on. */
	for (int i = 0; i < STEP_ARGS; i++)
		if (step_kind(step->op, i) == KIND_SLOT && !model_holder(model, step, i))
			return;
	ended_well(model, step, ret);
}
