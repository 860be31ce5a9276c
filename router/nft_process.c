/* SPDX-License-Identifier: MIT */
/* nft_process.c - nft commands, run by libnftables in a process of its own */
#include "nft_process.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/memfd.h>
#include <nftables/libnftables.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define NAME		"slimrouter: nft"
#define STACK		(64 * 1024)
#define PATH_SIZE	64

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL	8u	/* Linux 6.3 */
#endif

/* Exit statuses. libnftables' own are 0 to 3, of which 2 is a lack of memory. */
#define REFUSED		4
#define STARVED		2

/* All of a file, as a string; NULL: no memory, or it cannot be read */
static char *contents(int fd)
{
	struct stat stat;
	char *text;
	size_t have = 0;

	if (fstat(fd, &stat) < 0)
		return NULL;
	text = malloc((size_t)stat.st_size + 1);
	while (text && have < (size_t)stat.st_size) {
		ssize_t got = pread(fd, text + have, (size_t)stat.st_size - have, (off_t)have);

		if (got <= 0) {
			free(text);
			return NULL;
		}
		have += (size_t)got;
	}
	if (text)
		text[have] = '\0';
	return text;
}

/* --- the process --- */

static int run_commands(void)
{
	struct nft_ctx *nft = nft_ctx_new(NFT_CTX_DEFAULT);
	char *text = contents(STDIN_FILENO);
	int ret;

	if (!nft || !text)
		return STARVED;
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
	if (argc != 1 || strcmp(argv[0], NAME) != 0 || getauxval(AT_SECURE))
		return;
	prctl(PR_SET_NAME, NAME);
	_exit(run_commands());
}

/* --- who starts it --- */

struct start {
	char input[PATH_SIZE], output[PATH_SIZE];
	char *argv[2];
	int err;	/* why it did not become another program */
};

/*
 * Shares its parent's memory, like a child of vfork(2). Some programs wait for the last close() of a socket
 * that the parent has: so it does not copy the table of files (the kernel does copy the first 64 entries,
 * for some microseconds).
 */
static int enter(void *data)
{
	struct start *start = data;
	int input, output;

	/* The next router must not find this one's commands run after its own. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ||
	    close_range(STDERR_FILENO + 1, ~0u, CLOSE_RANGE_UNSHARE) < 0)
		goto failed;
	input = open(start->input, O_RDONLY | O_CLOEXEC);
	output = open(start->output, O_WRONLY | O_APPEND | O_CLOEXEC);
	if (input < 0 || output < 0 || dup2(input, STDIN_FILENO) < 0 ||
	    dup2(output, STDOUT_FILENO) < 0 || dup2(output, STDERR_FILENO) < 0)
		goto failed;
	execve("/proc/self/exe", start->argv, environ);
failed:
	start->err = -errno;
	_exit(STARVED);
}

/* Its status, as of waitpid(2), or -errno */
static int spawn(struct start *start)
{
	char *stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	int status = 0, err = 0;
	pid_t pid;

	if (stack == MAP_FAILED)
		return -errno;
	pid = clone(enter, stack + STACK, CLONE_VM | CLONE_VFORK | CLONE_FILES | SIGCHLD, start);
	/* Numbers of processes run out, too, and come back. */
	if (pid < 0)
		err = errno == EAGAIN ? -ENOMEM : -errno;
	munmap(stack, STACK);
	if (err)
		return err;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return start->err ? start->err : status;
}

/* (Before Linux 6.3 there is no such flag.) */
static int memory_file(const char *name)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_NOEXEC_SEAL);

	return fd < 0 && errno == EINVAL ? memfd_create(name, MFD_CLOEXEC) : fd;
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

/* @said: what nft says, or NULL */
static int judge(int status, const char *said)
{
	if (status == 0)
		return 0;
	/* libnftables asserts that there is memory; who kills, does so for the lack of it. */
	if (WIFSIGNALED(status))
		return WTERMSIG(status) == SIGABRT || WTERMSIG(status) == SIGKILL ? -ENOMEM : -EIO;
	if (WEXITSTATUS(status) == STARVED || (said && strstr(said, strerror(ENOMEM))))
		return -ENOMEM;
	return -EIO;
}

int nft_process_run(const char *commands, size_t len, char **said)
{
	struct start start = { .argv = { NAME, NULL } };
	int input = memory_file("nft-commands");
	int output = memory_file("nft-said");
	int err = input < 0 || output < 0 ? -errno : write_all(input, commands, len);

	*said = NULL;
	if (!err) {
		snprintf(start.input, PATH_SIZE, "/proc/%d/fd/%d", gettid(), input);
		snprintf(start.output, PATH_SIZE, "/proc/%d/fd/%d", gettid(), output);
		err = spawn(&start);
		*said = contents(output);
		if (err >= 0)
			err = judge(err, *said);
	}
	if (input >= 0)
		close(input);
	if (output >= 0)
		close(output);
	return err;
}
