/* SPDX-License-Identifier: MIT */
/* child.c - a program in a network namespace, and what it says */
#include "child.h"

#include <err.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIGNALLED	128
#define SAID_MAX	4096	/* of what is looked at while it runs */

/* What it mounts is its own, as under ip-netns(8). */
static void enter(int netns)
{
	if (setns(netns, CLONE_NEWNET) || unshare(CLONE_NEWNS) ||
	    mount("", "/", "none", MS_SLAVE | MS_REC, NULL))
		err(126, "a namespace");
}

static void become(int netns, int said, char *const argv[], char *const envp[])
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setpgid(0, 0);
	enter(netns);
	if (dup2(null, 0) < 0 || dup2(said, 1) < 0 || dup2(said, 2) < 0)
		err(126, "dup2");
	execve(argv[0], argv, envp);
	err(127, "%s", argv[0]);
}

struct child child_start(int netns, char *const argv[], char *const envp[])
{
	struct child child = { .said = memfd_create("said", MFD_CLOEXEC) };

	/* All who write do so at the end. */
	if (child.said < 0 || fcntl(child.said, F_SETFL, O_APPEND))
		err(1, "memfd_create");
	child.pid = fork();
	if (child.pid < 0)
		err(1, "fork");
	if (!child.pid)
		become(netns, child.said, argv, envp);
	setpgid(child.pid, child.pid);
	return child;
}

static bool has_said(const struct child *child, const char *text)
{
	char bytes[SAID_MAX];
	ssize_t got = pread(child->said, bytes, sizeof(bytes) - 1, 0);

	bytes[got > 0 ? got : 0] = '\0';
	return strstr(bytes, text);
}

void child_wait_said(const struct child *child, const char *text, int ms)
{
	int pidfd = (int)syscall(SYS_pidfd_open, child->pid, 0);
	struct pollfd pollfd = { .fd = pidfd, .events = POLLIN };

	if (pidfd < 0)
		err(1, "pidfd_open");
	while (ms-- && !has_said(child, text) && !poll(&pollfd, 1, 1))
		;
	close(pidfd);
}

int child_end(struct child *child, int ms)
{
	int pidfd = (int)syscall(SYS_pidfd_open, child->pid, 0), status = 0;
	struct pollfd pollfd = { .fd = pidfd, .events = POLLIN };

	if (pidfd < 0)
		err(1, "pidfd_open");
	if (!poll(&pollfd, 1, ms))
		kill(-child->pid, SIGKILL);
	close(pidfd);
	if (waitpid(child->pid, &status, 0) < 0)
		err(1, "waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : SIGNALLED + WTERMSIG(status);
}

void child_tell(struct child *child, FILE *out)
{
	char bytes[4096];
	ssize_t got;
	off_t at = 0;

	while ((got = pread(child->said, bytes, sizeof(bytes), at)) > 0) {
		for (ssize_t i = 0; i < got; i++)
			fputs(bytes[i] ? (char[]){ bytes[i], '\0' } : "\\0", out);
		at += got;
	}
	close(child->said);
}
