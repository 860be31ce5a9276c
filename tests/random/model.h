/* SPDX-License-Identifier: MIT */
/*
 * model.h - what the coordinator knows of actors, processes, descriptors and sockets
 *
 * Theory of operation: both worlds are at the same point of the same script, and have said the same
 * so far; so there is one model, which follows what the plain world says. It tells which step makes
 * sense next, which fds a step's slots stand for, and on what a documented difference would show
 * (rules.c).
 */
#ifndef RANDOM_MODEL_H
#define RANDOM_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "step.h"

#define FILES_MAX	256
#define WATCHES_MAX	6

/* A registration in an epoll set, by the descriptor that was registered */
struct watch {
	int set;			/* a file */
	int fd;
	bool edge;
};

/* An open file: a socket or an epoll set */
struct file {
	int holders;			/* 0: not in use */
	bool is_epoll;
	int family;			/* enum family_word */
	int side;			/* of the namespace */
	bool bound;			/* by bind() */
	int port;			/* of those of the script, or -1 */
	bool reuse;
	bool buffers;			/* their sizes were set */
	bool listening;
	bool listened;			/* at any time */
	bool shut_early;		/* before it was connected */
	bool tried;			/* connect was called */
	bool tried_mapped;		/* ... with a mapped address */
	bool gone_slim;			/* ... and may have made a connection of Slim's of it, now or before */
	bool accepted;
	bool ended;			/* neither connected nor listening, when last seen */
	bool dissolved;			/* connect(AF_UNSPEC), or connect failed, after gone_slim */
	struct watch watches[WATCHES_MAX];
	int watches_num;
};

/* A process' descriptor */
struct holder {
	int fd;				/* -1: the slot is empty */
	int file;
	bool cloexec;
	bool noted;			/* the shim has a note of how the socket came to be */
	bool missed;			/* ... which has missed what was done elsewhere */
};

struct process {
	int side;
	int threads;
	bool has_forked;
	bool has_listened;		/* or accepted, since it was executed */
	struct holder slots[SLOTS];
};

struct model_actor {
	bool alive, busy;
	int process;
	struct step step;		/* the one that it is busy with */
};

/* A port of the script's, on one side */
struct port {
	int listeners;
	int backlog;			/* the smallest */
	int waiting;			/* connections that nobody has accepted yet */
	bool used;			/* connections were made from it or to it */
};

struct model {
	bool near;			/* all in one container */
	bool slim;			/* connections from side to side may take the slim path */
	struct model_actor actors[ACTORS];
	struct process processes[ACTORS];
	struct file files[FILES_MAX];
	struct port ports[2][PORTS];
	bool apart;			/* no descriptor can be passed from side to side */
	bool renewed;			/* a socket of Slim's was replaced: natively it would have kept its port */
};

/*
 * As a script begins. @near: all are in one container. @apart: they are on two hosts. @both: both sides have
 * the shim
 */
void model_init(struct model *model, bool near, bool apart, bool both);

struct process *model_process(struct model *model, int actor);

/* What the step's argument of that number, a slot, stands for; NULL: nothing */
struct holder *model_holder(struct model *model, const struct step *step, int arg);

struct file *model_file(struct model *model, const struct holder *holder);

/* Can the step be played at all? Actors and slots are there, and of the right kind. */
bool model_allows(struct model *model, const struct step *step);

/* Of which side a connect's destination is; -1: of none */
int model_target(const struct model *model, const struct step *step, const struct file *file);

/* May this connect take the slim path? It leads to another container then. */
bool model_is_far(const struct model *model, const struct step *step, const struct file *file);

/* The step has begun to be played. */
void model_begin(struct model *model, const struct step *step);

/* The step is over, with that result. */
void model_end(struct model *model, const struct step *step, int ret, int error);

/*
 * A connect of @step's socket has got under way: finds another descriptor of it, in any process.
 * False: there is none. @process and @slot: the one found
 */
bool model_other_holder(struct model *model, const struct step *step, int *process, int *slot);

/* The slot's descriptor is closed. */
void model_close(struct model *model, int process, int slot);

/* An actor of that process that waits for orders, or -1 */
int model_idle_actor(const struct model *model, int process);

/* Any actor of that process, or -1 */
int model_any_actor(const struct model *model, int process);

#endif
