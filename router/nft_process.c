/* SPDX-License-Identifier: MIT */
/* nft_process.c - nft commands, run by libnftables in a process of its own */
#include "nft_process.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <nftables/libnftables.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PLAIN		"slimrouter: nft"
#define JSON		"slimrouter: nft, JSON"
#define STACK		(64 * 1024)
#define PATH_SIZE	64

/* Exit statuses: nft refuses, or the process could not do its work */
#define REFUSED		3
#define STARVED		2	/* as libnftables ends without memory */

/* --- the process --- */

static char *read_commands(void)
{
	struct stat stat;
	char *text;
	size_t have = 0;

	if (fstat(STDIN_FILENO, &stat) < 0)
		return NULL;
	text = malloc((size_t)stat.st_size + 1);
	while (text && have < (size_t)stat.st_size) {
		ssize_t got = read(STDIN_FILENO, text + have, (size_t)stat.st_size - have);

		if (got <= 0)
			break;
		have += (size_t)got;
	}
	if (text)
		text[have] = '\0';
	return text;
}

static int run_commands(bool json)
{
	struct nft_ctx *nft = nft_ctx_new(NFT_CTX_DEFAULT);
	char *text = read_commands();
	int ret;

	if (!nft || !text)
		return STARVED;
	if (json)
		nft_ctx_output_set_flags(nft, NFT_CTX_OUTPUT_JSON);
	ret = nft_run_cmd_from_buffer(nft, text);
	nft_ctx_free(nft);
	free(text);
	if (fflush(NULL))
		return STARVED;
	return ret ? REFUSED : EXIT_SUCCESS;
}

/* glibc gives constructors what main() gets. */
__attribute__((constructor)) static void begin(int argc, char **argv)
{
	if (argc != 1 || (strcmp(argv[0], PLAIN) != 0 && strcmp(argv[0], JSON) != 0))
		return;
	_exit(run_commands(!strcmp(argv[0], JSON)));
}

/* --- who starts it --- */

struct start {
	char input[PATH_SIZE], output[PATH_SIZE];
	char *argv[2];
};

/*
 * Shares its parent's memory, like a child of vfork(2). It must hold none of the parent's sockets for a
 * moment, whose last close() some program waits for: so it does not copy the table of files.
 */
static int enter(void *data)
{
	struct start *start = data;
	int input, output;

	/* The next router must not find this one's commands run after its own. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ||
	    close_range(STDERR_FILENO + 1, ~0u, CLOSE_RANGE_UNSHARE) < 0)
		_exit(STARVED);
	input = open(start->input, O_RDONLY | O_CLOEXEC);
	output = open(start->output, O_WRONLY | O_APPEND | O_CLOEXEC);
	if (input < 0 || output < 0 || dup2(input, STDIN_FILENO) < 0 ||
	    dup2(output, STDOUT_FILENO) < 0 || dup2(output, STDERR_FILENO) < 0)
		_exit(STARVED);
	execve("/proc/self/exe", start->argv, environ);
	_exit(STARVED);
}

/* Its status, as of waitpid(2), or -errno */
static int spawn(struct start *start)
{
	char *stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	int status, err = 0;
	pid_t pid;

	if (stack == MAP_FAILED)
		return -errno;
	pid = clone(enter, stack + STACK, CLONE_VM | CLONE_VFORK | CLONE_FILES | SIGCHLD, start);
	if (pid < 0)
		err = -errno;
	munmap(stack, STACK);
	if (err)
		return err;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return status;
}

static int write_all(int fd, const char *bytes, size_t len)
{
	while (len) {
		ssize_t ret = write(fd, bytes, len);

		if (ret < 0)
			return -errno;
		bytes += ret;
		len -= (size_t)ret;
	}
	return 0;
}

/* All of a file, as a string; NULL: no memory */
static char *contents(int fd)
{
	struct stat stat;
	char *text;
	ssize_t len;

	if (fstat(fd, &stat) < 0)
		return NULL;
	text = malloc((size_t)stat.st_size + 1);
	if (!text)
		return NULL;
	len = pread(fd, text, (size_t)stat.st_size, 0);
	text[len > 0 ? len : 0] = '\0';
	return text;
}

/* @answer: what nft says, or NULL */
static int judge(int status, const char *answer)
{
	if (status == 0)
		return 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == REFUSED &&
	    !(answer && strstr(answer, strerror(ENOMEM))))
		return -EIO;
	return -ENOMEM;
}

int nft_process_run(const char *commands, size_t len, bool json, char **answer)
{
	struct start start = { .argv = { json ? JSON : PLAIN, NULL } };
	int input = memfd_create("nft-commands", MFD_CLOEXEC);
	int output = memfd_create("nft-answer", MFD_CLOEXEC);
	int err = input < 0 || output < 0 ? -errno : write_all(input, commands, len);

	*answer = NULL;
	if (!err) {
		snprintf(start.input, PATH_SIZE, "/proc/%d/fd/%d", gettid(), input);
		snprintf(start.output, PATH_SIZE, "/proc/%d/fd/%d", gettid(), output);
		err = spawn(&start);
		*answer = contents(output);
		if (err >= 0)
			err = judge(err, *answer);
	}
	if (input >= 0)
		close(input);
	if (output >= 0)
		close(output);
	return err;
}
