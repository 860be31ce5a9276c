/* SPDX-License-Identifier: MIT */
/*
 * filters.h - what a program can tell that must not make some system call
 */
#ifndef TESTS_SHIM_DIFFERENCES_FILTERS_H
#define TESTS_SHIM_DIFFERENCES_FILTERS_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "../program.h"

/* Of this thread and its children. Returns what @flags want, or 0 */
static int filter_call(int number, unsigned int action, unsigned int flags)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned int)number, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, action),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(filter) / sizeof(filter[0]), filter };
	int ret = -1;

	if (!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		ret = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
	if (ret < 0)
		puts("no filter");
	return ret;
}

static void filter_kills(void)
{
	pid_t pid;

	one_echo();
	pid = child();
	if (!pid) {
		filter_call(SYS_recvmsg, SECCOMP_RET_KILL_PROCESS, 0);
		_exit(connect(tcp(0), TO, to_len) ? 1 : 0);
	}
	differs("filter-kills");
	printf("status of a child that must not call recvmsg: %d\n", status_of(pid));
}

/* What two threads share of whom one connects a descriptor that the other closes */
struct race {
	int fd;
	int calls;		/* by which is heard of the first one's dup3() */
	pthread_barrier_t ready;
};

static void *connects_filtered(void *argument)
{
	struct race *race = argument;

	race->calls = filter_call(SYS_dup3, SECCOMP_RET_USER_NOTIF, SECCOMP_FILTER_FLAG_NEW_LISTENER);
	pthread_barrier_wait(&race->ready);
	say("connect", connect(race->fd, TO, to_len));
	return NULL;
}

/* Closes it just before the other thread calls dup3(), or else when that has ended. */
static void close_meanwhile(struct race *race)
{
	struct pollfd pollfd = { .fd = race->calls, .events = POLLIN };
	struct seccomp_notif call = { 0 };
	struct seccomp_notif_resp go_on = { .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE };

	poll(&pollfd, 1, -1);
	if (pollfd.revents & POLLIN)
		ioctl(race->calls, SECCOMP_IOCTL_NOTIF_RECV, &call);
	close(race->fd);
	go_on.id = call.id;
	if (pollfd.revents & POLLIN)
		ioctl(race->calls, SECCOMP_IOCTL_NOTIF_SEND, &go_on);
}

static void number_again(void)
{
	struct race race = { .fd = tcp(0) };
	pthread_t thread;

	pthread_barrier_init(&race.ready, NULL, 2);
	pthread_create(&thread, NULL, connects_filtered, &race);
	pthread_barrier_wait(&race.ready);
	close_meanwhile(&race);
	pthread_join(thread, NULL);
	differs("number-again");
	say("the number is closed", fcntl(race.fd, F_GETFD) < 0);
}

/* Without dup3 nothing can be put in a descriptor's place. */
static void without_dup3(void)
{
	int from = listener(4), lowest = dup(from), fd;

	close(lowest);
	filter_call(SYS_dup3, SECCOMP_RET_ERRNO | EPERM, 0);
	fd = accept(from, NULL, NULL);
	differs("no-dup3");
	say("accept gives the lowest number", fd == lowest);
	serve_echo(fd);
}

#endif
