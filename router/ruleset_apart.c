/* SPDX-License-Identifier: MIT */
/* ruleset_apart.c - many nft commands, run by a process of its own */
#include "ruleset_apart.h"

#include <errno.h>
#include <fcntl.h>
#include <nftables/libnftables.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROGRAM	"/proc/self/exe"

/* --- the router's part --- */

/* A file that holds @text. Or -errno */
static int text_file(const char *text, size_t len)
{
	int fd = memfd_create("rules", MFD_CLOEXEC);
	int err = fd < 0 ? -errno : 0;

	while (!err && len) {
		ssize_t written = write(fd, text, len);

		if (written < 0) {
			err = -errno;
		} else {
			text += written;
			len -= (size_t)written;
		}
	}
	if (!err && lseek(fd, 0, SEEK_SET) < 0)
		err = -errno;
	if (err && fd >= 0)
		close(fd);
	return err ? err : fd;
}

/* 0 or -errno */
static int spawn(pid_t *pid, int in, int out)
{
	char parent[16];
	char *argv[] = { (char *)"slimrouter", (char *)RULESET_APART_OPTION, parent, NULL };
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	sigset_t none;
	int err;

	snprintf(parent, sizeof(parent), "%d", (int)getpid());
	sigemptyset(&none);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawn_file_actions_init(&files);
	err = posix_spawn_file_actions_adddup2(&files, in, STDIN_FILENO);
	if (!err)
		err = posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
	if (!err)
		err = posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
	if (!err)
		err = posix_spawn(pid, PROGRAM, &files, &attributes, argv, environ);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attributes);
	return -err;
}

/* What there is no room for is read and forgotten. */
static void read_all(int fd, char *text, size_t size)
{
	char rest[512] = { 0 };
	size_t len = 0;
	ssize_t got;

	do {
		bool room = len + 1 < size;

		got = read(fd, room ? text + len : rest, room ? size - 1 - len : sizeof(rest));
		if (got > 0 && room)
			len += (size_t)got;
	} while (got > 0 || (got < 0 && errno == EINTR));
	text[len] = '\0';
}

static int wait_for(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) && !WEXITSTATUS(status) ? 0 : -EAGAIN;
}

int ruleset_apart_run(const char *text, size_t len, char *error, size_t size)
{
	int in = text_file(text, len), said[2], err;
	pid_t pid;

	if (in < 0)
		return in;
	if (pipe2(said, O_CLOEXEC) < 0) {
		err = -errno;
		close(in);
		return err;
	}
	err = spawn(&pid, in, said[1]);
	close(in);
	close(said[1]);
	if (!err) {
		read_all(said[0], error, size);
		err = wait_for(pid);
	}
	close(said[0]);
	return err;
}

/* --- the process's part --- */

/* False: @size bytes were not there. */
static bool read_whole(char *text, size_t size)
{
	while (size) {
		ssize_t len = read(STDIN_FILENO, text, size);

		if (len <= 0)
			return false;
		text += len;
		size -= (size_t)len;
	}
	*text = '\0';
	return true;
}

/* NULL: no memory, or it cannot be read */
static char *standard_input(void)
{
	struct stat stat;
	char *text;

	if (fstat(STDIN_FILENO, &stat))
		return NULL;
	text = malloc((size_t)stat.st_size + 1);
	if (text && read_whole(text, (size_t)stat.st_size))
		return text;
	free(text);
	return NULL;
}

static int run(struct nft_ctx *nft, const char *text)
{
	int ret;

	nft_ctx_buffer_error(nft);
	nft_ctx_buffer_output(nft);
	ret = nft_run_cmd_from_buffer(nft, text);
	if (ret)
		fputs(nft_ctx_get_error_buffer(nft), stdout);
	return ret ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* Nothing is loaded in the name of a router that is no more: the next one may have loaded something
 * else. */
static bool is_orphan(const char *parent)
{
	return prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != (pid_t)atoi(parent);
}

int ruleset_apart_main(char **argv)
{
	int ret = EXIT_FAILURE;
	struct nft_ctx *nft;
	char *text;

	if (!argv[2] || is_orphan(argv[2]))
		return EXIT_FAILURE;
	text = standard_input();
	nft = nft_ctx_new(NFT_CTX_DEFAULT);
	if (text && nft)
		ret = run(nft, text);
	if (nft)
		nft_ctx_free(nft);
	free(text);
	return ret;
}
