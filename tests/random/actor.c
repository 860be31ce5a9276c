/* SPDX-License-Identifier: MIT */
/*
 * actor.c - who makes calls: a process or a thread that does as it is told
 *
 * An actor knows nothing of scripts, slots and other actors: it gets calls with fds for arguments.
 * Each has an end of a socket pair of its own, under a number that says which actor it is.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "actor.h"
#include "call.h"
#include "order.h"
#include "place.h"

#define SWEPT	64	/* numbers below are closed one by one, as a program would */

static char *const *own_addresses;

static int control_fd(int index)
{
	return CONTROL_FD + index;
}

static void act(int index);

static void *act_as_thread(void *index)
{
	act((int)(intptr_t)index);
	return NULL;
}

static void answer(int index, struct reply *reply, int fd)
{
	reply->pid = getpid();
	reply->tid = gettid();
	order_send(control_fd(index), reply, sizeof(*reply), fd);
}

static void greet(int index)
{
	struct reply reply = { 0 };

	answer(index, &reply, -1);
}

/* The new actor's end, out of the way of the numbers that programs get */
static void take_end(int fd, int index)
{
	dup2(fd, control_fd(index));
	syscall(SYS_close, fd);
}

static void begin_process(int index)
{
	for (int i = 0; i < ACTORS; i++)
		if (i != index)
			syscall(SYS_close, control_fd(i));
	greet(index);
	act(index);
	/* Its threads act on. */
	pthread_exit(NULL);
}

static void do_fork(const struct order *order, struct reply *reply, int fd)
{
	int index = order->step.arg[0];
	pid_t pid;

	take_end(fd, index);
	pid = fork();
	if (!pid)
		begin_process(index);
	syscall(SYS_close, control_fd(index));
	call_say(reply, pid < 0 ? -1 : 0);
}

static void do_thread(const struct order *order, struct reply *reply, int fd)
{
	int index = order->step.arg[0];
	pthread_t thread;

	take_end(fd, index);
	errno = pthread_create(&thread, NULL, act_as_thread, (void *)(intptr_t)index);
	if (!errno)
		pthread_detach(thread);
	call_say(reply, errno ? -1 : 0);
}

/* The new program says that it is there. */
static void do_exec(int index, struct reply *reply)
{
	char number[8];
	char *args[] = {
		"actor", "--actor", number, own_addresses[0], own_addresses[1], own_addresses[2],
		own_addresses[3], NULL,
	};

	snprintf(number, sizeof(number), "%d", index);
	execv("/proc/self/exe", args);
	call_say(reply, -1);
}

/* Connections end with a reset, so that nothing of them is left to the next script. */
static void reset(struct reply *reply)
{
	struct linger linger = { .l_onoff = 1 };

	for (int fd = 3; fd < SWEPT; fd++) {
		syscall(SYS_setsockopt, fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
		close(fd);
	}
	call_say(reply, syscall(SYS_close_range, SWEPT, FD_LAST, 0));
}

static void receive(struct reply *reply, int fd)
{
	errno = EBADF;
	call_say(reply, fd);
}

/* False: it was told to end. */
static bool obey(int index, const struct order *order, int fd)
{
	struct reply reply = { 0 };

	switch ((int)order->step.op) {
	case OP_EXIT:
		return false;
	case OP_FORK:
		do_fork(order, &reply, fd);
		break;
	case OP_THREAD:
		do_thread(order, &reply, fd);
		break;
	case OP_EXEC:
		do_exec(index, &reply);
		break;
	case OP_PASS:
		call_say(&reply, 0);
		answer(index, &reply, order->fd[0]);
		return true;
	case OP_RECEIVE:
		receive(&reply, fd);
		break;
	case OP_RESET:
		reset(&reply);
		break;
	default:
		call_make(order, &reply);
	}
	answer(index, &reply, -1);
	return true;
}

static void act(int index)
{
	struct order order = { 0 };
	int fd;

	if (getpid() != gettid())
		greet(index);
	while (order_receive(control_fd(index), &order, sizeof(order), &fd, 0) == sizeof(order))
		if (!obey(index, &order, fd))
			break;
	syscall(SYS_close, control_fd(index));
}

static void nothing(int signal)
{
	(void)signal;
}

int actor_run(int index, char **addresses)
{
	struct sigaction once = { .sa_handler = nothing };
	struct sigaction restart = { .sa_handler = nothing, .sa_flags = SA_RESTART };

	sigaction(SIGUSR1, &once, NULL);
	sigaction(SIGUSR2, &restart, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_IGN);
	own_addresses = addresses;
	if (place_set(addresses))
		return 2;
	greet(index);
	act(index);
	pthread_exit(NULL);
}
