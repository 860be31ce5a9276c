/* SPDX-License-Identifier: MIT */
/* upgrade.c - moving to another program while everything goes on */
#include "upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../include/slim/version.h"
#include "aside.h"
#include "inherited.h"
#include "keeper.h"
#include "log.h"
#include "program.h"
#include "rehearsal.h"

#define CHECK_MS	10000	/* for a rehearsal */
#define CHECK_POLL_MS	10
#define OUTPUT_MAX	4096
#define REASON_MAX	256
#define ARGUMENTS_MAX	64

static char *const *arguments;
static char own_path[PATH_MAX];		/* when it was started; empty: it cannot be told */

/* What the thread aside works on; one at a time. */
static struct {
	struct aside aside;
	bool running;
	struct keeper_upgrade upgrade;
	void (*checked)(const char *error);
	char output[OUTPUT_MAX];
	size_t output_len;
	char error[sizeof(((struct keeper_upgrade *)0)->path) + REASON_MAX + 64];
} check;

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

void upgrade_init(char *const *argv)
{
	arguments = argv;
	if (program_path("/proc/self/exe", own_path, sizeof(own_path)))
		own_path[0] = '\0';
}

__attribute__((format(printf, 1, 2)))
static void refuse(const char *fmt, ...)
{
	char reason[REASON_MAX];
	va_list args;

	va_start(args, fmt);
	vsnprintf(reason, sizeof(reason), fmt, args);
	va_end(args);
	snprintf(check.error, sizeof(check.error), "%s is not put into the router's place: %s",
		 check.upgrade.path, reason);
}

/* --- the rehearsal --- */

/* Our own arguments, and one more */
static void rehearsal_arguments(char *argv[ARGUMENTS_MAX])
{
	int num = 0;

	argv[num++] = check.upgrade.path;
	argv[num++] = (char *)"--rehearse";
	for (int i = 1; arguments[i] && num < ARGUMENTS_MAX - 1; i++)
		argv[num++] = arguments[i];
	argv[num] = NULL;
}

/* A service manager's, and our own keeper's, are not for it. */
static char **rehearsal_environment(void)
{
	static const char *const not_for_it[] = { "NOTIFY_SOCKET=", "WATCHDOG_", "LISTEN_",
						  "SLIMROUTER_" };
	size_t num = 0, kept = 0;
	char **env;

	while (environ[num])
		num++;
	env = calloc(num + 1, sizeof(*env));
	for (size_t i = 0; env && i < num; i++) {
		bool keep = true;

		for (size_t j = 0; j < sizeof(not_for_it) / sizeof(not_for_it[0]); j++)
			keep &= strncmp(environ[i], not_for_it[j], strlen(not_for_it[j])) != 0;
		if (keep)
			env[kept++] = environ[i];
	}
	return env;
}

/* In a process group of its own, with nothing open but @out. 0 or -errno */
static int spawn(pid_t *pid, int out)
{
	char *argv[ARGUMENTS_MAX], **env = rehearsal_environment();
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	int err;

	if (!env)
		return -ENOMEM;
	rehearsal_arguments(argv);
	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
				 POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &all);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&files, out, STDERR_FILENO);
	posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
	err = posix_spawn(pid, check.upgrade.path, &files, &attributes, argv, env);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attributes);
	free(env);
	return -err;
}

/* What it says is kept as far as there is room, and read to its end. Returns whether that is there. */
static bool read_output(int fd)
{
	char rest[512];
	size_t room = sizeof(check.output) - 1 - check.output_len;
	ssize_t len = read(fd, room ? check.output + check.output_len : rest,
			   room ? room : sizeof(rest));

	if (len > 0 && room)
		check.output_len += (size_t)len;
	check.output[check.output_len] = '\0';
	return !len;
}

/* Its exit status as wait(2) has it; -ETIMEDOUT: it was killed because it went on and on. */
static int listen_to(pid_t pid, int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	uint64_t deadline = now_ms() + CHECK_MS;
	int status, ret = -ETIMEDOUT;

	while (now_ms() < deadline) {
		/* After its end there is nothing to wait for but time. */
		if (poll(&pfd, 1, CHECK_POLL_MS) > 0 && read_output(fd))
			pfd.fd = -1;
		if (waitpid(pid, &status, WNOHANG) != pid)
			continue;
		ret = status;
		break;
	}
	/* Whatever it has started ends with it. */
	kill(-pid, SIGKILL);
	if (ret == -ETIMEDOUT)
		waitpid(pid, &status, 0);
	(void)read_output(fd);
	return ret;
}

/* The last line of what it said */
static const char *last_line(void)
{
	char *end = check.output + check.output_len;

	while (end > check.output && end[-1] == '\n')
		*--end = '\0';
	while (end > check.output && end[-1] != '\n')
		end--;
	return *end ? end : "it said nothing";
}

static void judge(int status)
{
	const char *line = last_line();

	if (status == -ETIMEDOUT)
		refuse("its rehearsal was not over after %d s", CHECK_MS / 1000);
	else if (WIFSIGNALED(status))
		refuse("it was killed by signal %d (%s) when it rehearsed", WTERMSIG(status),
		       strsignal(WTERMSIG(status)));
	else if (WEXITSTATUS(status))
		refuse("it rehearsed with exit status %d: %.180s", WEXITSTATUS(status), line);
	else if (strncmp(line, REHEARSAL_WORD, strlen(REHEARSAL_WORD)))
		refuse("it is no slimrouter that can rehearse: %.180s", line);
}

static void run(struct aside *unused)
{
	int ends[2], status, err;
	pid_t pid;

	(void)unused;
	/* Whoever rehearses waits until it is read, as with any pipe; we do not wait for what it says. */
	if (pipe2(ends, O_CLOEXEC) < 0 || fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0) {
		refuse("%s", strerror(errno));
		return;
	}
	err = spawn(&pid, ends[1]);
	close(ends[1]);
	if (err) {
		refuse("cannot execute it: %s", strerror(-err));
	} else {
		status = listen_to(pid, ends[0]);
		judge(status);
	}
	close(ends[0]);
}

static void done(struct aside *unused)
{
	(void)unused;
	check.running = false;
	if (check.error[0])
		log_warning("%s", check.error);
	check.checked(check.error[0] ? check.error : NULL);
}

/* --- what there is to check --- */

static int look_at(struct keeper_upgrade *upgrade)
{
	struct stat st;

	if (stat(upgrade->path, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EACCES;
	upgrade->dev = st.st_dev;
	upgrade->inode = st.st_ino;
	return access(upgrade->path, X_OK) < 0 ? -errno : 0;
}

int upgrade_check(const char *binary, void (*checked)(const char *error), char *error,
		  size_t size)
{
	struct keeper_upgrade *upgrade = &check.upgrade;
	int err = 0;

	/* The file that has the name which our own had when we were started */
	if (!binary)
		binary = own_path;
	if (check.running) {
		snprintf(error, size, "another upgrade is under way");
		return -EBUSY;
	}
	memset(&check, 0, sizeof(check));
	check.checked = checked;
	check.aside.run = run;
	check.aside.done = done;
	if (binary[0] != '/' || strlen(binary) >= sizeof(upgrade->path))
		err = -EINVAL;
	else
		strcpy(upgrade->path, binary);
	if (!err)
		err = look_at(upgrade);
	if (!err)
		err = aside_start(&check.aside);
	check.running = !err;
	if (err)
		snprintf(error, size, "cannot put %s into the router's place: %s",
			 binary[0] ? binary : "the program", err == -EINVAL ?
			 "expected an absolute path" : strerror(-err));
	return err;
}

void upgrade_go(int client_fd)
{
	struct keeper_upgrade *upgrade = &check.upgrade;

	log_info("the router ends, to be replaced by %s", upgrade->path);
	upgrade->client_fd = client_fd;
	upgrade->client_cookie = inherited_cookie(client_fd);
	upgrade->began_at = now_ms();
	snprintf(upgrade->from, sizeof(upgrade->from), "%s", SLIM_VERSION);
	keeper_exit_for(upgrade);
}

/* --- what came of it --- */

int upgrade_client(void)
{
	const struct keeper_upgrade *upgrade = keeper_upgraded();

	return upgrade ? inherited_take(upgrade->client_fd, upgrade->client_cookie) : -1;
}

bool upgrade_outcome(json_t **reply, char *error, size_t size)
{
	const struct keeper_upgrade *upgrade = keeper_upgraded();
	uint64_t took;

	if (!upgrade)
		return false;
	took = now_ms() - upgrade->began_at;
	if (upgrade->error[0])
		snprintf(error, size, "%s was put into the router's place, and the old program took "
			 "over again after %llu ms: %s", upgrade->path, (unsigned long long)took,
			 upgrade->error);
	else
		*reply = json_pack("{s:s, s:s, s:s, s:i, s:I}", "binary", upgrade->path,
				   "from", upgrade->from, "to", SLIM_VERSION, "pid", (int)getpid(),
				   "took_ms", (json_int_t)took);
	if (!upgrade->error[0])
		log_info("slimrouter %s has replaced %s after %llu ms", SLIM_VERSION,
			 upgrade->from, (unsigned long long)took);
	keeper_upgrade_settled();
	return true;
}
