/* SPDX-License-Identifier: MIT */
/*
 * step.h - one step of a script: an actor makes a call
 *
 * A script is a text, one step a line: "ACTOR CALL ARGUMENT...". Fds are named by slots (s0, s1, ...),
 * which each process has of its own; what stands there is found out when the step is played. Ports
 * p0 to p3 are other numbers each time, so that what an earlier script left is not in the way.
 * Lines that begin with # are comments.
 */
#ifndef RANDOM_STEP_H
#define RANDOM_STEP_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define STEP_ARGS	4
#define STEPS_MAX	512
#define SLOTS		8
#define ROOTS		4	/* actors that are there when a script begins: A1 A2 B1 B2 */
#define ACTORS		10	/* ... and X1 to X6, which fork or begin as threads */
#define PORTS		4

enum op {
	OP_SOCKET, OP_BIND, OP_LISTEN, OP_CONNECT, OP_DISSOLVE, OP_ACCEPT, OP_SHUTDOWN, OP_CLOSE,
	OP_DUP, OP_DUP2, OP_DUP3, OP_DUPFD, OP_FIONBIO, OP_SETFL, OP_SETFD, OP_GETFL, OP_GETFD,
	OP_SOCKNAME, OP_PEERNAME, OP_SETOPT, OP_GETOPT, OP_SEND, OP_RECV, OP_WRITE, OP_READ,
	OP_SENDMSG, OP_RECVMSG, OP_POLL, OP_SELECT, OP_EPOLL, OP_EPADD, OP_EPMOD, OP_EPDEL,
	OP_EPWAIT, OP_FORK, OP_THREAD, OP_EXEC, OP_EXIT, OP_PASS, OP_SIGNAL,
	OP_NUM,
	/* Not of scripts: what the coordinator says to actors */
	OP_RECEIVE, OP_RESET,
};

/* What an argument is */
enum kind {
	KIND_NONE,
	KIND_SLOT,		/* holds an fd */
	KIND_NEW,		/* will hold one */
	KIND_ACTOR,
	KIND_FAMILY,
	KIND_FLAGS,
	KIND_ADDRESS,
	KIND_PORT,
	KIND_HOW,
	KIND_OPTION,
	KIND_MSG,
	KIND_EVENTS,
	KIND_SIGNAL,
	KIND_NUMBER,
};

enum address_word {
	ADDRESS_ANY4, ADDRESS_ANY6, ADDRESS_LO4, ADDRESS_LO6, ADDRESS_A4, ADDRESS_A6, ADDRESS_AM,
	ADDRESS_B4, ADDRESS_B6, ADDRESS_BM, ADDRESS_DEAD4, ADDRESS_NUM,
};

enum family_word { FAMILY_INET, FAMILY_INET6 };
enum flag_bit { FLAG_NONBLOCK = 1, FLAG_CLOEXEC = 2 };
enum msg_bit {
	MSG_BIT_PEEK = 1, MSG_BIT_DONTWAIT = 2, MSG_BIT_OOB = 4, MSG_BIT_WAITALL = 8, MSG_BIT_MORE = 16,
};
enum event_bit {
	EVENT_IN = 1, EVENT_OUT = 2, EVENT_RDHUP = 4, EVENT_PRI = 8, EVENT_ET = 16, EVENT_ONESHOT = 32,
};

struct step {
	uint8_t actor;
	uint8_t op;
	int16_t arg[STEP_ARGS];
};

struct script {
	int num;
	struct step steps[STEPS_MAX];
};

const char *op_name(enum op op);

/* What the call's argument of that number is. */
enum kind step_kind(enum op op, int arg);

/* The number of the call's argument of that kind, or -1 */
int step_find(enum op op, enum kind kind);

/* Writes a line without its end to @text, of @size bytes. */
void step_print(const struct step *step, char *text, size_t size);

const char *actor_name(int actor);

/* Reads a script from @file. 0, or -EINVAL after saying what was wrong in which line of @name. */
int script_read(struct script *script, FILE *file, const char *name);

void script_print(const struct script *script, FILE *file);

#endif
