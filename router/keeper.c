/* SPDX-License-Identifier: MIT */
/* keeper.c - the parent that outlives the router */
#include "keeper.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "log.h"

#define RESUME_VARIABLE	"SLIMROUTER_RESUMES"
#define FD_FIRST	3

/* After one that crashes again and again before it has lived LIFE_SHORT, we wait longer and longer. */
#define LIFE_SHORT	2000	/* ms */
#define PAUSE_FREE	8	/* so often without a pause */
#define PAUSE_FIRST	100	/* ms */
#define PAUSE_MAX	5000

static int (*router_run)(bool resumed, unsigned int deaths);
static bool router_resumed;
static unsigned int router_deaths;
static int router_status;

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* The signals that the keeper waits for; blocked from here on in all that follows. */
static void signals_of_keeper(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGCHLD);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGHUP);
}

static void *thread_run(void *unused)
{
	(void)unused;
	router_status = router_run(router_resumed, router_deaths);
	return NULL;
}

/*
 * The C library has not seen this process begin, and takes its first thread for the parent's;
 * a second thread is as it should be.
 */
static int child_run(pid_t keeper)
{
	pthread_t thread;

	/* Who kills the keeper means the router. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != keeper)
		return EXIT_FAILURE;
	if (pthread_create(&thread, NULL, thread_run, NULL))
		return EXIT_FAILURE;
	pthread_join(thread, NULL);
	return router_status;
}

static pid_t child_start(void)
{
	pid_t keeper = getpid(), pid;

	fflush(NULL);
	pid = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, NULL);
	if (pid == 0)
		exit(child_run(keeper));
	return pid;
}

/* Waits for the child's end, passing signals on. Returns its status as wait(2) does. */
static int child_wait(pid_t pid, const sigset_t *set)
{
	for (;;) {
		siginfo_t info;
		int status;

		if (sigwaitinfo(set, &info) < 0)
			continue;
		if (info.si_signo != SIGCHLD) {
			kill(pid, info.si_signo);
			continue;
		}
		/* Orphans of the router's, if any, are reaped as well. */
		for (;;) {
			pid_t ended = waitpid(-1, &status, WNOHANG);

			if (ended == pid)
				return status;
			if (ended <= 0)
				break;
		}
	}
}

/* Every open file shall, or shall not, outlive an exec. */
static void keep_over_exec(bool keep)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		int fd = atoi(entry->d_name);

		if (entry->d_name[0] != '.' && fd >= FD_FIRST && fd != dirfd(dir))
			fcntl(fd, F_SETFD, keep ? 0 : FD_CLOEXEC);
	}
	if (dir)
		closedir(dir);
}

/* Comes back only where it fails. */
static void upgrade(char **argv, const sigset_t *set)
{
	static char path[4096];
	ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 1);
	static const char deleted[] = " (deleted)";
	size_t tail = sizeof(deleted) - 1;

	if (len < 0)
		return;
	/* Another file has taken its name: that is the one we want. */
	if ((size_t)len > tail && !strcmp(path + len - tail, deleted))
		path[(size_t)len - tail] = '\0';
	log_info("the router is replaced by %s", path);
	keep_over_exec(true);
	setenv(RESUME_VARIABLE, "1", 1);
	sigprocmask(SIG_UNBLOCK, set, NULL);
	execv(path, argv);
	log_error("cannot execute %s: %s; the old version goes on", path, strerror(errno));
	sigprocmask(SIG_BLOCK, set, NULL);
	keep_over_exec(false);
}

static void pause_between(unsigned int deaths)
{
	unsigned int ms = PAUSE_FIRST;
	struct timespec ts;

	if (deaths <= PAUSE_FREE)
		return;
	for (unsigned int i = PAUSE_FREE + 1; i < deaths && ms < PAUSE_MAX; i++)
		ms *= 2;
	if (ms > PAUSE_MAX)
		ms = PAUSE_MAX;
	ts = (struct timespec){ .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };
	nanosleep(&ts, NULL);
}

/* A library may end its process on its own, as libnftables does without memory. */
static void say_how_it_ended(int status)
{
	if (WIFEXITED(status))
		log_error("the router ended with status %d: another one takes over",
			  WEXITSTATUS(status));
	else
		log_error("the router was killed by signal %d (%s): another one takes over",
			  WTERMSIG(status), strsignal(WTERMSIG(status)));
}

int keeper_run(char **argv, int (*router)(bool resumed, unsigned int deaths))
{
	sigset_t set;

	router_run = router;
	router_resumed = getenv(RESUME_VARIABLE) != NULL;
	unsetenv(RESUME_VARIABLE);
	if (router_resumed)
		keep_over_exec(false);
	signals_of_keeper(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	for (;;) {
		uint64_t began = now_ms();
		pid_t pid = child_start();
		int status;

		if (pid < 0) {
			log_error("cannot start the router: %s", strerror(errno));
			return EXIT_FAILURE;
		}
		status = child_wait(pid, &set);
		router_resumed = true;
		if (WIFEXITED(status) && (WEXITSTATUS(status) == EXIT_SUCCESS ||
					  WEXITSTATUS(status) == EXIT_FAILURE))
			return WEXITSTATUS(status);
		if (WIFEXITED(status) && WEXITSTATUS(status) == KEEPER_UPGRADE) {
			upgrade(argv, &set);
			continue;
		}
		/* SIGKILL comes from somebody; the others are its own fault. */
		if ((WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) ||
		    now_ms() - began >= LIFE_SHORT)
			router_deaths = 0;
		else
			router_deaths++;
		say_how_it_ended(status);
		pause_between(router_deaths);
	}
}
