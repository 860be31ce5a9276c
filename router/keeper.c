/* SPDX-License-Identifier: MIT */
/* keeper.c - the parent that outlives the router */
#include "keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "openfiles.h"
#include "privileges.h"
#include "program.h"

#define RESUME_VARIABLE		"SLIMROUTER_RESUMES"
#define UPGRADE_VARIABLE	"SLIMROUTER_UPGRADE"
#define ERROR_VARIABLE		"SLIMROUTER_UPGRADE_ERROR"

/* After one that crashes again and again before it has lived LIFE_SHORT, we wait longer and longer. */
#define LIFE_SHORT	2000	/* ms */
#define PAUSE_FREE	8	/* so often without a pause */
#define PAUSE_FIRST	100	/* ms */
#define PAUSE_MAX	5000
#define FAILURES_MAX	8	/* starts in a row, some 15 s, until the service is over */
#define GIVE_AWAY_MS	10000
#define FILE_MAX	64	/* bytes of the name of an open file */

/* What keeper and child tell each other, in a page that they share */
struct shared {
	bool ready;			/* atomic */
	uint64_t ready_at;		/* ms; before it is said */
	uint64_t progress_at;		/* atomic: ms, the last one */
	bool upgrading;			/* @upgrade is to be done, or is to be answered */
	struct keeper_upgrade upgrade;
};

/* How a child ended */
struct end {
	int status;			/* as wait(2) has it */
	bool late;			/* it did not get ready in time, and was killed */
	bool stopped;			/* it was told to stop */
};

static char **arguments;
static struct shared *shared;
static int (*router_run)(const struct keeper_start *start);
static struct keeper_start router_start;
static int router_status;
static int former_fd = -1;		/* the old program; while this one is on trial */
static char former_path[PATH_MAX];
static sigset_t keeper_signals;

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* The signals that the keeper waits for; blocked from here on in all that follows. */
static void block_signals(void)
{
	sigemptyset(&keeper_signals);
	sigaddset(&keeper_signals, SIGCHLD);
	sigaddset(&keeper_signals, SIGTERM);
	sigaddset(&keeper_signals, SIGINT);
	sigaddset(&keeper_signals, SIGHUP);
	sigaddset(&keeper_signals, SIGUSR1);
	sigprocmask(SIG_BLOCK, &keeper_signals, NULL);
}

/* --- the child --- */

static sem_t may_run;

static void *thread_run(void *unused)
{
	(void)unused;
	while (sem_wait(&may_run) < 0)
		;
	router_status = router_run(&router_start);
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
	if (sem_init(&may_run, 0, 0) < 0 || pthread_create(&thread, NULL, thread_run, NULL)) {
		log_error("cannot start the router's thread");
		return EXIT_FAILURE;
	}
	/*
	 * This one does nothing any more that takes any. (It opens a file for that: before the other
	 * one looks at what is open.)
	 */
	if (privileges_shed()) {
		log_error("cannot shed the powers that are not needed");
		return EXIT_FAILURE;
	}
	sem_post(&may_run);
	pthread_join(thread, NULL);
	return router_status;
}

static pid_t child_start(enum keeper_task task)
{
	pid_t keeper = getpid(), pid;

	router_start.task = task;
	__atomic_store_n(&shared->ready, false, __ATOMIC_RELAXED);
	fflush(NULL);
	pid = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, NULL);
	if (pid == 0)
		exit(child_run(keeper));
	return pid;
}

void keeper_progress(void)
{
	__atomic_store_n(&shared->progress_at, now_ms(), __ATOMIC_RELAXED);
}

void keeper_ready(void)
{
	shared->ready_at = now_ms();
	__atomic_store_n(&shared->ready, true, __ATOMIC_RELEASE);
	kill(getppid(), SIGUSR1);
}

void keeper_exit_for(const struct keeper_upgrade *upgrade)
{
	shared->upgrade = *upgrade;
	shared->upgrading = true;
	_exit(KEEPER_UPGRADE);
}

const struct keeper_upgrade *keeper_upgraded(void)
{
	return shared->upgrading ? &shared->upgrade : NULL;
}

void keeper_upgrade_settled(void)
{
	shared->upgrading = false;
}

bool keeper_has_file(int fd)
{
	return fd == former_fd;
}

/* --- waiting for it --- */

static void trial_is_over(void)
{
	if (former_fd < 0 || !__atomic_load_n(&shared->ready, __ATOMIC_ACQUIRE))
		return;
	close(former_fd);
	former_fd = -1;
}

static int signal_wait(siginfo_t *info, uint64_t deadline)
{
	uint64_t now = now_ms(), left = deadline > now ? deadline - now : 0;
	struct timespec ts = {
		.tv_sec = (time_t)(left / 1000), .tv_nsec = (long)(left % 1000) * 1000000,
	};

	return deadline ? sigtimedwait(&keeper_signals, info, &ts) :
			  sigwaitinfo(&keeper_signals, info);
}

/* Has @pid ended? Orphans of the router's, if any, are reaped as well. */
static bool reap(pid_t pid, int *status)
{
	for (;;) {
		pid_t ended = waitpid(-1, status, WNOHANG);

		if (ended == pid)
			return true;
		if (ended <= 0)
			return false;
	}
}

/* When the time is over if there is no more progress; 0: now */
static uint64_t deadline_after(uint64_t deadline, unsigned int time)
{
	uint64_t progress_at = __atomic_load_n(&shared->progress_at, __ATOMIC_RELAXED);

	return progress_at + time > deadline ? progress_at + time : 0;
}

/*
 * Waits for the child's end, passing signals on. @time: ms that it may go without progress before it
 * is ready; 0: no limit
 */
static struct end child_wait(pid_t pid, unsigned int time)
{
	uint64_t deadline = time ? now_ms() + time : 0;
	struct end end = { 0 };
	siginfo_t info;

	while (!reap(pid, &end.status)) {
		int ret = signal_wait(&info, deadline);

		if (ret < 0 && errno == EAGAIN) {
			deadline = deadline_after(deadline, time);
			end.late = !deadline;
		}
		if (end.late)
			kill(pid, SIGKILL);
		if (ret == SIGUSR1) {
			trial_is_over();
			if (__atomic_load_n(&shared->ready, __ATOMIC_ACQUIRE))
				deadline = 0;
		} else if (ret > 0 && ret != SIGCHLD) {
			end.stopped |= ret != SIGHUP;
			kill(pid, ret);
		}
	}
	return end;
}

/* --- another program --- */

static int set_flags(int fd, void *flags)
{
	fcntl(fd, F_SETFD, *(const int *)flags);
	return 0;
}

/* Every open file shall, or shall not, outlive an exec. */
static void keep_over_exec(bool keep)
{
	int flags = keep ? 0 : FD_CLOEXEC;

	(void)openfiles_each(set_flags, &flags);
}

static void upgrade_to_environment(const struct keeper_upgrade *upgrade)
{
	static char text[PATH_MAX + 256];

	snprintf(text, sizeof(text), "%d %d %llu %llu %s %s", former_fd, upgrade->client_fd,
		 (unsigned long long)upgrade->client_cookie,
		 (unsigned long long)upgrade->began_at, upgrade->from, upgrade->path);
	setenv(UPGRADE_VARIABLE, text, 1);
	if (upgrade->error[0])
		setenv(ERROR_VARIABLE, upgrade->error, 1);
}

static void forget_environment(void)
{
	unsetenv(RESUME_VARIABLE);
	unsetenv(UPGRADE_VARIABLE);
	unsetenv(ERROR_VARIABLE);
}

static void former_file(char file[FILE_MAX])
{
	snprintf(file, FILE_MAX, "/proc/self/fd/%d", former_fd);
}

static void find_former_path(void)
{
	char file[FILE_MAX];

	former_file(file);
	if (program_path(file, former_path, sizeof(former_path)))
		snprintf(former_path, sizeof(former_path), "%s", arguments[0]);
}

static void upgrade_from_environment(void)
{
	const char *text = getenv(UPGRADE_VARIABLE), *error = getenv(ERROR_VARIABLE);
	struct keeper_upgrade *upgrade = &shared->upgrade;
	unsigned long long cookie, began_at;
	int len = 0;

	if (!text || sscanf(text, "%d %d %llu %llu %31s %n", &former_fd, &upgrade->client_fd,
			    &cookie, &began_at, upgrade->from, &len) != 5 || !len)
		return;
	upgrade->client_cookie = cookie;
	upgrade->began_at = began_at;
	snprintf(upgrade->path, sizeof(upgrade->path), "%s", text + len);
	snprintf(upgrade->error, sizeof(upgrade->error), "%s", error ? error : "");
	shared->upgrading = true;
	if (former_fd >= 0)
		find_former_path();
}

/* Executes @file, which calls itself @name. Comes back only where that fails: -errno. */
static int execute(const char *file, const char *name)
{
	char *own_name = arguments[0];
	int err;

	keep_over_exec(true);
	setenv(RESUME_VARIABLE, "1", 1);
	upgrade_to_environment(&shared->upgrade);
	arguments[0] = (char *)name;
	/* Signals stay blocked, and wait for the next keeper. */
	execv(file, arguments);
	err = -errno;
	arguments[0] = own_name;
	forget_environment();
	keep_over_exec(false);
	return err;
}

static bool is_what_was_checked(const struct keeper_upgrade *upgrade)
{
	struct stat st;

	return stat(upgrade->path, &st) == 0 && st.st_dev == upgrade->dev &&
	       st.st_ino == upgrade->inode;
}

/* Comes back only where it fails. */
static void go_forward(void)
{
	struct keeper_upgrade *upgrade = &shared->upgrade;
	int err = -ESTALE;

	log_info("the router is replaced by %s", upgrade->path);
	former_fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (former_fd < 0)
		err = -errno;
	else if (is_what_was_checked(upgrade))
		err = execute(upgrade->path, upgrade->path);
	if (former_fd >= 0)
		close(former_fd);
	former_fd = -1;
	snprintf(upgrade->error, sizeof(upgrade->error), "cannot execute it: %s", strerror(-err));
	log_error("%s: %s; the old version goes on", upgrade->path, upgrade->error);
}

/* Comes back only where it fails. */
static void go_back(void)
{
	static char file[FILE_MAX];
	int err;

	log_error("%s: %s; the old version takes over again", shared->upgrade.path,
		  shared->upgrade.error);
	former_file(file);
	former_fd = -1;
	err = execute(file, former_path);
	log_error("cannot execute the old version: %s", strerror(-err));
}

__attribute__((format(printf, 1, 2)))
static void trial_failed(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(shared->upgrade.error, sizeof(shared->upgrade.error), fmt, args);
	va_end(args);
	go_back();
}

int keeper_give_up(const char *why)
{
	if (former_fd >= 0)
		trial_failed("%s", why);
	return EXIT_FAILURE;
}

/* --- the keeper --- */

int keeper_begin(char **argv)
{
	struct shared *page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return -errno;
	shared = page;
	arguments = argv;
	router_start.resumed = getenv(RESUME_VARIABLE) != NULL;
	upgrade_from_environment();
	forget_environment();
	if (!router_start.resumed)
		return 0;
	keep_over_exec(false);
	/* One that was executed by its descriptor is called by its number. */
	prctl(PR_SET_NAME, "slimrouter");
	return 0;
}

/* ms after the failure of that number in a row */
static unsigned int pause_after(unsigned int failures)
{
	unsigned int ms = PAUSE_FIRST;

	for (unsigned int i = 1; i < failures && ms < PAUSE_MAX; i++)
		ms *= 2;
	return ms < PAUSE_MAX ? ms : PAUSE_MAX;
}

static void pause_between(unsigned int deaths)
{
	unsigned int ms;
	struct timespec ts;

	if (deaths <= PAUSE_FREE)
		return;
	ms = pause_after(deaths - PAUSE_FREE);
	ts = (struct timespec){ .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };
	nanosleep(&ts, NULL);
}

/* Is the keeper told to stop before @deadline? */
static bool stopped_before(uint64_t deadline)
{
	siginfo_t info;
	int ret;

	do {
		ret = signal_wait(&info, deadline);
		if (ret == SIGTERM || ret == SIGINT) {
			/* Whoever comes next is to stop, too. */
			kill(getpid(), ret);
			return true;
		}
	} while (ret >= 0 || errno == EINTR);
	return false;
}

/*
 * Starts a child as soon as there are memory and processes for it, which is tried for @time ms (0: no
 * limit), until the keeper is told to stop. -errno
 */
static pid_t child_start_soon(enum keeper_task task, unsigned int time)
{
	uint64_t deadline = now_ms() + time;

	for (unsigned int failures = 1;; failures++) {
		pid_t pid = child_start(task);
		int err = -errno;

		if (pid >= 0)
			return pid;
		log_error("cannot start the router: %s", strerror(-err));
		if ((time && now_ms() >= deadline) ||
		    stopped_before(now_ms() + pause_after(failures)))
			return err;
	}
}

static void say_how_it_ended(int status)
{
	if (WIFEXITED(status))
		log_error("the router ended with status %d: another one takes over",
			  WEXITSTATUS(status));
	else
		log_error("the router was killed by signal %d (%s): another one takes over",
			  WTERMSIG(status), strsignal(WTERMSIG(status)));
}

static void say_trial(const struct end *end)
{
	if (end->late)
		trial_failed("its start made no progress for %d s", KEEPER_TRIAL_MS / 1000);
	else if (WIFSIGNALED(end->status))
		trial_failed("it was killed by signal %d (%s) before it was ready",
			     WTERMSIG(end->status), strsignal(WTERMSIG(end->status)));
	else
		trial_failed("it ended with status %d before it was ready: see its log",
			     WEXITSTATUS(end->status));
}

static int give_away(void)
{
	pid_t pid = child_start_soon(KEEPER_GIVE_AWAY, GIVE_AWAY_MS);
	struct end end;

	if (pid < 0)
		return EXIT_FAILURE;
	end = child_wait(pid, GIVE_AWAY_MS);
	return WIFEXITED(end.status) ? WEXITSTATUS(end.status) : EXIT_FAILURE;
}

static unsigned int failures;		/* starts in a row */

/*
 * SIGKILL comes from somebody; the other signals are its own fault, and perhaps its state's. A status
 * says that something was wanting. @lived: served()
 */
static void died(int status, int64_t lived)
{
	static unsigned int short_lives;
	bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;

	if (lived >= 0)
		failures = 0;
	short_lives++;
	if (lived >= (killed ? 0 : LIFE_SHORT))
		short_lives = 0;
	if (killed || lived >= LIFE_SHORT)
		router_start.deaths = 0;
	else if (WIFSIGNALED(status))
		router_start.deaths++;
	say_how_it_ended(status);
	pause_between(short_lives);
}

/*
 * One that follows another and cannot start (for want of files, perhaps) is tried again, and its
 * state is not to blame. Returns whether it has been often enough.
 */
static bool failed(int status, int64_t lived)
{
	if (lived >= LIFE_SHORT)
		failures = 0;
	if (++failures > FAILURES_MAX)
		return true;
	say_how_it_ended(status);
	pause_between(PAUSE_FREE + failures);
	return false;
}

/* Is the service over with the router that ended? @follows: there was one before it */
static bool is_over(const struct end *end, bool follows, int64_t lived)
{
	int status = end->status;

	if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS)
		return true;
	if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_FAILURE)
		return end->stopped || !follows || failed(status, lived);
	/* It was killed, or ended in some other way. */
	died(status, lived);
	return false;
}

/* How long the router that ended was ready, in ms; -1: it never was */
static int64_t served(void)
{
	if (!__atomic_load_n(&shared->ready, __ATOMIC_ACQUIRE))
		return -1;
	return (int64_t)(now_ms() - shared->ready_at);
}

/* It was told to stop, and did. */
static bool stopped_in_order(const struct end *end)
{
	return end->stopped && WIFEXITED(end->status) &&
	       (WEXITSTATUS(end->status) == EXIT_SUCCESS ||
		WEXITSTATUS(end->status) == KEEPER_STORE);
}

int keeper_run(int (*router)(const struct keeper_start *start))
{
	router_run = router;
	block_signals();
	for (;;) {
		bool follows = router_start.resumed, tried = former_fd >= 0;
		pid_t pid = child_start_soon(KEEPER_SERVE,
					     follows && !tried ? 0 : KEEPER_TRIAL_MS);
		struct end end;

		if (pid < 0)
			return keeper_give_up("it cannot start a process");
		end = child_wait(pid, former_fd >= 0 ? KEEPER_TRIAL_MS : 0);
		router_start.resumed = true;
		trial_is_over();
		/* Whoever comes next is to stop, too. */
		if (end.stopped && !stopped_in_order(&end))
			kill(getpid(), SIGTERM);
		if (former_fd >= 0 && !stopped_in_order(&end))
			say_trial(&end);
		if (WIFEXITED(end.status) && WEXITSTATUS(end.status) == KEEPER_UPGRADE)
			go_forward();
		else if (WIFEXITED(end.status) && WEXITSTATUS(end.status) == KEEPER_STORE)
			return give_away();
		else if (is_over(&end, follows, served()))
			return WEXITSTATUS(end.status);
	}
}

static int do_nothing(const struct keeper_start *unused)
{
	(void)unused;
	return EXIT_SUCCESS;
}

int keeper_rehearse(void)
{
	struct end end;
	pid_t pid;

	router_run = do_nothing;
	block_signals();
	pid = child_start(KEEPER_SERVE);
	if (pid < 0)
		return -errno;
	end = child_wait(pid, KEEPER_TRIAL_MS);
	return WIFEXITED(end.status) && WEXITSTATUS(end.status) == EXIT_SUCCESS ? 0 : -ECHILD;
}
