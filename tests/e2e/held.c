/* SPDX-License-Identifier: MIT */
/*
 * held.c - a program that is held before one of its system calls
 *
 *   held CALL NUMBER FILE PROGRAM [ARGUMENT]...
 *
 * Starts the program; before its NUMBERth CALL (dup3 or recvmsg; in whichever thread or child) prints "held", and
 * lets it go on once FILE is there. Ends as the program does.
 */
#include <err.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define LISTENER_FD	200	/* out of the program's way */

static int number_of(const char *call)
{
	static const struct {
		const char *name;
		int number;
	} calls[] = { { "dup3", SYS_dup3 }, { "recvmsg", SYS_recvmsg } };

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (!strcmp(calls[i].name, call))
			return calls[i].number;
	errx(2, "%s: neither dup3 nor recvmsg", call);
}

/* Returns by what is heard of the calls. */
static int filter(int number)
{
	struct sock_filter instructions[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned int)number, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(instructions) / sizeof(instructions[0]), instructions };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		err(2, "PR_SET_NO_NEW_PRIVS");
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
}

static pid_t start(int number, char **command, int *listener)
{
	int ready[2], go[2];
	char byte = 0;
	pid_t pid;
	int pidfd;

	if (pipe(ready) || pipe(go))
		err(2, "pipe");
	pid = fork();
	if (!pid) {
		int fd = filter(number);

		if (fd < 0 || dup2(fd, LISTENER_FD) < 0 || write(ready[1], &byte, 1) != 1 ||
		    read(go[0], &byte, 1) != 1)
			err(2, "seccomp");
		syscall(SYS_close_range, 3, ~0u, 0);
		execvp(command[0], command);
		err(127, "%s", command[0]);
	}
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		errx(2, "no filter");
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	*listener = (int)syscall(SYS_pidfd_getfd, pidfd, LISTENER_FD, 0);
	if (*listener < 0 || write(go[1], &byte, 1) != 1)
		err(2, "pidfd_getfd");
	close(pidfd);
	return pid;
}

static void hold(const char *file)
{
	puts("held");
	while (access(file, F_OK))
		poll(NULL, 0, 1);
}

int main(int argc, char **argv)
{
	struct seccomp_notif call;
	int listener, status, left;
	pid_t pid;

	if (argc < 5)
		errx(2, "usage: held CALL NUMBER FILE PROGRAM [ARGUMENT]...");
	setvbuf(stdout, NULL, _IOLBF, 0);
	left = atoi(argv[2]);
	pid = start(number_of(argv[1]), argv + 4, &listener);
	for (;;) {
		struct seccomp_notif_resp go_on = { .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE };
		struct pollfd pollfd = { .fd = listener, .events = POLLIN };

		/* Nobody has the filter any more: POLLHUP */
		if (poll(&pollfd, 1, -1) < 0 || !(pollfd.revents & POLLIN))
			break;
		memset(&call, 0, sizeof(call));
		if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call))
			continue;
		if (!--left)
			hold(argv[3]);
		go_on.id = call.id;
		ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &go_on);
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
